import type { TestProject } from "vitest/node";
import { startPostgres } from "./postgres.ts";
import { aptLine, findService, missingServices } from "./programs.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** URL of a superuser in the run's own cluster; null where PostgreSQL is not installed. */
    postgres: string | null;
    /** Whether it is installed; tests start brokers of their own. */
    mosquitto: boolean;
    redis: boolean;
    /** Path of the browser; null where it is not installed. */
    chromium: string | null;
  }
}

/** One PostgreSQL for the whole run; each test takes a database of its own in it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const missing = missingServices();
  if (process.env["CI"] === "true" && missing.length > 0) {
    throw new Error(
      `CI=true allows no skipped tests; missing: ${missing.join(", ")}. Run: ${aptLine(missing)}`,
    );
  }
  project.provide("mosquitto", findService("mosquitto") !== undefined);
  project.provide("chromium", findService("chromium") ?? null);
  project.provide("redis", findService("redis") !== undefined);
  if (findService("postgres") === undefined) {
    project.provide("postgres", null);
    return async () => {};
  }
  const postgres = await startPostgres();
  project.provide("postgres", postgres.url("postgres"));
  return () => postgres.stop();
}
