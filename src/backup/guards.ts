import { join } from "node:path";
import { extraFile, isFile, writePacked } from "./files.ts";
import { indented } from "./indent.ts";
import { faultText } from "./item-faults.ts";
import { readList } from "./metadata.ts";
import type { Placed } from "./placing.ts";
import type { Shortcomings } from "./run.ts";
import { Refused, type Target } from "./target.ts";

/** The guard rails of an actuator of the server that was backed up. */
interface SavedGuard {
  readonly datapoint: number;
  readonly guard: Readonly<Record<string, unknown>>;
}

const listName = "guards";
const pathOf = (id: number): string => `/datapoint/${id}/guard/?values=native`;

/** Asks each actuator for its guard rails, and writes those that there are into a file. */
export async function saveGuards(target: Target, folder: string, day: string, ids: readonly number[]) {
  const guards: SavedGuard[] = [];
  for (const id of ids) {
    const { status, body } = await target.json("GET", pathOf(id));
    if (status === 200) guards.push({ datapoint: id, guard: body as SavedGuard["guard"] });
    else if (status !== 404) throw new Refused(`GET ${pathOf(id)}`, status, faultText(body));
  }
  await writePacked(join(folder, extraFile(listName, day)), [indented(guards)]);
}

/** Before actuators are activated and after sensors are, since these may have to confirm commands. */
export async function restoreGuards(
  target: Target,
  folder: string,
  day: string,
  { placed, shortcomings }: { readonly placed: readonly Placed[]; readonly shortcomings: Shortcomings },
): Promise<void> {
  const file = join(folder, extraFile(listName, day));
  if (!isFile(file)) return;
  const newIds = new Map(placed.map(({ saved, id }) => [saved.id, id]));
  for (const { datapoint, guard } of (await readList(file)) as readonly SavedGuard[]) {
    const id = newIds.get(datapoint);
    // What was not restored has been named already.
    if (id === undefined) continue;
    const { status, body } = await target.json("PUT", pathOf(id), withNewIds(guard, newIds));
    if (status !== 200 && status !== 201)
      shortcomings.add(`The guard rails of datapoint ${id} are not restored: ${faultText(body)}`);
  }
}

/** The datapoint that confirms a command has another id now. */
function withNewIds(guard: SavedGuard["guard"], newIds: ReadonlyMap<number, number>): SavedGuard["guard"] {
  const feedback = guard["feedback"] as { readonly datapoint: number } | null | undefined;
  if (!feedback) return guard;
  return {
    ...guard,
    feedback: { ...feedback, datapoint: newIds.get(feedback.datapoint) ?? feedback.datapoint },
  };
}
