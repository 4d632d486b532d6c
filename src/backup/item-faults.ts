/** What a server says about one item of a refused request: texts by field, none for a good item. */
export type ItemFaults = Readonly<Record<string, unknown>>;

/**
 * The faults aligned with the items that were sent: Busbar has them in `items`, BEMCom is the array itself. Undefined when
 * the answer is neither.
 */
export function itemFaults(body: unknown, count: number): readonly ItemFaults[] | undefined {
  const items = isMembers(body) ? body["items"] : body;
  if (!Array.isArray(items) || items.length !== count) return undefined;
  return items.every(isMembers) && items.some(isFaulty) ? items : undefined;
}

export const isFaulty = (faults: ItemFaults): boolean => Object.keys(faults).length > 0;

/** One line. */
export const faultText = (body: unknown): string => {
  const detail = isMembers(body) ? body["detail"] : undefined;
  const text = typeof detail === "string" ? detail : (JSON.stringify(body) ?? "no reason given");
  return text.slice(0, 300).replace(/\s+/g, " ");
};

const isMembers = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
