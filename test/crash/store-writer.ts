import { openDatabase } from "../../src/kernel/database/open.ts";
import { createLog } from "../../src/kernel/observe/log.ts";
import { openTimeSeries } from "../../src/kernel/timeseries/open.ts";
import { batchOf, stepAt } from "./store-history.ts";
import type { WriterTask } from "./store-process.ts";

/**
 * The process that gets killed: continues the history at the given step, some steps in flight, and prints the number
 * of each step when it is acknowledged. Compacts all the time.
 */
const { database: config, ids, first, leaseMillis = 400 } = JSON.parse(process.argv[2] ?? "") as WriterTask;
const inFlight = 6;

const log = createLog("silent");
const database = await openDatabase(config, log);
const store = await openTimeSeries({
  database,
  log,
  clock: { now: () => Date.now() },
  options: { compactPoints: 1500, leaseMillis },
});

async function write(k: number): Promise<void> {
  const step = stepAt(k);
  if (step.kind === "append") await store.append(batchOf(step.points, ids));
  else await store.deleteRange(ids[step.stream] ?? 0, step.range);
  process.stdout.write(`${k}\n`);
}

let next = first;
async function writer(): Promise<void> {
  for (;;) await write(next++);
}

await Promise.all(Array.from({ length: inFlight }, writer));
