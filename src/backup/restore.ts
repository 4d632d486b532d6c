import { isFolder } from "./files.ts";
import { restoreGuards } from "./guards.ts";
import { Placing } from "./placing.ts";
import { MessageRestore } from "./restore-messages.ts";
import { CannotBegin, type ExitCode, exitCodes, type Report, type Settings, Shortcomings } from "./run.ts";
import { readSaved, type Saved } from "./saved.ts";
import { checkTarget } from "./server-lists.ts";
import { restoreActivity, restoreConnectors } from "./site.ts";
import { Refused, Target } from "./target.ts";

export interface RestoreSettings extends Settings {
  /** Create connectors and datapoints that are missing. */
  readonly force: boolean;
  /** Asks the operator to go on, given the connectors of the backup. */
  confirm(connectors: readonly string[]): Promise<boolean>;
}

/** Brings a backup to a server. */
export async function restore(settings: RestoreSettings, report: Report): Promise<ExitCode> {
  if (!isFolder(settings.folder))
    throw new CannotBegin(exitCodes.folder, `There is no folder ${settings.folder}.`);
  const target = new Target(settings.target);
  try {
    await checkTarget(target, settings.target.url);
    const saved = await readSaved(settings.folder);
    if (!(await settings.confirm(saved.connectors)))
      throw new CannotBegin(exitCodes.refused, "Nothing was changed.");
    return await restoreAll(target, saved, settings, report);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const missing = error.status === 401 || error.status === 403;
    throw new CannotBegin(missing ? exitCodes.refused : exitCodes.incomplete, error.message, {
      cause: error,
    });
  } finally {
    target.close();
  }
}

async function restoreAll(
  target: Target,
  saved: Saved,
  settings: RestoreSettings,
  report: Report,
): Promise<ExitCode> {
  const shortcomings = new Shortcomings(report);
  if (settings.force) await restoreConnectors(target, saved.connectors);
  const placing = new Placing(target, settings, shortcomings);
  await placing.place(saved.datapoints);
  const created = placing.placed.filter((one) => one.created).length;
  report.line(`${created} datapoints created, ${placing.placed.length - created} updated.`);
  const ending = await new MessageRestore(saved, placing.placed, { settings, shortcomings, report }).run(
    target,
  );
  if (ending !== exitCodes.done) return ending;
  // A guard rail may need an active sensor, and no actuator should be active without its guard rails.
  const [sensors, actuators] = ["sensor", "actuator"].map((type) =>
    placing.placed.filter((one) => one.saved.type === type),
  );
  await restoreActivity(target, sensors ?? [], saved.isFull, report);
  await restoreGuards(target, settings.folder, saved.day, { placed: placing.placed, shortcomings });
  await restoreActivity(target, actuators ?? [], saved.isFull, report);
  return shortcomings.count > 0 ? exitCodes.incomplete : exitCodes.done;
}
