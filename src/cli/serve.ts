import { setTimeout as delay } from "node:timers/promises";
import { DataFolder } from "../kernel/config/data-folder.ts";
import { loadConfig } from "../kernel/config/load.ts";
import { createLog } from "../kernel/observe/log.ts";
import { defineCommand } from "./command.ts";

/** How long a server may take to answer what it has begun and to flush. */
const drainMs = 10_000;

export const serve = defineCommand({
  name: "serve",
  summary: "Runs the server until SIGTERM or SIGINT.",
  options: {},
  run: async (_values, _positionals, io) => {
    const { config, notices } = loadConfig(io.env, io.folder);
    const log = createLog(config.log.level);
    const folder = DataFolder.open(config.dataDir);
    using _lock = folder.lock();
    const stopRequested = io.stopRequested();
    for (const notice of notices) log.info(notice);
    // Loaded here, so that the small commands do not wait for it.
    const { startServer } = await import("../server.ts");
    const server = await startServer(config, { folder, log });
    const setup =
      server.setupLink === undefined
        ? []
        : [`Make the first superuser here (works once): ${server.setupLink}`];
    // In one piece: whoever waits for the first line of it has all of it.
    io.out([...server.summary, ...setup].join("\n"));
    const signal = await stopRequested;
    log.info({ signal }, "stopping");
    const closed = server.close().then(() => true);
    const inTime = await Promise.race([closed, delay(drainMs, false, { ref: false })]);
    if (!inTime) log.error(`not everything was closed within ${drainMs / 1000} s`);
    return inTime ? 0 : 1;
  },
});
