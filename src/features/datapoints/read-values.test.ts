import { beforeAll, describe, expect, test } from "vitest";
import { describeDatapoints, type Message } from "../../../test/datapoints.ts";

const t0 = 1_700_000_100_000;
const at = (minutes: number) => t0 + minutes * 60_000;
/** Fixed, so that the window of timestamps is known. */
const clock = { now: () => t0 + 3_600_000 };

describeDatapoints("reading values", { clock }, (fixture) => {
  const { fresh, get, put, refused } = fixture;

  describe("filters by time", () => {
    let id: number;
    beforeAll(async () => {
      id = await fresh();
      await put(
        id,
        [0, 1, 2, 3].map((minute) => ({ value: String(minute), timestamp: at(minute) })),
      );
    });
    test.each([
      [`timestamp__gte=${at(1)}&timestamp__lte=${at(2)}`, "12"],
      [`timestamp__gt=${at(1)}&timestamp__lt=${at(3)}`, "2"],
      [`timestamp__gte=${at(1)}.5`, "23"],
      [`timestamp__gt=${at(1)}.0`, "23"],
      [`timestamp__lt=${at(1)}.001`, "01"],
      [`timestamp__lte=${at(1)}`, "01"],
      [`timestamp__gte=${at(2)}&timestamp__lte=${at(1)}`, ""],
      [`timestamp__gte=1e3&timestamp__lt=1e30`, "0123"],
      [`timestamp__gte=-1e30&timestamp__gt=&offset=0 seconds`, "0123"],
      [`timestamp__lt=0`, ""],
      [`limit=2`, "01"],
    ])("%s", async (query, expected) => {
      expect((await get(id, `?${query}`)).map(({ value }) => value).join("")).toBe(expected);
    });

    test.each(["gte", "gt", "lte", "lt"])("timestamp__%s must be a number", async (name) => {
      for (const text of ["abc", "2020-01-01", "NaN", "Infinity", "0x10", "1 2"]) {
        const field = `timestamp__${name}`;
        const answer = await refused("GET", `/datapoint/${id}/value/?${field}=${text}`);
        expect(answer.fields).toEqual({ [field]: ["Enter a number."] });
        await refused("GET", `/datapoint/last_value/?${field}=${text}`);
      }
    });

    test("pages link the next one and end", async () => {
      const seen: unknown[] = [];
      let path: string | undefined = `/datapoint/${id}/value/?limit=3&timestamp__lte=${at(3)}`;
      let pages = 0;
      while (path !== undefined) {
        const response: Response = await fixture.app.request("GET", path);
        seen.push(...((await response.json()) as Message[]).map(({ value }) => value));
        path = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
        pages += 1;
      }
      expect([pages, seen]).toEqual([2, ["0", "1", "2", "3"]]);
      await refused("GET", `/datapoint/${id}/value/?limit=3&cursor=bm90aGluZw`);
    });
  });

  describe("means of an interval", () => {
    test("stand at the left edges, over numbers only, null without any", async () => {
      const id = await fresh();
      const quarter = Math.ceil(t0 / 900_000) * 900_000;
      const series = [
        ["1", 0],
        ["2", 60_000],
        ["3", 899_999],
        ["4", 900_000],
        ["5", 960_000],
        ["6", 1_000_000],
        ['"text"', 1_100_000],
        ["true", 1_200_000],
        ["null", 2_700_000],
      ] as const;
      await put(
        id,
        series.map(([value, offset]) => ({ value, timestamp: quarter + offset })),
      );
      const expected = [
        { value: "2", timestamp: quarter },
        { value: "5", timestamp: quarter + 900_000 },
        { value: "null", timestamp: quarter + 2_700_000 },
      ];
      for (const interval of ["15 minutes", "PT15M", "00:15:00", "900"])
        expect(await get(id, `?interval=${encodeURIComponent(interval)}`)).toEqual(expected);
      expect(await get(id, `?interval=15m&values=native&offset=0%20seconds`)).toEqual(
        expected.map(({ value, timestamp }) => ({ value: JSON.parse(value) as unknown, timestamp })),
      );
      expect(await get(id, `?interval=15m&timestamp__gte=${quarter + 900_000}`)).toEqual(expected.slice(1));
      expect(await get(id, "?interval=")).toHaveLength(9);
    });

    test("are over the points asked for, also where these begin or end within a bucket", async () => {
      const id = await fresh();
      const hour = 3_600_000;
      const start = Math.ceil(t0 / hour) * hour - 10 * hour;
      const points = [1, 2, 4, 8, 16, 32].map((value, index) => ({
        value,
        timestamp: start + (index * hour) / 2,
      }));
      await put(id, points);
      const means = async (query: string) =>
        (await get(id, `?interval=1h&${query}`)).map(({ value, timestamp }) => [
          value,
          (timestamp - start) / hour,
        ]);
      expect(await means("")).toEqual([
        ["1.5", 0],
        ["6", 1],
        ["24", 2],
      ]);
      const from = start + hour / 2;
      expect(await means(`timestamp__gte=${from}&timestamp__lt=${start + 2.5 * hour}`)).toEqual([
        ["2", 0],
        ["6", 1],
        ["16", 2],
      ]);
      expect(await means(`timestamp__gte=${from}&timestamp__lt=${from + 1}`)).toEqual([["2", 0]]);
      expect(await means(`timestamp__gt=${start}&timestamp__lt=${from}`)).toEqual([]);
    });

    test("leave out years without points, and follow the calendar", async () => {
      const id = await fresh();
      const dates = [Date.UTC(2008, 1, 29), Date.UTC(2008, 1, 2), Date.UTC(2023, 9, 31, 23)];
      await put(
        id,
        dates.map((timestamp, value) => ({ value, timestamp })),
      );
      expect(await get(id, "?interval=1%20minute")).toEqual(
        [1, 0, 2].map((value) => ({ value: String(value), timestamp: dates[value] })),
      );
      for (const interval of ["1 month", "P1M"])
        expect(await get(id, `?interval=${encodeURIComponent(interval)}`)).toEqual([
          { value: "0.5", timestamp: Date.UTC(2008, 1, 1) },
          { value: "2", timestamp: Date.UTC(2023, 9, 1) },
        ]);
    });

    test.each(["abc", "0", "-1 minute", "1M", "PT"])("%s is refused under both names", async (interval) => {
      const answer = await refused("GET", `/datapoint/${await fresh()}/value/?interval=${interval}`);
      expect(Object.keys(answer.fields ?? {})).toEqual(["frequency", "interval"]);
      expect(answer.detail).toContain("PT15M");
    });
  });
});
