import { createChangeLog } from "../kernel/changes/change-log.ts";
import { DataFolder } from "../kernel/config/data-folder.ts";
import { loadConfig } from "../kernel/config/load.ts";
import { migrate } from "../kernel/database/migrate.ts";
import { openDatabase } from "../kernel/database/open.ts";
import { type OpenedIdentity, openIdentity } from "../kernel/identity/open.ts";
import { createLog } from "../kernel/observe/log.ts";
import { systemClock } from "../kernel/time.ts";
import type { Io } from "./io.ts";

/** Opens accounts and tokens without a server; one may run on the same data meanwhile and sees what was done. */
export async function withIdentity<T>(io: Io, work: (identity: OpenedIdentity) => Promise<T>): Promise<T> {
  const { config } = loadConfig(io.env, io.folder);
  const folder = DataFolder.open(config.dataDir);
  const log = createLog("warn");
  const { allMigrations, allResources } = await import("../server.ts");
  await using opened = new AsyncDisposableStack();
  const database = opened.use(await openDatabase(config.database, log));
  await migrate(database, allMigrations);
  const changes = opened.use(await createChangeLog({ database, clock: systemClock, log }));
  const identity = opened.use(
    await openIdentity({
      database,
      changes,
      clock: systemClock,
      log,
      secret: config.identity.secret ?? folder.secret(),
      resources: allResources,
    }),
  );
  return await work(identity);
}
