import { backup } from "./backup.ts";
import { type Command, dispatch } from "./command.ts";
import { configPrint, configTable } from "./config.ts";
import { demo } from "./demo.ts";
import { doctor } from "./doctor.ts";
import type { Io } from "./io.ts";
import { migrate } from "./migrate.ts";
import { restore } from "./restore.ts";
import { serve } from "./serve.ts";
import { simpleDbBackup } from "./simple-db-backup.ts";
import { tokenCreate } from "./token.ts";
import { userAdd } from "./user.ts";

const commands: readonly Command[] = [
  serve,
  userAdd,
  tokenCreate,
  migrate,
  doctor,
  backup,
  restore,
  simpleDbBackup,
  demo,
  configPrint,
  configTable,
];

/** @returns the exit code */
export const run = (args: readonly string[], io: Io): Promise<number> => dispatch(commands, args, io);
