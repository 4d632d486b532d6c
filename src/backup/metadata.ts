import { arrayItems } from "./array-items.ts";
import { CorruptBzip2 } from "./bzip2/bit-reader.ts";
import { readPacked } from "./files.ts";

/** A datapoint as a backup has it. */
export interface SavedDatapoint {
  /** On the server it comes from. */
  readonly id: number;
  readonly connector: string;
  readonly key: string;
  readonly type: string;
  readonly dataFormat: string;
  /** Undefined where the backup does not tell. */
  readonly isActive: boolean | undefined;
  /** What is written to the server. */
  readonly fields: Readonly<Record<string, unknown>>;
}

const writable = [
  "data_format",
  "short_name",
  "description",
  "min_value",
  "max_value",
  "allowed_values",
  "unit",
];

/** `connector` is an object, or in old backups the name itself. */
function savedDatapoint(item: Readonly<Record<string, unknown>>): SavedDatapoint {
  const { id, connector, key_in_connector: key, type, data_format: dataFormat, is_active: isActive } = item;
  const name = typeof connector === "string" ? connector : (connector as { name: string }).name;
  const own = writable.filter((field) => field in item).map((field) => [field, item[field]] as const);
  return {
    id: Number(id),
    connector: name,
    key: String(key),
    type: String(type ?? "sensor"),
    dataFormat: String(dataFormat ?? "unknown"),
    isActive: typeof isActive === "boolean" ? isActive : undefined,
    fields: { connector: { name }, key_in_connector: key, type, ...Object.fromEntries(own) },
  };
}

export interface SavedMetadata {
  /** By id, ascending. */
  readonly datapoints: readonly SavedDatapoint[];
  /** Connectors are names: the values are as the servers of that time gave them out. */
  readonly isOld: boolean;
}

export async function readMetadata(path: string): Promise<SavedMetadata> {
  const items = (await readList(path)) as Readonly<Record<string, unknown>>[];
  const isOld = items.some((item) => typeof item["connector"] === "string");
  return { isOld, datapoints: items.map(savedDatapoint).sort((a, b) => a.id - b.id) };
}

/** @throws Error that names the file when it is damaged */
export async function readList(path: string): Promise<readonly unknown[]> {
  try {
    return await Array.fromAsync(arrayItems(readPacked(path)));
  } catch (error) {
    if (!(error instanceof CorruptBzip2 || error instanceof SyntaxError)) throw error;
    throw new Error(`${path}: ${error.message}`, { cause: error });
  }
}
