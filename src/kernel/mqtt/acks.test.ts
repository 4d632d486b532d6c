import fc from "fast-check";
import { expect, test } from "vitest";
import { OrderedAcks } from "./acks.ts";

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

test("gives out in the order of arrival, each as soon as all before it are ready", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.option(fc.nat(4), { nil: undefined }), { maxLength: 30 }),
      fc.shuffledSubarray([0, 1, 2, 3, 4]),
      async (waits, resolved) => {
        const commits = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
        const out: number[] = [];
        const acks = new OrderedAcks<number>(
          (items) => out.push(...items),
          () => {},
        );
        for (const [item, wait] of waits.entries())
          acks.add(item, wait === undefined ? undefined : commits[wait]?.promise);
        const done = new Set<number>();
        for (const index of resolved) {
          commits[index]?.resolve();
          done.add(index);
          await settle();
          const open = waits.findIndex((wait) => wait !== undefined && !done.has(wait));
          const ready = open === -1 ? waits.length : open;
          expect(out).toEqual(Array.from({ length: ready }, (_, item) => item));
          expect(acks.held).toBe(waits.length - ready);
        }
      },
    ),
  );
});

test("gives out all that share a promise at once", async () => {
  const commit = Promise.withResolvers<void>();
  const calls: (readonly number[])[] = [];
  const acks = new OrderedAcks<number>(
    (items) => calls.push(items),
    () => {},
  );
  for (let item = 0; item < 1000; item++) acks.add(item, commit.promise);
  commit.resolve();
  await acks.empty();
  expect(calls.map((items) => items.length)).toEqual([1000]);
});

test("tells a rejection once, and nothing after it was cleared", async () => {
  const failing = Promise.withResolvers<void>();
  const late = Promise.withResolvers<void>();
  const failures: unknown[] = [];
  const out: number[] = [];
  const acks = new OrderedAcks<number>(
    (items) => out.push(...items),
    (error) => {
      failures.push(error);
      acks.clear();
    },
  );
  acks.add(1, failing.promise);
  acks.add(2, failing.promise);
  acks.add(3, late.promise);
  failing.reject("full");
  await settle();
  late.reject("too late");
  await settle();
  expect(failures).toEqual(["full"]);
  expect(out).toEqual([]);
  acks.add(4, undefined);
  expect(out).toEqual([4]);
});
