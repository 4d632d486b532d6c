import type { Reporter, SerializedError, TestModule } from "vitest/node";
import { aptLine, missingServices, services } from "./programs.ts";

/** After vitest's own summary: what was skipped and what would bring it, then the counts in one plain line. */
export class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const count = { passed: 0, failed: unhandled.length, skipped: 0, pending: 0 };
    const skipped = new Map<string, number>();
    for (const module of modules) {
      // A file that does not even load has no tests that could fail.
      if (module.errors().length > 0) count.failed += 1;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        count[state] += 1;
        if (state !== "skipped") continue;
        const block = `${module.relativeModuleId}: ${test.fullName.split(" > ")[0]}`;
        skipped.set(block, (skipped.get(block) ?? 0) + 1);
      }
    }
    const missing = missingServices();
    if (missing.length > 0 && skipped.size > 0) {
      print(`Not installed here: ${missing.map((name) => services[name].title).join(", ")}. Skipped:`);
      for (const [block, tests] of skipped) print(`  ${block} (${tests})`);
      print(`To run them, too: ${aptLine(missing)}`);
    }
    const open = count.skipped + count.pending;
    if (process.env["CI"] === "true" && open > 0) {
      print("CI=true: a skipped test is a failure.");
      process.exitCode = 1;
    }
    print(`${count.passed} passed, ${count.failed} failed${open > 0 ? `, ${open} skipped` : ""}`);
  }
}

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
