import { createReadStream, readdirSync, statSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Bzip2Writer } from "./bzip2/compress.ts";
import { decompress } from "./bzip2/decompress.ts";
import type { Day } from "./days.ts";

/** The kinds of messages, each with its own files; also the last part of their paths on the server. */
export const kinds = ["value", "setpoint", "schedule"] as const;
export type Kind = (typeof kinds)[number];

/** Documented; every other file is left alone by the existing script. */
export const metadataFile = (day: Day): string => `datapoint_metadata_${day}.json.bz2`;

/** What that script does not know, one file per list of the server. */
export const extraFile = (list: string, day: Day): string => `busbar_${list}_${day}.json.bz2`;

/** One day, datapoint and kind. */
export const chunkFile = (day: Day, id: number, kind: Kind): string =>
  join(day, `dpdata_${id}_${day}_${kind}.json.bz2`);

export const isFolder = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

export const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;

/** The day of the newest metadata file, going by the names. */
export function newestBackup(folder: string): Day | undefined {
  const days = readdirSync(folder).flatMap(
    (name) => /^datapoint_metadata_(\d{4}-\d\d-\d\d)\.json\.bz2$/.exec(name)?.[1] ?? [],
  );
  return days.sort().at(-1);
}

/**
 * Packs the text into the file. Until all of it is there and on the disk, it has another name: a file under its own name is
 * never half.
 */
export async function writePacked(
  path: string,
  text: AsyncIterable<string> | Iterable<string>,
): Promise<void> {
  const partial = `${path}.${process.pid}.part`;
  const file = await open(partial, "w");
  try {
    const packer = new Bzip2Writer();
    for await (const part of text) await file.writeFile(packer.push(Buffer.from(part, "utf8")));
    await file.writeFile(packer.end());
    await file.datasync();
  } catch (error) {
    await file.close();
    await rm(partial, { force: true });
    throw error;
  }
  await file.close();
  await rename(partial, path);
}

export const readPacked = (path: string): AsyncGenerator<Uint8Array> => decompress(createReadStream(path));
