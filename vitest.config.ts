import { defineConfig } from "vitest/config";
import { SummaryReporter } from "./test/services/summary-reporter.ts";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    globalSetup: ["test/services/global-setup.ts"],
    setupFiles: ["test/services/property-seed.ts"],
    reporters: ["default", new SummaryReporter()],
    pool: "forks",
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
