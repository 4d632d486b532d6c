import { expect, test } from "vitest";
import type { DatabaseConfig } from "../../src/kernel/config/config.ts";
import { migrate } from "../../src/kernel/database/migrate.ts";
import { openDatabase } from "../../src/kernel/database/open.ts";
import { createLog } from "../../src/kernel/observe/log.ts";
import { openTimeSeries, timeseriesMigrations } from "../../src/kernel/timeseries/open.ts";
import { describeEachEngine } from "../engines.ts";

import { proofKills, proofTimeout } from "../proof/runs.ts";
import { expectSoundChunks, expectSoundRollups } from "../rollups.ts";
import { pointsOf } from "../store.ts";
import { keepBusy, slowCommits } from "./slow-disk.ts";
import { Expected, streamCount } from "./store-history.ts";
import { stepsStored, Writer } from "./store-process.ts";

const log = createLog("silent");

describeEachEngine("time-series store after kill -9", (engine) => {
  test.each([
    { disk: "the disk as it is", slow: false },
    { disk: "a slow disk", slow: true },
  ])(
    "what was acknowledged is there, each point once, and nothing is half done: $disk",
    {
      timeout: proofTimeout(120_000),
    },
    async ({ slow }) => {
      const config: DatabaseConfig = await engine.create();
      const open = async () => {
        const database = await openDatabase(config, log);
        await migrate(database, timeseriesMigrations);
        const options = { compactPoints: 1e9 };
        const store = await openTimeSeries({ database, log, clock: { now: () => Date.now() }, options });
        return { database, store };
      };
      const first = await open();
      const streams = await first.database.write((tx) =>
        first.store.streams.ensure(
          tx,
          Array.from({ length: streamCount }, (_, i) => ({
            owner: "crash",
            key: `${i}`,
            mode: "history" as const,
            unit: "",
            labels: {},
          })),
        ),
      );
      await first.store[Symbol.asyncDispose]();
      await first.database[Symbol.asyncDispose]();
      const ids = streams.map(({ id }) => id);

      const kills = proofKills(slow ? 2 : engine.name === "sqlite" ? 5 : 3);
      if (slow) await slowCommits(config);
      const expected = new Expected();
      let next = 0;
      for (let kill = 0; kill < kills; kill++) {
        await using writer = new Writer({ database: config, ids, first: next });
        const busy = slow ? keepBusy(config) : undefined;
        const acknowledged = await writer.killedAfter(50 + Math.floor(Math.random() * (slow ? 300 : 2000)));
        await busy?.[Symbol.asyncDispose]();
        const { database, store } = await open();
        next = await stepsStored(store, ids, acknowledged);
        expect(next).toBeGreaterThan(acknowledged);
        expected.advance(next);
        for (const [stream, id] of ids.entries())
          expect(await pointsOf(store, id)).toEqual(expected.sorted(stream));
        await store.compact();
        for (const [stream, id] of ids.entries())
          expect(await pointsOf(store, id)).toEqual(expected.sorted(stream));
        await expectSoundChunks(database);
        await expectSoundRollups(database);
        await store[Symbol.asyncDispose]();
        await database[Symbol.asyncDispose]();
      }
    },
  );
});
