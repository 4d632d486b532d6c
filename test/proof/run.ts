/**
 * `npm run proof`: the proofs of the time-series store at length, in shards that run side by side, each a test run of
 * its own with new random cases. Says how far it is after each; the first failure ends it, with what failed.
 *
 * BUSBAR_PROOF_RUNS  random histories, default 100,000 (on SQLite; see runs.ts for the share of PostgreSQL)
 * BUSBAR_PROOF_KILLS kills per crash test and engine, default 200
 * BUSBAR_PROOF_JOBS  shards at a time, default one per processor
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { temporaryFolder } from "../services/service.ts";

const store = "src/kernel/timeseries";
const histories = [
  `${store}/model.test.ts`,
  `${store}/buckets.test.ts`,
  `${store}/edits/history.test.ts`,
  `${store}/nodes.test.ts`,
  `${store}/retention-nodes.test.ts`,
  `${store}/codec`,
];
const crashes = ["test/crash/store.test.ts", "test/crash/nodes.test.ts"];

interface Shard {
  readonly name: string;
  readonly files: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const number = (name: string, fallback: number): number => Number(process.env[name] ?? fallback);
const runs = number("BUSBAR_PROOF_RUNS", 100_000);
const kills = number("BUSBAR_PROOF_KILLS", 200);
const jobs = number("BUSBAR_PROOF_JOBS", availableParallelism());

/** Small enough to see it move, large enough for the start of a shard not to matter. */
const historiesPerShard = 1000;
const killsPerShard = 10;

function* inShards(total: number, size: number): Generator<number> {
  for (let left = total; left > 0; left -= size) yield Math.min(left, size);
}

const shards: readonly Shard[] = [
  { name: "every zone", files: [`${store}/buckets/edges-zones.test.ts`], env: { BUSBAR_PROOF_ZONES: "all" } },
  { name: "everything once", files: [store, "test/crash/takeover.test.ts"], env: {} },
  ...[...inShards(kills, killsPerShard)].map((count) => ({
    name: `${count} kills`,
    files: crashes,
    env: { BUSBAR_PROOF_KILLS: String(count) },
  })),
  ...[...inShards(runs, historiesPerShard)].map((count) => ({
    name: `${count} histories`,
    files: histories,
    env: { BUSBAR_PROOF_RUNS: String(count) },
  })),
];

/** Threads start anew with each history: what they load is compiled once. */
using cache = temporaryFolder();
const common = {
  ...process.env,
  BUSBAR_PROPERTY_SEED: process.env["BUSBAR_PROPERTY_SEED"] ?? "random",
  NODE_COMPILE_CACHE: cache.path,
};
const settings = ["--maxWorkers=1", "--testTimeout=0", "--hookTimeout=0"];
const running = new Set<ChildProcess>();

/** @returns what it printed when it failed */
async function failureOf({ files, env }: Shard): Promise<string | undefined> {
  const child = spawn(process.execPath, ["node_modules/vitest/vitest.mjs", "run", ...settings, ...files], {
    env: { ...common, BUSBAR_PROOF_RUNS: "0", BUSBAR_PROOF_KILLS: "0", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  const printed: Buffer[] = [];
  child.stdout.on("data", (part: Buffer) => printed.push(part));
  child.stderr.on("data", (part: Buffer) => printed.push(part));
  const [code] = await once(child, "close");
  running.delete(child);
  return code === 0 ? undefined : Buffer.concat(printed).toString();
}

const minutes = (millis: number): string =>
  `${Math.floor(millis / 3_600_000)} h ${Math.floor((millis / 60_000) % 60)} min`;

const begun = performance.now();
const queue = shards.values();
let done = 0;
let failed = false;

async function work(): Promise<void> {
  for (const shard of queue) {
    const failure = await failureOf(shard);
    if (failed) return;
    if (failure !== undefined) {
      failed = true;
      console.error(`${shard.name}: failed\n${failure}`);
      for (const child of running) child.kill("SIGTERM");
      return;
    }
    done++;
    const spent = performance.now() - begun;
    const left = (spent / done) * (shards.length - done);
    console.log(
      `${done} of ${shards.length} (${shard.name}), ${minutes(spent)}; about ${minutes(left)} to go`,
    );
  }
}

console.log(
  `${runs} random histories, ${kills} kills, every zone: ${shards.length} shards, ${jobs} at a time`,
);
await Promise.all(Array.from({ length: jobs }, work));
process.exitCode = failed ? 1 : 0;
