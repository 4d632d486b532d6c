import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { countDays, type Day, dayOf, eachDay, endOf, startOf } from "./days.ts";
import type { Fetch } from "./fetch.ts";
import { chunkFile, extraFile, isFolder, type Kind, kinds, metadataFile, writePacked } from "./files.ts";
import { saveGuards } from "./guards.ts";
import { indented } from "./indent.ts";
import { CannotBegin, type ExitCode, exitCodes, type Report, type Settings, Shortcomings } from "./run.ts";
import { checkTarget, extraLists, findList, getList, offeredKinds } from "./server-lists.ts";
import { Target } from "./target.ts";
import { CannotGoOn, Threads } from "./threads.ts";

interface Identified {
  readonly id: number;
  readonly type?: string;
}

/** Writes metadata, and a file per day, datapoint and kind that is not there yet. */
export async function backUp(settings: Settings, report: Report): Promise<ExitCode> {
  const { folder, target: targetSettings } = settings;
  if (!isFolder(folder)) throw new CannotBegin(exitCodes.folder, `There is no folder ${folder}.`);
  const target = new Target(targetSettings);
  try {
    await checkTarget(target, targetSettings.url);
    const ids = await saveMetadata(target, folder, report);
    const [any] = ids;
    const offered = any === undefined ? kinds : await offeredKinds(target, any);
    for (const kind of kinds.filter((one) => !offered.includes(one)))
      report.note(`The server offers no history of ${kind}s: they are left out.`);
    return await saveMessages(settings, { ids, kinds: offered }, report);
  } finally {
    target.close();
  }
}

/** @returns the ids of all datapoints whose messages are wanted */
async function saveMetadata(target: Target, folder: string, report: Report): Promise<readonly number[]> {
  const today = dayOf(Date.now());
  const active = await getList<Identified>(target, "/datapoint/");
  await writePacked(join(folder, metadataFile(today)), [indented(active)]);
  const ids = new Set(active.map(({ id }) => id));
  // The existing system ignores the parameters of the list that it does not know, so this comes first.
  if (await findList(target, extraLists.connectors)) {
    for (const [name, path] of Object.entries(extraLists)) {
      const list = await findList<Identified>(target, path);
      if (!list) continue;
      await writePacked(join(folder, extraFile(name, today)), [indented(list)]);
      if (name !== "datapoints") continue;
      for (const { id } of list) ids.add(id);
      const actuators = list.filter(({ type }) => type === "actuator").map(({ id }) => id);
      await saveGuards(target, folder, today, actuators);
    }
  }
  report.line(`${active.length} active datapoints, ${ids.size - active.length} others.`);
  return [...ids].sort((a, b) => a - b);
}

interface Wanted {
  readonly ids: readonly number[];
  readonly kinds: readonly Kind[];
}

async function saveMessages(settings: Settings, wanted: Wanted, report: Report): Promise<ExitCode> {
  const total = countDays(settings.first, settings.last) * wanted.ids.length * wanted.kinds.length;
  const shortcomings = new Shortcomings(report);
  let done = 0;
  let present = 0;
  const step = () => report.progress(++done, total);
  const jobs = missingChunks(settings, wanted, () => {
    present += 1;
    step();
  });
  await using threads = new Threads(settings.threads, settings.target);
  try {
    await threads.doAll(
      jobs,
      (_job, outcome) => {
        if (outcome.failed !== undefined) shortcomings.add(outcome.failed);
        step();
      },
      report.stopping,
    );
  } catch (error) {
    if (!(error instanceof CannotGoOn)) throw error;
    report.note(`${error.message}\nThe same command goes on from here.`);
    return exitCodes.incomplete;
  }
  const written = done - present - shortcomings.count;
  report.line(`${written} files written, ${present} were there already, ${shortcomings.count} failed.`);
  if (done < total) return exitCodes.stopped;
  return shortcomings.count > 0 ? exitCodes.incomplete : exitCodes.done;
}

function* missingChunks(settings: Settings, { ids, kinds }: Wanted, present: () => void): Generator<Fetch> {
  for (const day of eachDay(settings.first, settings.last)) {
    mkdirSync(join(settings.folder, day), { recursive: true });
    const range = `timestamp__gte=${startOf(day)}&timestamp__lt=${endOf(day)}`;
    for (const id of ids)
      for (const kind of kinds) {
        const file = join(settings.folder, chunkFile(day, id, kind));
        if (isComplete(file, day)) present();
        else yield { task: "fetch", path: `/datapoint/${id}/${kind}/?${range}`, file };
      }
  }
}

/** A file that was written before its day was over does not have all of it. */
const isComplete = (file: string, day: Day): boolean =>
  (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0) >= endOf(day);
