import { isExactNumber } from "../../kernel/exact-numbers.ts";

/**
 * JSON as the field's devices and scripts write it: exact about integers, and with Python's bare NaN and Infinity on
 * MQTT.
 */

/** JSON, but with a number that a 64-bit float cannot hold: an integer that would change, or beyond its range. */
export class InexactNumber extends Error {
  override readonly name = "InexactNumber";
}

/** Only texts with such a part can hold a number that changes; the others take the fast way. */
const suspicious = /\d{16}|\d[eE]\+?\d{3}/;

/**
 * @throws SyntaxError when it is not JSON
 * @throws InexactNumber
 */
export function parseJson(text: string): unknown {
  return suspicious.test(text) ? parseExactly(text) : JSON.parse(text);
}

function parseExactly(text: string): unknown {
  return JSON.parse(text, (_name, value: unknown, context?: { readonly source?: string }) => {
    if (typeof value !== "number") return value;
    const source = context?.source ?? "";
    const shown = source.length > 40 ? `${source.slice(0, 40)}…` : source;
    if (!Number.isFinite(value))
      throw new InexactNumber(`The number ${shown} is beyond the range of a double.`);
    if (!isExactNumber(source, value))
      throw new InexactNumber(`The integer ${shown} cannot be held exactly by a 64-bit float.`);
    return value;
  });
}

/** A JSON string, or a bare number that JSON does not know. */
const stringOrBare = /"[^"\\]*(?:\\[\s\S][^"\\]*)*"|-?\bInfinity\b|\bNaN\b/g;

/**
 * As `parseJson`, but bare NaN, Infinity and -Infinity become the texts of that name.
 * @throws SyntaxError, InexactNumber
 */
export function parseDeviceJson(text: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    if (!(error instanceof SyntaxError) || !/NaN|Infinity/.test(text)) throw error;
    return parseJson(text.replace(stringOrBare, (part) => (part.startsWith('"') ? part : `"${part}"`)));
  }
}

/** JSON text of a finite number; -0 keeps its sign, which JSON.stringify drops. */
export const numberText = (value: number): string =>
  value === 0 && Object.is(value, -0) ? "-0" : String(value);
