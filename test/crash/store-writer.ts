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
  const id = step.kind === "append" ? 0 : (ids[step.stream] ?? 0);
  if (step.kind === "append") await store.append(batchOf(step.points, ids));
  else if (step.kind === "delete") await store.deleteRange(id, step.range);
  else
    await store.edits.apply(
      await store.streams.get(id),
      { operation: { kind: "scale", factor: 2 }, range: step.range },
      { reason: "a test", actor: "writer", record: async () => undefined },
    );
  process.stdout.write(`${k}\n`);
}

const steps = new Set<Promise<void>>();
for (let k = first; ; k++) {
  // An edit is a transaction of its own, which others could pass: it goes alone, so that what is stored has no gap.
  const alone = stepAt(k).kind === "edit";
  if (alone) await Promise.all(steps);
  const step = write(k).finally(() => steps.delete(step));
  steps.add(step);
  if (alone || steps.size === inFlight) await Promise.race(steps);
}
