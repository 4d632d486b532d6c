import type { Placed } from "./placing.ts";
import type { Report } from "./run.ts";
import { extraLists, findList } from "./server-lists.ts";
import { Refused, type Target } from "./target.ts";

/** What only a server of ours can take back. */

/** Adds those that are missing, where connectors can be added. */
export async function restoreConnectors(target: Target, names: readonly string[]): Promise<void> {
  const present = await findList<{ readonly name: string }>(target, extraLists.connectors);
  if (!present) return;
  const known = new Set(present.map(({ name }) => name));
  for (const name of names.filter((one) => !known.has(one)))
    await target.expect(201, "POST", extraLists.connectors, { name });
}

/**
 * Makes active what was active: in a backup of the existing system, all that is listed. Last, so that nothing comes to life
 * before its history is there.
 */
export async function restoreActivity(
  target: Target,
  placed: readonly Placed[],
  isFull: boolean,
  report: Report,
): Promise<void> {
  const active = placed.filter(({ saved }) => saved.isActive ?? !isFull);
  const inactive = isFull ? placed.filter(({ saved }) => saved.isActive === false) : [];
  const states = [
    ["activate", active],
    ["deactivate", inactive],
  ] as const;
  for (const [action, list] of states) {
    if (list.length === 0) continue;
    const path = `/datapoint/${action}/`;
    const { status, body } = await target.json("POST", path, { ids: list.map(({ id }) => id) });
    if (status === 404) {
      const created = list.filter((one) => one.created).length;
      if (action === "activate" && created > 0)
        report.line(
          `The ${created} datapoints that were created are inactive: activate them on the admin page.`,
        );
      return;
    }
    if (status !== 200) throw new Refused(`POST ${path}`, status, JSON.stringify(body) ?? "");
  }
}
