import { DatabaseSync } from "node:sqlite";
import { OperatorError } from "../errors.ts";

/** "BUSB": marks the file as ours, so that a foreign SQLite file is never touched. */
const applicationId = 0x42555342;

/** Opens (or makes) the file for writing with the settings everything relies on. */
export function openSqliteFile(file: string): DatabaseSync {
  const database = new DatabaseSync(file);
  try {
    // First of all: what follows waits, too, where another program looks into the file.
    database.exec("pragma busy_timeout = 5000");
    refuseForeign(database, file);
    // The page size decides the size on disk more than the codec does, and must come before the journal mode;
    // incremental vacuum gives back what the log has left once it is compacted.
    database.exec(`
      pragma page_size = 16384;
      pragma auto_vacuum = incremental;
      pragma journal_mode = wal;
      pragma synchronous = full;
      pragma foreign_keys = on;
      pragma temp_store = memory;
      pragma cache_size = -16384;
      pragma journal_size_limit = 67108864;
      pragma application_id = ${applicationId};
    `);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Pages of the file that are mapped count as the process's memory, once for each connection. */
const mappedBytes = 64 << 20;

/** For reading beside the writer: sees what is committed, and cannot write. */
export function openSqliteReader(file: string, mapped = mappedBytes): DatabaseSync {
  const database = new DatabaseSync(file, { readOnly: true });
  database.exec(`pragma busy_timeout = 5000; pragma mmap_size = ${mapped}; pragma query_only = on;`);
  return database;
}

function refuseForeign(database: DatabaseSync, file: string): void {
  const id = database.prepare("pragma application_id").get()?.["application_id"];
  if (id === applicationId) return;
  const tables = database.prepare("select count(*) as n from sqlite_schema").get()?.["n"];
  if (id !== 0 || tables !== 0)
    throw new OperatorError(`${file} is a SQLite database of another program; Busbar does not touch it.`);
}
