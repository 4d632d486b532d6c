const plainText = /[^"\\\u007f-\uffff]*/y;
const literal = /[-+.0-9a-zA-Z]+/y;

/**
 * JSON text laid out with four spaces and in ASCII, as Python's `json.dump(…, indent=4)` does it, of a text that comes in
 * parts. Numbers keep their digits, since nothing is parsed.
 */
export class Indenter {
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** The last character outside of strings that is not white space. */
  #last = "";

  push(text: string): string {
    let result = "";
    for (let at = 0; at < text.length; ) {
      const run = runFrom(this.#inString ? plainText : literal, text, this.#escaped ? text.length : at);
      if (run !== "") {
        result += this.#inString ? run : this.#outside(run);
        at += run.length;
      } else {
        const unit = text[at] as string;
        result += this.#inString ? this.#inside(unit) : this.#outside(unit);
        at += 1;
      }
    }
    return result;
  }

  /** Whether what came so far is one whole array or object. */
  get isWhole(): boolean {
    return this.#depth === 0 && !this.#inString && (this.#last === "]" || this.#last === "}");
  }

  /** A character that ends a string, escapes the next or is none of ASCII. */
  #inside(unit: string): string {
    if (this.#escaped) this.#escaped = false;
    else if (unit === "\\") this.#escaped = true;
    else if (unit === '"') this.#inString = false;
    return unit > "~" ? `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}` : unit;
  }

  #outside(part: string): string {
    if (part.trim() === "") return "";
    const closing = part === "]" || part === "}";
    const begun = this.#last === "[" || this.#last === "{";
    if (closing) this.#depth -= 1;
    const newLine = closing ? !begun : begun || this.#last === ",";
    const lead = newLine ? `\n${"    ".repeat(Math.max(0, this.#depth))}` : "";
    if (part === "[" || part === "{") this.#depth += 1;
    if (part === '"') this.#inString = true;
    // A literal that is cut in two parts has no end of its own.
    this.#last = part.at(-1) as string;
    return `${lead}${part}${part === ":" ? " " : ""}`;
  }
}

function runFrom(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? "";
}

/** The text of a whole document, laid out. */
export const indented = (value: unknown): string => new Indenter().push(JSON.stringify(value));
