import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestApp } from "../../../test/app.ts";
import { describeEachEngine } from "../../../test/engines.ts";
import {
  append,
  fieldsOf,
  hourMillis,
  type MadeStream,
  makeStreams,
  now,
  startApp,
} from "../../../test/streams.ts";

interface RawAnswer {
  readonly streams: readonly {
    readonly id: number;
    readonly unit: string;
    readonly points: readonly (readonly [number, unknown])[];
  }[];
}

interface BucketAnswer {
  readonly interval: string;
  readonly zone: string;
  readonly times: readonly number[];
  readonly end: number | null;
  readonly columns: readonly {
    readonly stream: number;
    readonly agg: string;
    readonly unit: string;
    readonly values: readonly (number | null)[];
  }[];
}

/** Midnight of the day of the tests, UTC. */
const midnight = now - 12 * hourMillis;

describeEachEngine("reading streams", (engine) => {
  let app: TestApp;
  let made: readonly MadeStream[];
  const id = (index: number): number => made[index]?.id ?? 0;
  const raw = (query: string) => app.json<RawAnswer>("GET", `/streams/query?${query}`);
  const buckets = (query: string) => app.json<BucketAnswer>("GET", `/streams/query?${query}`);
  const text = async (query: string) => (await app.request("GET", `/streams/query?${query}`)).text();
  const values = async (query: string) =>
    Object.fromEntries((await buckets(query)).columns.map(({ agg, values }) => [agg, values]));

  beforeAll(async () => {
    app = await startApp({ engine });
    made = await makeStreams(app, ["kW", "°C", "kWh", "", "kvar"]);
    // Power: an hour at 2, an hour at 4, then 0.
    await append(app, id(0), [
      [midnight, 2],
      [midnight + hourMillis, 4],
      [midnight + 2 * hourMillis, 0],
    ]);
    await append(app, id(1), [
      [midnight, 20],
      [midnight + hourMillis, 21.5],
      [midnight + 3 * hourMillis, -40],
    ]);
    // A counter with a reset.
    await append(app, id(2), [
      [midnight, 100],
      [midnight + hourMillis, 102],
      [midnight + 2 * hourMillis, 1],
      [midnight + 3 * hourMillis, 2.5],
    ]);
    await append(app, id(3), [
      [midnight, '"on"'],
      [midnight + 1, "true"],
      [midnight + 2, '{"a":[1,null]}'],
      [midnight + 3, -0],
      [midnight + hourMillis, 7],
    ]);
  });
  afterAll(() => app?.[Symbol.asyncDispose]());

  describe("as points", () => {
    test("each stream has its own, with values of any kind", async () => {
      const { streams } = await raw(`ids=${id(3)},${id(0)}`);
      expect(streams.map((stream) => stream.id)).toEqual([id(3), id(0)]);
      expect(streams[0]?.points).toEqual([
        [midnight, "on"],
        [midnight + 1, true],
        [midnight + 2, { a: [1, null] }],
        [midnight + 3, -0],
        [midnight + hourMillis, 7],
      ]);
      expect(streams[1]).toMatchObject({ unit: "kW", owner: "datapoints" });
      expect(streams[1]?.points).toHaveLength(3);
    });

    const day = "2024-01-10";
    test.each([
      [`from=${midnight + hourMillis}`, [4, 0]],
      [`from=${midnight + hourMillis}&to=${midnight + 2 * hourMillis}`, [4]],
      [`from=${midnight}.001`, [4, 0]],
      [`to=${day}T01:00:00Z`, [2]],
      [`from=${day}T01:00Z`, [4, 0]],
      [`from=${day}T02:00:00%2B01:00`, [4, 0]],
      // A plus that was not escaped.
      [`from=${day}T02:00:00+01:00`, [4, 0]],
      [`from=${day}T01:00:00.000001Z`, [0]],
      [`from=${day}T02:00:00&zone=Europe/Berlin`, [4, 0]],
      [`from=${day}%2002:00&zone=europe/berlin`, [4, 0]],
      [`from=${day}&zone=Europe/Berlin`, [2, 4, 0]],
      [`to=${day}`, []],
      [`to=${day}&zone=America/New_York`, [2, 4, 0]],
      [`from=${day}&to=${day}`, []],
      [`from=&to=&zone=&unit=&interval=`, [2, 4, 0]],
    ])("%s", async (query, expected) => {
      const { streams } = await raw(`ids=${id(0)}&${query}`);
      expect(streams[0]?.points.map(([, value]) => value)).toEqual(expected);
    });

    test("pages go on behind the last point, also where streams share instants", async () => {
      const seen: string[] = [];
      let path: string | undefined = `/streams/query?ids=${id(2)},${id(0)},${id(1)}&limit=2`;
      let pages = 0;
      while (path !== undefined) {
        const response: Response = await app.request("GET", path);
        const { streams } = (await response.json()) as RawAnswer;
        for (const { id: stream, points } of streams)
          for (const [time, value] of points) seen.push(`${time} ${stream} ${value}`);
        path = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
        pages += 1;
      }
      const all = await raw(`ids=${id(2)},${id(0)},${id(1)}`);
      const expected = all.streams.flatMap(({ id: stream, points }) =>
        points.map(([time, value]) => `${time} ${stream} ${value}`),
      );
      expect([pages, seen.toSorted()]).toEqual([5, expected.toSorted()]);
    });

    test("values come in the unit asked for; texts stay", async () => {
      const { streams } = await raw(`ids=${id(1)}&unit=%C2%B0F`);
      expect(streams[0]).toMatchObject({
        unit: "°F",
        points: [
          [midnight, 68],
          [midnight + hourMillis, 70.7],
          [midnight + 3 * hourMillis, -40],
        ],
      });
      expect((await raw(`ids=${id(0)}&unit=W`)).streams[0]?.points.map(([, value]) => value)).toEqual([
        2000, 4000, 0,
      ]);
    });
  });

  describe("in buckets", () => {
    test("several streams have one axis", async () => {
      const answer = await buckets(
        `ids=${id(0)},${id(1)}&interval=1h&agg=avg,count&from=${midnight}&to=${now - 8 * hourMillis}`,
      );
      expect(answer).toMatchObject({ interval: "PT3600S", zone: "UTC", end: midnight + 4 * hourMillis });
      expect(answer.times).toEqual([0, 1, 2, 3].map((hour) => midnight + hour * hourMillis));
      expect(answer.columns.map(({ stream, agg, unit, values }) => [stream, agg, unit, values])).toEqual([
        [id(0), "avg", "kW", [2, 4, 0, null]],
        [id(0), "count", "", [1, 1, 1, 0]],
        [id(1), "avg", "°C", [20, 21.5, null, -40]],
        [id(1), "count", "", [1, 1, 0, 1]],
      ]);
    });

    test("without times the axis goes from the first point to the newest", async () => {
      const answer = await buckets(`ids=${id(0)},${id(1)}&interval=1 hour`);
      expect(answer.times).toHaveLength(4);
      const [empty] = (await makeStreams(app, [""])).map((stream) => stream.id);
      expect(await buckets(`ids=${empty}&interval=1h`)).toMatchObject({
        times: [],
        end: null,
        columns: [{ stream: empty, values: [] }],
      });
    });

    test("figures over time: integral in hours, increase over a reset, durations", async () => {
      const range = `from=${midnight}&to=${midnight + 3 * hourMillis}`;
      const answer = await buckets(
        `ids=${id(0)}&interval=3h&agg=integral,twa,duration&condition=%3E=2&${range}`,
      );
      expect(answer.columns.map(({ agg, unit, values }) => [agg, unit, values])).toEqual([
        ["integral", "kWh", [6]],
        ["twa", "kW", [2]],
        ["duration(>=2)", "s", [7200]],
      ]);
      expect(await values(`ids=${id(2)}&interval=4h&agg=increase&${range}`)).toEqual({ increase: [3.5] });
    });

    test("gaps are filled as asked", async () => {
      const query = `ids=${id(1)}&interval=1h&from=${midnight}&to=${midnight + 4 * hourMillis}`;
      expect(await values(`${query}&fill=null`)).toEqual({ avg: [20, 21.5, null, -40] });
      expect(await values(`${query}&fill=previous`)).toEqual({ avg: [20, 21.5, 21.5, -40] });
      expect(await values(`${query}&fill=linear`)).toEqual({ avg: [20, 21.5, -9.25, -40] });
    });

    test("days are those of the zone, and the offset moves them", async () => {
      const query = `ids=${id(0)}&interval=1 day&from=2024-01-10&to=2024-01-11`;
      expect((await buckets(`${query}&zone=Europe/Berlin`)).times).toEqual([midnight - hourMillis]);
      expect((await buckets(`${query}&offset=6h`)).times).toEqual([
        midnight - 18 * hourMillis,
        midnight + 6 * hourMillis,
      ]);
      expect((await buckets(`${query}&offset=-6h`)).times).toHaveLength(2);
      expect((await buckets(`ids=${id(0)}&interval=1 month&from=2024-01-05&to=2024-02-02`)).times).toEqual([
        Date.UTC(2024, 0, 1),
        Date.UTC(2024, 1, 1),
      ]);
    });

    test("pages of buckets go on where the last ended, with any fill", async () => {
      for (const fill of ["null", "previous", "linear"]) {
        const query = `ids=${id(1)}&interval=30m&fill=${fill}&from=${midnight}&to=${midnight + 4 * hourMillis}`;
        const whole = await buckets(query);
        const times: number[] = [];
        const seen: (number | null)[] = [];
        let path: string | undefined = `/streams/query?${query}&limit=3`;
        while (path !== undefined) {
          const response: Response = await app.request("GET", path);
          const page = (await response.json()) as BucketAnswer;
          times.push(...page.times);
          seen.push(...(page.columns[0]?.values ?? []));
          path = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
        }
        expect([fill, times, seen]).toEqual([fill, whole.times, whole.columns[0]?.values]);
      }
    });

    test("too many buckets for JSON are refused, and streamed as CSV", async () => {
      const query = `ids=${made.map((stream) => stream.id).join()}&interval=1s&agg=avg,min,max&from=${midnight}&to=${midnight + 100 * hourMillis}`;
      expect(await fieldsOf(app, `/streams/query?${query}`)).toEqual(["interval"]);
      const csv = await text(`${query}&format=csv`);
      expect(csv.split("\r\n")).toHaveLength(100 * 3600 + 2);
    });
  });

  describe("in another unit", () => {
    const range = `from=${midnight}&to=${midnight + 2 * hourMillis}`;
    const column = async (query: string) => {
      const [first] = (await buckets(`interval=2h&${range}&${query}`)).columns;
      return [first?.unit, ...(first?.values ?? [])];
    };

    test("an integral of power is energy, in any unit of it", async () => {
      expect(await column(`ids=${id(0)}&agg=integral`)).toEqual(["kWh", 6]);
      expect(await column(`ids=${id(0)}&agg=integral&unit=Wh`)).toEqual(["Wh", 6000]);
      expect(await column(`ids=${id(0)}&agg=integral&unit=MJ`)).toEqual(["MJ", 21.6]);
      expect(await column(`ids=${id(0)}&agg=integral&unit=W`)).toEqual(["Wh", 6000]);
      expect(await column(`ids=${id(4)}&agg=integral`)).toEqual(["kvarh", null]);
    });

    test("temperatures move their zero, differences of them do not", async () => {
      const figures = "agg=avg,min,max,first,last,twa,increase,integral,count";
      const answer = await buckets(`ids=${id(1)}&interval=2h&${range}&${figures}&unit=K`);
      expect(Object.fromEntries(answer.columns.map(({ agg, values }) => [agg, values[0]]))).toEqual({
        avg: 293.9,
        min: 293.15,
        max: 294.65,
        first: 293.15,
        last: 294.65,
        twa: 293.9,
        increase: 1.5,
        integral: 587.8,
        count: 2,
      });
      expect(answer.columns.find(({ agg }) => agg === "integral")?.unit).toBe("K·h");
      expect(await column(`ids=${id(1)}&agg=increase&unit=degF`)).toEqual(["degF", 2.7]);
    });

    test("conditions are in that unit, also where streams have several", async () => {
      const [other] = (await makeStreams(app, ["K"])).map((stream) => stream.id);
      await append(app, other ?? 0, [[midnight, 294]]);
      const answer = await buckets(
        `ids=${id(1)},${other}&interval=2h&${range}&unit=K&agg=duration(>293.9),duration(<293.2)`,
      );
      expect(answer.columns.map(({ stream, agg, unit, values }) => [stream, agg, unit, values])).toEqual([
        [id(1), "duration(>293.9)", "s", [3600]],
        [id(1), "duration(<293.2)", "s", [3600]],
        [other, "duration(>293.9)", "s", [7200]],
        [other, "duration(<293.2)", "s", [0]],
      ]);
    });

    test.each([
      [0, "unit=kWh", ["kW", "kWh"]],
      [0, "unit=kWh&interval=1h&agg=integral,avg", ["kW", "kWh"]],
      [0, "unit=kWh&interval=1h&agg=duration(>5)", ["kW", "kWh"]],
      [0, "unit=%C2%B0C&interval=1h&agg=integral", ["kW", "°C"]],
      [1, "unit=K&interval=1h&agg=sum", ["°C", "K"]],
      [3, "unit=kW", ["no unit", "kW"]],
      [4, "unit=kW", ["kvar", "kW"]],
      [0, "unit=bananas", ["bananas"]],
    ])("stream %i refuses %s, naming both", async (index, query, units) => {
      const answer = await app.json<{ detail: string; fields: object }>(
        "GET",
        `/streams/query?ids=${id(index)}&${query}`,
        { status: 400 },
      );
      expect(Object.keys(answer.fields)).toEqual(["unit"]);
      for (const unit of units) expect(answer.detail).toContain(unit);
    });
  });

  test.each([
    ["", "ids"],
    ["ids=", "ids"],
    ["ids=a", "ids"],
    ["ids=1,,2", "ids"],
    ["ids=1.5", "ids"],
    ["from=yesterday", "from"],
    ["from=2024-13-01", "from"],
    ["from=2024-02-30", "from"],
    ["from=2024-01-10T25:00", "from"],
    ["from=2024-01-10T00:00[Europe/Berlin]", "from"],
    ["from=1e5", "from"],
    ["from=99999999999999", "from"],
    ["to=2024-01-10T00:00:00%2B99:00", "to"],
    ["from=2024-01-11&to=2024-01-10", "to"],
    ["zone=Mars/Olympus", "zone"],
    ["interval=soon", "interval"],
    ["interval=0", "interval"],
    ["interval=-1h", "interval"],
    ["interval=1M", "interval"],
    ["interval=1us&from=2024-01-01&to=2024-01-03", "interval"],
    ["interval=1h&agg=median", "agg"],
    ["interval=1h&agg=,", "agg"],
    ["interval=1h&agg=duration", "condition"],
    ["interval=1h&agg=duration(21)", "agg"],
    ["interval=1h&agg=duration(>x)", "agg"],
    ["interval=1h&agg=duration&condition=warm", "condition"],
    ["interval=1h&agg=duration&condition=>1e999", "condition"],
    ["interval=1h&agg=avg&condition=>1", "condition"],
    ["interval=1h&fill=zero", "fill"],
    ["interval=1h&offset=soon", "offset"],
    ["interval=1h&offset=1 month", "offset"],
    ["interval=1 day&offset=36h", "offset"],
    ["agg=avg", "agg"],
    ["fill=linear", "fill"],
    ["condition=>1", "condition"],
    ["offset=1h", "offset"],
    ["format=xml", "format"],
    ["delimiter=pipe", "delimiter"],
    ["decimal=dot", "decimal"],
    ["decimal=comma&delimiter=comma", "delimiter"],
    ["bom=maybe", "bom"],
    ["limit=0", "limit"],
    ["limit=10001", "limit"],
    ["cursor=nonsense", "cursor"],
    ["cursor=WzEuNSwwXQ", "cursor"],
    ["interval=1h&cursor=WzEsMF0", "cursor"],
    ["interval=1h&cursor=WzEuNV0", "cursor"],
  ])("%s is refused by its field", async (query, field) => {
    const ids = /(^|&)ids=/.test(query) || query === "" ? "" : `ids=${id(0)}&`;
    const path = `/streams/query?${ids}${query.replaceAll(">", "%3E")}`;
    const fields = await fieldsOf(app, path);
    expect(fields).toEqual([field]);
  });

  test("too many streams at once are refused", async () => {
    const many = Array.from({ length: 101 }, (_, index) => index + 1).join();
    expect(await fieldsOf(app, `/streams/query?ids=${many}`)).toEqual(["ids"]);
    const more = Array.from({ length: 2000 }, (_, index) => index + 1).join();
    expect(await fieldsOf(app, `/streams/query?ids=${more}&interval=1h&agg=avg,min,max`)).toEqual(["ids"]);
  });

  test("a stream that is not there is not found", async () => {
    await app.json("GET", `/streams/query?ids=${id(0)},999999`, { status: 404 });
    await app.json("GET", "/streams/query?ids=99999999999", { status: 404 });
  });
});
