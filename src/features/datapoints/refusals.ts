import {
  type FieldFault,
  type NestedErrors,
  Problem,
  type ProblemCode,
  type Violation,
} from "../../kernel/errors.ts";

/** How many faults an answer lists one by one; `items` is always complete. */
const maxListed = 100;

/** A 400 for a single object, from the texts by field. */
export function refuseFields(fields: NestedErrors, code: ProblemCode = "invalid-request"): Problem {
  const errors = violations(fields, "");
  const { pointer = "", detail: rule = "" } = errors[0] ?? {};
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : "";
  const detail = pointer === "" ? `${rule}${more}` : `${pointer.slice(1)}: ${rule}${more}`;
  return new Problem(code, { detail, errors: errors.slice(0, maxListed), fields });
}

/** A 400 for an array of which some items are wrong: nothing was written. */
export function refuseItems(items: readonly NestedErrors[], code: ProblemCode = "invalid-request"): Problem {
  const errors: Violation[] = [];
  for (const [index, fields] of items.entries()) {
    if (errors.length >= maxListed) break;
    errors.push(...violations(fields, `/${index}`));
  }
  const count = items.filter((fields) => Object.keys(fields).length > 0).length;
  const first = errors[0];
  const detail = `${count} of ${items.length} items are refused, nothing was written. ${first?.pointer.slice(1) ?? ""}: ${first?.detail ?? ""}`;
  return new Problem(code, { detail, errors, items });
}

const violations = (fields: NestedErrors, prefix: string): Violation[] =>
  Object.entries(fields).flatMap(([name, fault]) =>
    violationsOf(fault, name === "non_field_errors" ? prefix : `${prefix}/${name}`),
  );

function violationsOf(fault: FieldFault, pointer: string): Violation[] {
  if (!Array.isArray(fault)) return violations(fault as NestedErrors, pointer);
  return (fault as readonly (string | NestedErrors)[]).flatMap((part, index) =>
    typeof part === "string" ? [{ pointer, detail: part }] : violations(part, `${pointer}/${index}`),
  );
}
