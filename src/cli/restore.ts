import { createInterface } from "node:readline/promises";
import { restore as restoreBackup } from "../backup/restore.ts";
import { ended, exitNotes, reportTo, restoreOptions, settingsFrom } from "./backup-options.ts";
import { defineCommand, type Values } from "./command.ts";
import type { Io } from "./io.ts";

type RestoreValues = Values<typeof restoreOptions>;

export async function runRestore(values: RestoreValues, io: Io): Promise<number> {
  const settings = {
    ...(await settingsFrom(values, io)),
    force: values["force-datapoint-creation"] ?? false,
    confirm: (connectors: readonly string[]) => confirmed(connectors, values, io),
  };
  return ended(restoreBackup(settings, reportTo(io, "restore")), io);
}

export const restore = defineCommand({
  name: "restore",
  summary: "Brings such files to a running server (Busbar or BEMCom).",
  options: restoreOptions,
  notes: exitNotes,
  run: (values, _positionals, io) => runRestore(values, io),
});

async function confirmed(connectors: readonly string[], values: RestoreValues, io: Io): Promise<boolean> {
  io.out(`The backup needs these connectors: ${connectors.join(", ") || "none"}`);
  if (values.yes) return true;
  io.note(`Write to ${values["target-url"]}? Metadata and messages that are there are overwritten. (y/n)`);
  const lines = createInterface({ input: io.stdin });
  try {
    const line = lines[Symbol.asyncIterator]().next();
    const answer = await Promise.race([line, io.stopRequested()]);
    return typeof answer === "object" && /^y(es)?$/i.test(String(answer.value ?? "").trim());
  } finally {
    lines.close();
  }
}
