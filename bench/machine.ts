import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { arch, cpus, platform, release, totalmem } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { median } from "./figures.ts";

/** What a reader must know to compare the figures with others. */
export async function machineFacts(folder: string): Promise<readonly string[]> {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return [
    `${cpus().length} x ${cpu?.model.trim() ?? "unknown processor"}, ${memory} GB, ${platform()} ${release()} ${arch()}`,
    `Node.js ${process.versions.node}, SQLite ${sqliteVersion()}; server, broker and load generator share the processors`,
    `durable write of 4 kB: ${durableWriteMs(folder).toFixed(2)} ms (median); other programs take ${(await busyProcessors()).toFixed(2)} processors`,
  ];
}

function sqliteVersion(): string {
  const database = new DatabaseSync(":memory:");
  try {
    return String(database.prepare("select sqlite_version() as version").get()?.["version"]);
  } finally {
    database.close();
  }
}

function durableWriteMs(folder: string): number {
  const file = openSync(join(folder, "durable"), "w");
  const block = Buffer.alloc(4096);
  const times = Array.from({ length: 200 }, () => {
    const from = performance.now();
    writeSync(file, block);
    fdatasyncSync(file);
    return performance.now() - from;
  });
  closeSync(file);
  return median(times);
}

/** How many processors the rest of the machine keeps busy, looked at for a second. */
async function busyProcessors(): Promise<number> {
  const before = processorTimes();
  await delay(1000);
  const after = processorTimes();
  return ((after.busy - before.busy) / (after.all - before.all)) * cpus().length;
}

function processorTimes(): { readonly busy: number; readonly all: number } {
  let busy = 0;
  let idle = 0;
  for (const { times } of cpus()) {
    busy += times.user + times.nice + times.sys + times.irq;
    idle += times.idle;
  }
  return { busy, all: busy + idle };
}
