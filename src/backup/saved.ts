import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Day } from "./days.ts";
import { extraFile, metadataFile, newestBackup } from "./files.ts";
import { readList, readMetadata, type SavedDatapoint } from "./metadata.ts";
import { CannotBegin, exitCodes } from "./run.ts";

/** What a backup folder holds besides messages. */
export interface Saved {
  readonly day: Day;
  readonly datapoints: readonly SavedDatapoint[];
  readonly isOld: boolean;
  /** By a server of ours: all datapoints with their state, all connectors. */
  readonly isFull: boolean;
  readonly connectors: readonly string[];
}

/** @throws CannotBegin when the folder holds no backup */
export async function readSaved(folder: string): Promise<Saved> {
  const day = newestBackup(folder);
  if (day === undefined)
    throw new CannotBegin(exitCodes.folder, `There is no file ${metadataFile("DATE")} in ${folder}.`);
  const documented = await readMetadata(join(folder, metadataFile(day)));
  const full = join(folder, extraFile("datapoints", day));
  const isFull = existsSync(full);
  const { datapoints } = isFull ? await readMetadata(full) : documented;
  const list = join(folder, extraFile("connectors", day));
  const listed = existsSync(list)
    ? ((await readList(list)) as { name: string }[]).map(({ name }) => name)
    : [];
  const connectors = [...new Set([...listed, ...datapoints.map(({ connector }) => connector)])];
  return { day, datapoints, isOld: documented.isOld, isFull, connectors };
}
