/**
 * Loaded into the server under test with --import: on SIGUSR2 it writes the event loop's delays since the last
 * time to the file that BENCH_LOOP_FILE names, and begins anew.
 */
import { renameSync, writeFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { isMainThread } from "node:worker_threads";

const file = process.env["BENCH_LOOP_FILE"];
if (isMainThread && file !== undefined) {
  const delays = monitorEventLoopDelay({ resolution: 1 });
  delays.enable();
  process.on("SIGUSR2", () => {
    const millis = (nanoseconds: number) => nanoseconds / 1e6;
    const seen = {
      p99: millis(delays.percentile(99)),
      p999: millis(delays.percentile(99.9)),
      max: millis(delays.max),
    };
    delays.reset();
    writeFileSync(`${file}.new`, JSON.stringify(seen));
    renameSync(`${file}.new`, file);
  });
}
