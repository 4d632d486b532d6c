import { DataFolder } from "../kernel/config/data-folder.ts";
import { loadConfig } from "../kernel/config/load.ts";
import { migrate as bringUpToDate } from "../kernel/database/migrate.ts";
import { openDatabase } from "../kernel/database/open.ts";
import { createLog } from "../kernel/observe/log.ts";
import { defineCommand } from "./command.ts";

export const migrate = defineCommand({
  name: "migrate",
  summary: "Brings the database's schema up to date; the server does the same when it starts.",
  options: {},
  run: async (_values, _positionals, io) => {
    const { config } = loadConfig(io.env, io.folder);
    DataFolder.open(config.dataDir);
    const { allMigrations } = await import("../server.ts");
    await using database = await openDatabase(config.database, createLog(config.log.level));
    const steps = await bringUpToDate(database, allMigrations);
    for (const step of steps) io.out(`done: ${step}`);
    io.out(`${database.description} is up to date.`);
    return 0;
  },
});
