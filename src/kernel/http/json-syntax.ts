/** Where a text stops being JSON, and why. Only called once `JSON.parse` has refused the text. */
export interface JsonFault {
  readonly line: number;
  /** From 1, in UTF-16 units. */
  readonly column: number;
  readonly reason: string;
}

const space = /[ \t\n\r]*/y;
const badEscape = /\\(?!["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const scalar = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-])/y;
const notANumber = /[+-]?(?:NaN|Infinity)\b/y;

/** States: what may come next. */
type Expect = "value" | "firstValue" | "name" | "firstName" | "colon" | "comma" | "end";

class Scanner {
  readonly #source: string;
  at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  take(pattern: RegExp): boolean {
    pattern.lastIndex = this.at;
    if (!pattern.test(this.#source)) return false;
    this.at = pattern.lastIndex;
    return true;
  }

  /** A text in quotes; stays put when it is not closed or holds what must be escaped. */
  takeText(): boolean {
    if (this.#source[this.at] !== '"') return false;
    for (let at = this.at + 1; at < this.#source.length; at += 1) {
      const code = this.#source.charCodeAt(at);
      badEscape.lastIndex = at;
      if (code < 0x20 || (code === 0x5c && badEscape.test(this.#source))) return false;
      if (code === 0x5c) at += 1;
      if (code !== 0x22) continue;
      this.at = at + 1;
      return true;
    }
    return false;
  }

  takeChar(char: string): boolean {
    if (this.#source[this.at] !== char) return false;
    this.at += 1;
    return true;
  }

  fault(expected: string): JsonFault {
    const before = this.#source.slice(0, this.at);
    const line = before.split("\n").length;
    return { line, column: this.at - before.lastIndexOf("\n"), reason: this.#reason(expected) };
  }

  #reason(expected: string): string {
    if (this.at >= this.#source.length) return `the text ends where ${expected} should be`;
    if (this.take(notANumber)) return "NaN and Infinity are not JSON";
    const found = this.#source[this.at] ?? "";
    if (found === '"')
      return "this text in quotes is not closed, or holds a bad escape or a control character";
    return `${expected} should be here, not ${JSON.stringify(found)}`;
  }
}

/** The first fault of the text; undefined when it is JSON after all. */
export function findJsonFault(source: string): JsonFault | undefined {
  const scanner = new Scanner(source);
  const open: ("[" | "{")[] = [];
  let expect: Expect = "value";
  const afterValue = (): Expect => (open.length === 0 ? "end" : "comma");
  for (;;) {
    scanner.take(space);
    const inside = open.at(-1);
    switch (expect) {
      case "value":
      case "firstValue":
        if (expect === "firstValue" && scanner.takeChar("]")) {
          open.pop();
          expect = afterValue();
        } else if (scanner.takeChar("[")) {
          open.push("[");
          expect = "firstValue";
        } else if (scanner.takeChar("{")) {
          open.push("{");
          expect = "firstName";
        } else if (scanner.takeText() || scanner.take(scalar)) expect = afterValue();
        else return scanner.fault("a value");
        break;
      case "name":
      case "firstName":
        if (expect === "firstName" && scanner.takeChar("}")) {
          open.pop();
          expect = afterValue();
        } else if (scanner.takeText()) expect = "colon";
        else return scanner.fault("a member name in double quotes");
        break;
      case "colon":
        if (!scanner.takeChar(":")) return scanner.fault("a colon");
        expect = "value";
        break;
      case "comma":
        if (scanner.takeChar(",")) expect = inside === "[" ? "value" : "name";
        else if (scanner.takeChar(inside === "[" ? "]" : "}")) {
          open.pop();
          expect = afterValue();
        } else return scanner.fault(inside === "[" ? "a comma or ]" : "a comma or }");
        break;
      case "end":
        return scanner.at >= source.length ? undefined : scanner.fault("the end");
    }
  }
}
