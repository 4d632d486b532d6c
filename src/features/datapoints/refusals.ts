import { type FieldErrors, Problem, type Violation } from "../../kernel/errors.ts";

/** A 400 for a single object, from the texts by field. */
export function refuseFields(fields: FieldErrors): Problem {
  const [name = "", [rule = ""] = []] = Object.entries(fields)[0] ?? [];
  const errors = violations(fields, "");
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : "";
  const detail = name === "non_field_errors" ? `${rule}${more}` : `${name}: ${rule}${more}`;
  return new Problem("invalid-request", { detail, errors, fields });
}

/** How many faults an answer lists one by one; `items` is always complete. */
const maxListed = 100;

/** A 400 for an array of which some items are wrong: nothing was written. */
export function refuseItems(items: readonly FieldErrors[]): Problem {
  const errors: Violation[] = [];
  for (const [index, fields] of items.entries()) {
    if (errors.length >= maxListed) break;
    errors.push(...violations(fields, `/${index}`));
  }
  const count = items.filter((fields) => Object.keys(fields).length > 0).length;
  const first = errors[0];
  const detail = `${count} of ${items.length} items are refused, nothing was written. ${first?.pointer.slice(1) ?? ""}: ${first?.detail ?? ""}`;
  return new Problem("invalid-request", { detail, errors, items });
}

function violations(fields: FieldErrors, prefix: string): Violation[] {
  return Object.entries(fields).flatMap(([name, rules]) =>
    rules.map((detail) => ({
      pointer: name === "non_field_errors" ? prefix : `${prefix}/${name}`,
      detail,
    })),
  );
}
