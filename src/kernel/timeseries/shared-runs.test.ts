import { expect, test } from "vitest";
import { SharedRuns } from "./shared-runs.ts";

/** Runs that end when the test says so. */
function controlled() {
  const started: PromiseWithResolvers<void>[] = [];
  const runs = new SharedRuns(() => {
    const run = Promise.withResolvers<void>();
    started.push(run);
    return run.promise;
  });
  return { runs, started };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("those who ask in one turn share a run; those who ask during it share the next", async () => {
  const { runs, started } = controlled();
  const done: string[] = [];
  const ask = (name: string) => void runs.run().then(() => done.push(name));
  ask("a");
  ask("b");
  await turn();
  expect(started).toHaveLength(1);
  ask("c");
  await turn();
  ask("d");
  await turn();
  expect(started).toHaveLength(1);
  started[0]?.resolve();
  await turn();
  expect(done).toEqual(["a", "b"]);
  expect(started).toHaveLength(2);
  started[1]?.resolve();
  await runs.idle();
  expect(done).toEqual(["a", "b", "c", "d"]);
  expect(started).toHaveLength(2);
});

test("who asks at the very moment a run ends gets another", async () => {
  const { runs, started } = controlled();
  let again: Promise<void> | undefined;
  const first = runs.run().then(() => {
    again = runs.run();
  });
  await turn();
  started[0]?.resolve();
  await first;
  await turn();
  expect(started).toHaveLength(2);
  started[1]?.resolve();
  await again;
});

test("a fault goes to those of its run only", async () => {
  const { runs, started } = controlled();
  const first = runs.run();
  await turn();
  const second = runs.run();
  started[0]?.reject(new Error("away"));
  await expect(first).rejects.toThrow("away");
  await turn();
  started[1]?.resolve();
  await second;
  await runs.idle();
});
