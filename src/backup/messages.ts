import type { Kind } from "./files.ts";

/**
 * How a backup holds values: as JSON text in strings (`"22.5"`, `"\"abc\""`), which every server takes that can be written to,
 * or as themselves, as the servers before version 0.4 gave them out.
 */
export type Dialect = "text" | "native";

export interface Wording {
  readonly dialect: Dialect;
  /**
   * The datapoint takes texts only, and the backup is of a server that made numbers of texts that look like one: what is
   * shown as 21.5 was the text "21.5".
   */
  readonly textsOnly: boolean;
}

type Members = Readonly<Record<string, unknown>>;

/** A message of a backup as it is written to a server. */
export function wireMessage(kind: Kind, message: unknown, wording: Wording): unknown {
  const members = message as Members;
  if (kind === "value") return { ...members, value: wireValue(members["value"], wording) };
  if (wording.dialect === "text") return message;
  const items = members[kind];
  return Array.isArray(items)
    ? { ...members, [kind]: items.map((item) => wireItem(item as Members)) }
    : message;
}

function wireValue(value: unknown, { dialect, textsOnly }: Wording): string {
  if (dialect === "native" || typeof value !== "string") return JSON.stringify(value);
  const parsed = parse(value);
  // Text that was never made JSON text, or that was taken for a number on its way.
  if (parsed === undefined) return JSON.stringify(value);
  const isText = typeof parsed.value === "string" || parsed.value === null;
  return textsOnly && !isText ? JSON.stringify(value) : value;
}

function parse(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

/** Values become JSON text; the acceptable ones are strings already, and stay what they are. */
function wireItem(item: Members): unknown {
  const text = (value: unknown): unknown => (value === null ? null : JSON.stringify(value));
  const acceptable = item["acceptable_values"];
  return {
    ...item,
    ...("value" in item ? { value: text(item["value"]) } : {}),
    ...("preferred_value" in item ? { preferred_value: text(item["preferred_value"]) } : {}),
    ...(Array.isArray(acceptable)
      ? { acceptable_values: acceptable.map((value) => (typeof value === "string" ? value : text(value))) }
      : {}),
  };
}
