import { openDatabase } from "../../src/kernel/database/open.ts";
import { createLog } from "../../src/kernel/observe/log.ts";
import { openTimeSeries } from "../../src/kernel/timeseries/open.ts";
import { allOfIt, clock, day } from "./edit-history.ts";
import type { WriterTask } from "./store-process.ts";

/**
 * The process that gets killed while it edits and purges: step k turns the sign of all points of the first stream, or
 * turns it back by an undo, and lets the second stream lose a day; it prints k when both are acknowledged.
 */
const { database: config, ids, first } = JSON.parse(process.argv[2] ?? "") as WriterTask;
const [edited = 0, purged = 0] = ids;

const log = createLog("silent");
const database = await openDatabase(config, log);
const options = { compactPoints: 1e9, leaseMillis: 400, pollMillis: 10 };
const store = await openTimeSeries({ database, log, clock, options });
const context = { reason: "test", actor: "me", record: async () => undefined };

async function turn(k: number): Promise<void> {
  const stream = await store.streams.get(edited);
  const [last] = await store.edits.list(database.read, edited, { limit: 1 });
  if (k % 2 === 1 && last) await store.edits.undo(stream, last.id, context);
  else await store.edits.apply(stream, { operation: { kind: "scale", factor: -1 }, range: allOfIt }, context);
}

async function loseDays(k: number): Promise<void> {
  await database.write((tx) => store.streams.update(tx, purged, { retention: Math.max(90 - k, 1) * day }));
  await store.retention.run();
}

for (let k = first; ; k++) {
  await turn(k);
  await loseDays(k);
  process.stdout.write(`${k}\n`);
}
