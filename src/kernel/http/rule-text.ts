import type { ErrorObject } from "ajv";

/** The rule a value broke, as a sentence with the value: "Must be an integer, not \"x\"." */
export function ruleText(error: ErrorObject): string {
  const rule = ruleOf(error);
  return `${rule[0]?.toUpperCase() ?? ""}${rule.slice(1)}, not ${shorten(error.data)}.`;
}

/** JSON of the value, cut to 60 characters. */
export function shorten(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? "[]" : `an array of ${value.length}`;
  if (typeof value === "object" && value !== null) return "an object";
  if (value === undefined) return "nothing";
  const text = JSON.stringify(typeof value === "string" ? value.slice(0, 80) : value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

const kinds: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  integer: "an integer",
  boolean: "true or false",
  array: "an array",
  object: "an object",
  null: "null",
};

const kindText = (type: unknown): string =>
  (Array.isArray(type) ? type : String(type).split(","))
    .map((kind) => kinds[String(kind)] ?? String(kind))
    .join(" or ");

function ruleOf(error: ErrorObject): string {
  const params: Readonly<Record<string, unknown>> = error.params;
  const limit = String(params["limit"]);
  switch (error.keyword) {
    case "type":
      return `must be ${kindText(params["type"])}`;
    case "const":
      return `must be ${shorten(params["allowedValue"])}`;
    case "enum":
      return oneOfText(params["allowedValues"]);
    case "anyOf":
    case "oneOf":
      return unionText(error.schema);
    case "minimum":
      return `must be at least ${limit}`;
    case "maximum":
      return `must be at most ${limit}`;
    case "exclusiveMinimum":
      return `must be greater than ${limit}`;
    case "exclusiveMaximum":
      return `must be less than ${limit}`;
    case "multipleOf":
      return `must be a multiple of ${String(params["multipleOf"])}`;
    case "minLength":
      return `must have at least ${limit} characters`;
    case "maxLength":
      return `must have at most ${limit} characters`;
    case "minItems":
      return `must have at least ${limit} items`;
    case "maxItems":
      return `must have at most ${limit} items`;
    case "pattern":
      return `must match the pattern ${String(params["pattern"])}`;
    case "format":
      return `must have the format ${String(params["format"])}`;
    default:
      return error.message ?? `must obey the rule ${error.keyword}`;
  }
}

const oneOfText = (values: unknown): string =>
  `must be one of ${Array.isArray(values) ? values.map(shorten).join(", ") : "the values allowed"}`;

/**
 * "must be one of "a", "b"" for literals, "must be a string or null" for kinds, both where they are mixed.
 */
function unionText(branches: unknown): string {
  if (!Array.isArray(branches)) return "must fit one of the alternatives";
  const literals: string[] = [];
  const others: string[] = [];
  for (const branch of branches as readonly Readonly<Record<string, unknown>>[]) {
    if ("const" in branch) literals.push(shorten(branch["const"]));
    else if (Array.isArray(branch["enum"])) literals.push(...branch["enum"].map(shorten));
    else others.push(branch["type"] === undefined ? "one of the alternatives" : kindText(branch["type"]));
  }
  const listed = literals.length > 0 ? [`one of ${literals.join(", ")}`] : [];
  return `must be ${[...listed, ...new Set(others)].join(" or ")}`;
}
