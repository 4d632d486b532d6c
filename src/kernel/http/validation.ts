import { Ajv, type ErrorObject, type Options, type ValidateFunction } from "ajv";
import formatsModule from "ajv-formats";
import type { FastifySchema, FastifySchemaCompiler } from "fastify";
import { type FieldErrors, invalidField, Problem, type Violation } from "../errors.ts";
import { ruleText } from "./rule-text.ts";

// The module's types describe its CommonJS face; under Node's ESM the function is its default member.
const addFormats = formatsModule as unknown as (ajv: Ajv) => Ajv;

/** `allErrors` so that one answer names every fault; `verbose` brings the refused value into the text. */
const common: Options = {
  allErrors: true,
  verbose: true,
  strict: true,
  strictTypes: false,
  strictTuples: false,
  strictRequired: false,
  allowUnionTypes: true,
  keywords: ["example"],
};

/** How many faults an answer lists one by one; `items` is always complete. */
const maxListed = 100;

/** Field name for what belongs to no field. */
const noField = "non_field_errors";

type ValidatorFactory = (externalSchemas: unknown) => FastifySchemaCompiler<FastifySchema>;

/**
 * Bodies are taken as they are: no coercion, no defaults, nothing removed. Query, path and headers are texts
 * by nature and are coerced to the schema's types.
 */
export const buildValidator: ValidatorFactory = (externalSchemas) => {
  const strict = addFormats(
    new Ajv({ ...common, coerceTypes: false, useDefaults: false, removeAdditional: false }),
  );
  const texts = addFormats(
    new Ajv({ ...common, coerceTypes: "array", useDefaults: true, removeAdditional: false }),
  );
  for (const schema of Object.values((externalSchemas ?? {}) as Record<string, object>)) {
    strict.addSchema(schema);
    texts.addSchema(schema);
  }
  return ({ schema, httpPart }) => {
    const validate = (httpPart === "body" ? strict : texts).compile(schema as object);
    return (data: unknown) => {
      if (!validate(data)) return { error: refusal(validate, data, httpPart) };
      const name = httpPart === "body" ? undefined : infiniteMember(data);
      return name === undefined ? true : { error: beyondDouble(name, httpPart) };
    };
  };
};

/** Coercion turns the text 1e999 into Infinity, which passes every bound of a schema. */
const infiniteMember = (data: unknown): string | undefined =>
  Object.entries(data ?? {}).find(([, value]) => typeof value === "number" && !Number.isFinite(value))?.[0];

function beyondDouble(name: string, httpPart: string | undefined): Problem {
  const rule = "The number is beyond the range of a double.";
  return httpPart === "params"
    ? new Problem("not-found", { detail: `There is nothing at this path. ${name}: ${rule}` })
    : invalidField(name, rule);
}

function refusal(validate: ValidateFunction, data: unknown, httpPart: string | undefined): Problem {
  const faults = foldUnions(validate.errors ?? []).map(describe);
  const detail = summary(faults);
  // A path with an id that cannot exist names nothing: 404, as for an id that does not exist.
  if (httpPart === "params")
    return new Problem("not-found", { detail: `There is nothing at this path. ${detail}` });
  const errors: Violation[] = faults
    .slice(0, maxListed)
    .map(({ path, text }) => ({ pointer: pointerOf(path), detail: text }));
  const byItem = httpPart === "body" && Array.isArray(data) && faults.every(({ path }) => path.length > 0);
  if (byItem)
    return new Problem("invalid-request", { detail, errors, items: itemErrors(data.length, faults) });
  return new Problem("invalid-request", { detail, errors, fields: fieldErrors(faults) });
}

interface Fault {
  /** Member names and indices from the root. */
  readonly path: readonly string[];
  /** A sentence: "This field is required.", "Must be an integer, not \"x\"." */
  readonly text: string;
}

function describe(error: ErrorObject): Fault {
  const path = error.instancePath.split("/").slice(1).map(unescapePointer);
  const params: Readonly<Record<string, unknown>> = error.params;
  const missing = error.keyword === "required" ? params["missingProperty"] : undefined;
  const extra = params["additionalProperty"] ?? params["unevaluatedProperty"];
  if (typeof missing === "string") return { path: [...path, missing], text: "This field is required." };
  if (typeof extra === "string") return { path: [...path, extra], text: "This field is not known here." };
  return { path, text: ruleText(error) };
}

const unescapePointer = (part: string): string => part.replaceAll("~1", "/").replaceAll("~0", "~");
const escapePointer = (part: string): string => part.replaceAll("~", "~0").replaceAll("/", "~1");
const pointerOf = (path: readonly string[]): string => path.map((part) => `/${escapePointer(part)}`).join("");

function summary(faults: readonly Fault[]): string {
  const first = faults[0];
  if (!first) return "The request breaks a rule.";
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : "";
  const name = first.path.join(".");
  return name === "" ? `${first.text}${more}` : `${name}: ${first.text}${more}`;
}

/** Texts by the first name of the path; what lies deeper is named in the text. */
function fieldErrors(faults: readonly Fault[]): FieldErrors {
  const fields: Record<string, string[]> = Object.create(null);
  for (const { path, text } of faults) {
    const [name = noField, ...rest] = path;
    const line = rest.length === 0 ? text : `${rest.join(".")}: ${text}`;
    fields[name] ??= [];
    fields[name].push(line);
  }
  return fields;
}

function itemErrors(length: number, faults: readonly Fault[]): FieldErrors[] {
  const perItem = Map.groupBy(faults, ({ path }) => Number(path[0]));
  return Array.from({ length }, (_, index) => {
    const own = perItem.get(index);
    return own ? fieldErrors(own.map(({ path, text }) => ({ path: path.slice(1), text }))) : {};
  });
}

/**
 * A value that fits no branch of a union yields the errors of every branch and one for the union itself,
 * which comes last. They become one: the errors of the only branch whose type fitted, else the union's own.
 */
function foldUnions(errors: readonly ErrorObject[]): ErrorObject[] {
  const kept: ErrorObject[] = [];
  for (const error of errors) {
    if (error.keyword !== "anyOf" && error.keyword !== "oneOf") {
      kept.push(error);
      continue;
    }
    const branchErrors = takeBranchErrors(kept, error);
    kept.push(...(onlyFittingBranch(branchErrors, error) ?? [error]));
  }
  return kept;
}

function takeBranchErrors(kept: ErrorObject[], union: ErrorObject): ErrorObject[] {
  let start = kept.length;
  for (let index = kept.length - 1; index >= 0; index -= 1) {
    const candidate = kept[index];
    if (!candidate || !isWithin(candidate.instancePath, union.instancePath)) break;
    if (candidate.schemaPath.startsWith(`${union.schemaPath}/`)) start = index;
  }
  return kept.splice(start);
}

const isWithin = (path: string, parent: string): boolean => path === parent || path.startsWith(`${parent}/`);

function onlyFittingBranch(errors: readonly ErrorObject[], union: ErrorObject): ErrorObject[] | undefined {
  const branches = Map.groupBy(
    errors,
    (error) => error.schemaPath.slice(union.schemaPath.length).split("/")[1],
  );
  const fitting = [...branches.values()].filter(
    (branch) =>
      !branch.some((error) => error.instancePath === union.instancePath && isAboutKind(error.keyword)),
  );
  return fitting.length === 1 ? fitting[0] : undefined;
}

const isAboutKind = (keyword: string): boolean =>
  keyword === "type" || keyword === "const" || keyword === "enum";
