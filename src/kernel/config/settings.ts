import { isIP } from "node:net";
import { OperatorError } from "../errors.ts";
import { oneLine, type Setting } from "./env.ts";
import { describeVariable, type VariableName } from "./variables.ts";

/** Reads values by type. An empty value counts as unset, except for a list, where it is the empty list. */
export class Settings {
  readonly #given: ReadonlyMap<VariableName, Setting>;

  constructor(given: ReadonlyMap<VariableName, Setting>) {
    this.#given = given;
  }

  /** Whether somebody set it, the default aside. */
  has(name: VariableName): boolean {
    return (this.#given.get(name)?.value ?? "") !== "";
  }

  origin(name: VariableName): string {
    return this.has(name) ? (this.#given.get(name)?.origin ?? "default") : "default";
  }

  /** The value or the default. */
  text(name: VariableName): string | undefined {
    return this.has(name) ? this.#given.get(name)?.value : describeVariable(name).default;
  }

  /** For variables with a default. */
  required(name: VariableName): string {
    return this.text(name) ?? "";
  }

  boolean(name: VariableName): boolean {
    const value = this.required(name).trim().toLowerCase();
    if (["true", "1", "yes", "on"].includes(value)) return true;
    if (["false", "0", "no", "off"].includes(value)) return false;
    throw this.fault(name, "must be true or false");
  }

  port(name: VariableName, least = 1): number {
    const port = parsePort(this.required(name), least);
    if (port === undefined) throw this.fault(name, `must be a whole number from ${least} to 65535`);
    return port;
  }

  wholeNumber(name: VariableName, least: number, most: number): number {
    const text = this.required(name).trim();
    const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (number >= least && number <= most) return number;
    throw this.fault(name, `must be a whole number from ${least} to ${most}`);
  }

  /** Separated by commas or white space, or a JSON list of texts. */
  list(name: VariableName): readonly string[] {
    const value = this.#given.get(name)?.value ?? describeVariable(name).default ?? "";
    if (value.trim().startsWith("[")) return this.#jsonList(name, value);
    return value.split(/[\s,]+/).filter((item) => item !== "");
  }

  ports(name: VariableName): readonly number[] {
    const numbers = this.list(name).map((item) => parsePort(item, 0));
    if (numbers.includes(undefined)) throw this.fault(name, "must be port numbers separated by commas");
    return numbers.filter((port): port is number => port !== undefined && port !== 0);
  }

  /** The error for a bad value: one line with variable, value (unless secret) and rule. */
  fault(name: VariableName, rule: string): OperatorError {
    const secret = describeVariable(name).secret;
    const shown = secret ? "" : `=${oneLine(this.#given.get(name)?.value ?? "")}`;
    return new OperatorError(`${name}${shown} (${this.origin(name)}): ${oneLine(rule)}.`);
  }

  #jsonList(name: VariableName, value: string): readonly string[] {
    const parsed = parseJson(value);
    if (Array.isArray(parsed) && parsed.every((item) => typeof item === "string")) return parsed;
    throw this.fault(name, 'must be a list like ["a","b"] or a,b');
  }
}

/** Undefined for what is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function parsePort(text: string, least: number): number | undefined {
  const port = /^\d{1,5}$/.test(text.trim()) ? Number(text) : Number.NaN;
  return port >= least && port <= 65_535 ? port : undefined;
}

/** An IP address or a range like 10.0.0.0/8. */
export function isAddressRange(text: string): boolean {
  const [address = "", prefix, ...rest] = text.split("/");
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128));
}
