import { backUp } from "../backup/backup.ts";
import { backupOptions, ended, exitNotes, reportTo, settingsFrom } from "./backup-options.ts";
import type { Values } from "./command.ts";
import { defineCommand } from "./command.ts";
import type { Io } from "./io.ts";

export async function runBackup(values: Values<typeof backupOptions>, io: Io): Promise<number> {
  return ended(backUp(await settingsFrom(values, io), reportTo(io, "backup")), io);
}

export const backup = defineCommand({
  name: "backup",
  summary: "Copies datapoints and their history from a running server (Busbar or BEMCom) into files.",
  options: backupOptions,
  notes: exitNotes,
  run: (values, _positionals, io) => runBackup(values, io),
});
