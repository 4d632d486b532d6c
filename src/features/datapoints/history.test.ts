import { expect, test } from "vitest";
import { describeDatapoints } from "../../../test/datapoints.ts";

const t0 = 1_700_000_100_000;
const at = (minutes: number) => t0 + minutes * 60_000;
/** Fixed, so that the window of timestamps is known. */
const clock = { now: () => t0 + 3_600_000 };

describeDatapoints("the history of values", { clock }, (fixture) => {
  const { fresh, get, put } = fixture;

  test("what is put comes back ascending, as JSON text with its type; once more updates it", async () => {
    const id = await fresh();
    const values = [
      "true",
      "null",
      "5",
      "22.5",
      '"text"',
      '""',
      '"21.5"',
      "[1,2]",
      '{"a":"b"}',
      "-0",
      "1e+21",
    ];
    const messages = values.map((value, index) => ({ value, timestamp: at(index) }));
    expect(await put(id, messages.toReversed())).toEqual({ msgs_created: 11, msgs_updated: 0 });
    expect(await get(id)).toEqual(messages);
    expect(await put(id, messages)).toEqual({ msgs_created: 0, msgs_updated: 11 });
    expect(await get(id)).toEqual(messages);
    expect(await get(id, "?values=native")).toEqual(
      messages.map(({ value, timestamp }) => ({ value: JSON.parse(value) as unknown, timestamp })),
    );
  });

  test("nothing put is nothing created; the same timestamp twice counts once and the last wins", async () => {
    const id = await fresh();
    expect(await put(id, [])).toEqual({ msgs_created: 0, msgs_updated: 0 });
    expect(await get(id)).toEqual([]);
    const twice = [
      { value: "1", timestamp: t0 },
      { value: "2", timestamp: t0 },
    ];
    expect(await put(id, twice)).toEqual({ msgs_created: 1, msgs_updated: 0 });
    expect(await get(id)).toEqual([{ value: "2", timestamp: t0 }]);
  });

  test("new and old ones are told apart, near and far", async () => {
    const id = await fresh();
    const day = 86_400_000;
    const times = [t0 - 400 * day, t0 - 30 * day, t0 - 30 * day + 1, t0, t0 + 1];
    await put(
      id,
      [times[0], times[2], times[3]].map((timestamp) => ({ value: 1, timestamp })),
    );
    const counts = await put(
      id,
      times.map((timestamp) => ({ value: 2, timestamp })),
    );
    expect(counts).toEqual({ msgs_created: 2, msgs_updated: 3 });
  });

  test("native values and texts of either kind are taken as they are meant", async () => {
    const id = await fresh();
    const values = [1.5, true, null, [1], { a: null }, "7", '"7"'];
    await put(
      id,
      values.map((value, index) => ({ value, timestamp: at(index) })),
    );
    expect((await get(id)).map(({ value }) => value)).toEqual([
      "1.5",
      "true",
      "null",
      "[1]",
      '{"a":null}',
      "7",
      '"7"',
    ]);
    await put(
      id,
      values.map((value, index) => ({ value, timestamp: at(index) })),
      "?values=native",
    );
    expect((await get(id, "?values=native")).map(({ value }) => value)).toEqual(values);
  });

  test("numbers and timestamps are accepted as forms send them", async () => {
    const id = await fresh();
    await put(id, [{ value: "17.0", timestamp: String(t0) }]);
    expect(await get(id)).toEqual([{ value: "17", timestamp: t0 }]);
  });

  test("a long history is streamed whole and in order", async () => {
    const id = await fresh();
    const points = 60_000;
    const start = t0 - points * 1000;
    for (let from = 0; from < points; from += 20_000)
      await put(
        id,
        Array.from({ length: 20_000 }, (_, index) => ({
          value: (from + index) / 4,
          timestamp: start + (from + index) * 1000,
        })),
      );
    const messages = await get(id);
    expect(messages).toHaveLength(points);
    expect(
      messages.every(
        ({ value, timestamp }, index) => value === String(index / 4) && timestamp === start + index * 1000,
      ),
    ).toBe(true);
  });

  test("writes of values are recorded with who did it", async () => {
    const id = await fresh();
    await put(id, [{ value: "1", timestamp: t0 }]);
    await fixture.app.json("DELETE", `/datapoint/${id}/value/${t0}/`, { status: 204 });
    const { changes, database } = fixture.app.server.kernel;
    const recorded = await changes.list(database.read, {
      resource: "datapointvalue",
      object: String(id),
      limit: 9,
    });
    expect(recorded.map(({ action, actor, before, after }) => [action, actor.name, before, after])).toEqual([
      ["delete", "admin", { value: 1, timestamp: t0 }, null],
      ["update", "admin", null, { msgs_created: 1, msgs_updated: 0 }],
    ]);
  });
});
