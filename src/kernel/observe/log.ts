import { type Logger, pino } from "pino";
import { Counter } from "prom-client";
import type { Metrics } from "./metrics.ts";

/** Structured log lines on standard error. Secrets never go in: headers with credentials are redacted. */
export type Log = Logger;

const written = new WeakMap<Log, Map<string, number>>();

export function createLog(level: string): Log {
  const counts = new Map<string, number>();
  const log = pino(
    {
      level,
      base: null,
      formatters: { level: (label) => ({ level: label }) },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: ["req.headers.authorization", "req.headers.cookie", 'req.headers["x-api-key"]'],
      hooks: {
        logMethod(line, method, number) {
          const name = this.levels.labels[number] ?? "unknown";
          counts.set(name, (counts.get(name) ?? 0) + 1);
          method.apply(this, line);
        },
      },
    },
    pino.destination({ fd: 2, sync: false }),
  );
  written.set(log, counts);
  return log;
}

/** Counts the log's lines under the name that dashboards of the existing system look for. */
export function countLines(log: Log, metrics: Metrics): void {
  new Counter({
    name: "bemcom_djangoapi_log_messages_received_total",
    help: "Lines written to the log",
    labelNames: ["function", "levelname", "loggername"],
    registers: [metrics],
    collect() {
      this.reset();
      for (const [name, count] of written.get(log) ?? [])
        this.inc({ function: "", levelname: name.toUpperCase(), loggername: "busbar" }, count);
    },
  });
}
