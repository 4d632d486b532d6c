import { isUtf8 } from "node:buffer";
import { Problem, type Violation } from "../errors.ts";
import { isExactNumber } from "../exact-numbers.ts";
import { findJsonFault } from "./json-syntax.ts";

/** Deeper nesting could exhaust the stack of whoever walks or prints the value later. */
const maxDepth = 200;

const broken = (detail: string): Problem => new Problem("invalid-json", { detail });

/**
 * Parses a request body, stricter than `JSON.parse`: UTF-8 only, no member that could reach a prototype, no
 * number that a double cannot hold (an integer that would change, a literal beyond the range), nesting up to
 * 200.
 * @throws Problem `invalid-json` (not JSON), `invalid-request` (JSON, but one of the rules above)
 */
export function parseJsonBody(bytes: Buffer): unknown {
  if (bytes.length === 0) throw broken("The body is empty; JSON was announced.");
  if (!isUtf8(bytes)) throw broken("The body is not valid UTF-8.");
  const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  const text = bytes.toString("utf8", start);
  const value = parse(text);
  if (hasLongDigitRun(bytes)) refuseChangedIntegers(text);
  const fault = findFault(value, 0);
  if (fault) throw refusal(fault);
  return value;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const fault = findJsonFault(text);
    if (!fault) throw broken(error instanceof Error ? error.message : "The body is not JSON.");
    throw broken(`JSON parse error at line ${fault.line} column ${fault.column}: ${fault.reason}.`);
  }
}

interface Fault {
  readonly path: string[];
  readonly detail: string;
}

/** The first member or number that breaks a rule; the path is filled in on the way back. */
function findFault(value: unknown, depth: number): Fault | undefined {
  if (typeof value === "number") {
    return Number.isFinite(value)
      ? undefined
      : { path: [], detail: "The number is beyond the range of a double." };
  }
  if (typeof value !== "object" || value === null) return undefined;
  if (depth >= maxDepth) return { path: [], detail: `The body is nested deeper than ${maxDepth} levels.` };
  return Array.isArray(value) ? faultInArray(value, depth) : faultInObject(value, depth);
}

function faultInArray(values: readonly unknown[], depth: number): Fault | undefined {
  for (let index = 0; index < values.length; index += 1) {
    const fault = findFault(values[index], depth + 1);
    if (fault) {
      fault.path.unshift(String(index));
      return fault;
    }
  }
  return undefined;
}

function faultInObject(value: object, depth: number): Fault | undefined {
  for (const name in value) {
    const member: unknown = value[name as keyof typeof value];
    if (name === "__proto__" || (name === "constructor" && holdsPrototype(member))) {
      return { path: [name], detail: `A member named ${name} is not allowed.` };
    }
    const fault = findFault(member, depth + 1);
    if (fault) {
      fault.path.unshift(name);
      return fault;
    }
  }
  return undefined;
}

const holdsPrototype = (value: unknown): boolean =>
  typeof value === "object" && value !== null && Object.hasOwn(value, "prototype");

function refusal(fault: Fault): Problem {
  const pointer = fault.path.map((part) => `/${part.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
  const errors: Violation[] = [
    { pointer: pointer.length > 200 ? `${pointer.slice(0, 200)}…` : pointer, detail: fault.detail },
  ];
  return new Problem("invalid-request", { detail: fault.detail, errors });
}

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;

/**
 * Whether 16 or more digits follow each other: such a run covers a position divisible by 16, so that few
 * bytes are looked at.
 */
function hasLongDigitRun(bytes: Uint8Array): boolean {
  for (let probe = 15; probe < bytes.length; probe += 16) {
    if (!isDigit(bytes[probe])) continue;
    let first = probe;
    let last = probe;
    while (isDigit(bytes[first - 1])) first -= 1;
    while (isDigit(bytes[last + 1])) last += 1;
    if (last - first >= 15) return true;
  }
  return false;
}

/**
 * A double holds integers exactly up to 2^53 only; storing another number than the one sent would be silent
 * damage. Above, those pass that are read back as they were written, which is how floats of this size are
 * printed.
 */
function refuseChangedIntegers(text: string): void {
  JSON.parse(text, (name: string, value: unknown, context?: { readonly source?: string }) => {
    const source = context?.source;
    if (typeof value !== "number" || source === undefined || isExactNumber(source, value)) return value;
    const shown = source.length > 40 ? `${source.slice(0, 40)}…` : source;
    throw new Problem("invalid-request", {
      detail: `${name || "The body"}: the integer ${shown} cannot be held exactly by a 64-bit float.`,
    });
  });
}
