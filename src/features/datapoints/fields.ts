import type { FieldErrors, NestedErrors } from "../../kernel/errors.ts";
import { type Datapoint, nameFault, textFault } from "./model.ts";
import type { DatapointPatch } from "./schemas.ts";
import { shorten } from "./texts.ts";

/** What a request may change of a datapoint; the connector's name is resolved by the caller. */
export type DatapointFields = Partial<
  Pick<
    Datapoint,
    | "key"
    | "type"
    | "isActive"
    | "dataFormat"
    | "shortName"
    | "description"
    | "unit"
    | "allowedValues"
    | "minValue"
    | "maxValue"
  >
>;

export interface ReadFields {
  readonly fields: DatapointFields;
  readonly faults: FieldErrors;
}

/** Checks what a schema cannot say, and turns the wire's fields into the model's. */
export function readFields(input: DatapointPatch): ReadFields {
  const faults: Record<string, string[]> = {};
  const fields = {
    ...given("key", input.key_in_connector),
    ...given("type", input.type),
    ...given("isActive", input.is_active),
    ...given("dataFormat", input.data_format),
    ...given("shortName", input.short_name === "" ? null : input.short_name),
    ...given("description", input.description),
    ...given("unit", input.unit),
    ...given("allowedValues", readAllowedValues(input.allowed_values, faults)),
    ...given("minValue", readNumber("min_value", input.min_value, faults)),
    ...given("maxValue", readNumber("max_value", input.max_value, faults)),
  };
  if (fields.key === "") faults["key_in_connector"] = ["This field may not be blank."];
  checkText("key_in_connector", nameFault(fields.key ?? ""), faults);
  checkText("short_name", nameFault(fields.shortName ?? ""), faults);
  checkText("description", textFault(fields.description ?? ""), faults);
  checkText("unit", textFault(fields.unit ?? ""), faults);
  return { fields, faults };
}

const given = <K extends string, T>(name: K, value: T | undefined): { [P in K]?: T } =>
  (value === undefined ? {} : { [name]: value }) as { [P in K]?: T };

function checkText(name: string, fault: string | undefined, faults: Record<string, string[]>): void {
  if (fault !== undefined) faults[name] = [fault];
}

function readNumber(
  name: string,
  input: number | string | null | undefined,
  faults: Record<string, string[]>,
): number | null | undefined {
  if (typeof input !== "string") return input;
  const number = Number(input);
  if (input.trim() !== "" && Number.isFinite(number)) return number;
  faults[name] = [`A valid number is required, not ${shorten(input)}.`];
  return undefined;
}

/** An array; also as JSON text, which backups of the existing system hold. */
function readAllowedValues(
  input: unknown,
  faults: Record<string, string[]>,
): readonly unknown[] | null | undefined {
  const value = typeof input === "string" ? parsed(input) : input;
  if (value === undefined && input === undefined) return undefined;
  if (value === null || Array.isArray(value)) return value;
  faults["allowed_values"] = [`Must be an array of values or null, not ${shorten(input)}.`];
  return undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Rules between the fields, for the datapoint as it is going to be. */
export function combinedFaults({ minValue, maxValue }: Datapoint | DatapointFields): FieldErrors {
  if (typeof minValue !== "number" || typeof maxValue !== "number" || minValue <= maxValue) return {};
  return { min_value: [`The minimum ${minValue} is greater than the maximum ${maxValue}.`] };
}

export const hasFaults = (faults: NestedErrors): boolean => Object.keys(faults).length > 0;
