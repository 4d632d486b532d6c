import { OperatorError } from "../kernel/errors.ts";
import { runBackup } from "./backup.ts";
import { exitNotes, restoreOptions } from "./backup-options.ts";
import { defineCommand } from "./command.ts";
import { runRestore } from "./restore.ts";

/** Backup and restore by the name and with the options of the existing system's script. */
export const simpleDbBackup = defineCommand({
  name: "simple_db_backup",
  summary: "backup (-b) or restore (-r), as the existing script is called.",
  options: {
    backup: { type: "boolean", short: "b", description: "Back up" },
    restore: { type: "boolean", short: "r", description: "Restore" },
    ...restoreOptions,
  },
  notes: exitNotes,
  run: async (values, _positionals, io) => {
    if (values.backup === values.restore)
      throw new OperatorError("busbar simple_db_backup: give exactly one of --backup and --restore.");
    return values.backup ? runBackup(values, io) : runRestore(values, io);
  },
});
