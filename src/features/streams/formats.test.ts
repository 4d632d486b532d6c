import { parquetMetadata, parquetReadObjects, parquetSchema } from "hyparquet";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestApp } from "../../../test/app.ts";
import { describeEachEngine } from "../../../test/engines.ts";
import { append, hourMillis, type MadeStream, makeStreams, now, startApp } from "../../../test/streams.ts";
import { textCell } from "./csv.ts";

const midnight = now - 12 * hourMillis;

describeEachEngine("formats", (engine) => {
  let app: TestApp;
  let made: readonly MadeStream[];
  const id = (index: number): number => made[index]?.id ?? 0;
  const get = (query: string) => app.request("GET", `/streams/query?${query}`);
  const text = async (query: string) => (await get(query)).text();
  const lines = async (query: string) => (await text(query)).split("\r\n");
  const parquet = async (query: string) => (await get(`${query}&format=parquet`)).arrayBuffer();

  beforeAll(async () => {
    app = await startApp({ engine });
    made = await makeStreams(app, ["kW", "", ""]);
    await append(app, id(0), [
      [midnight, 1234.5],
      [midnight + 0.25, -7],
      [midnight + hourMillis, 1e21],
    ]);
    await append(app, id(1), [
      [midnight, '"=HYPERLINK(\\"http://x\\")"'],
      [midnight + 1, '"+1"'],
      [midnight + 2, '"-1"'],
      [midnight + 3, '"@SUM(A1)"'],
      [midnight + 4, '"\\t=1"'],
      [midnight + 5, '"\\r=1"'],
      [midnight + 6, '"a;b,c"'],
      [midnight + 7, '"line\\nbreak \\"quoted\\""'],
      [midnight + 8, "true"],
      [midnight + 9, '{"a":1}'],
      [midnight + 10, '"21,5"'],
      [midnight + 11, "null"],
      [midnight + 12, '"Grüße 🌡"'],
    ]);
  });
  afterAll(() => app?.[Symbol.asyncDispose]());

  describe("CSV", () => {
    test("has a header, a row for each point, and says what it is", async () => {
      const response = await get(`ids=${id(0)}&format=csv`);
      expect(response.headers.get("content-type")).toBe("text/csv; charset=utf-8; header=present");
      expect(response.headers.get("content-disposition")).toBe('attachment; filename="streams.csv"');
      expect(await response.text()).toBe(
        [
          "time,stream,value",
          `2024-01-10T00:00:00Z,${id(0)},1234.5`,
          `2024-01-10T00:00:00.00025Z,${id(0)},-7`,
          `2024-01-10T01:00:00Z,${id(0)},1e+21`,
          "",
        ].join("\r\n"),
      );
    });

    test("texts that spreadsheets would run are kept from it; numbers stay", async () => {
      const cells = (await lines(`ids=${id(1)}&format=csv&limit=5`)).map((line) =>
        line.split(",").slice(2).join(","),
      );
      expect(cells).toEqual(["value", `"'=HYPERLINK(""http://x"")"`, "'+1", "'-1", "'@SUM(A1)", "'\t=1", ""]);
      expect(await text(`ids=${id(1)}&format=csv&from=${midnight + 5}&to=${midnight + 6}`)).toContain(
        `"'\r=1"`,
      );
    });

    test("quotes what needs it, with each delimiter", async () => {
      const rest = `ids=${id(1)}&format=csv&from=${midnight + 6}&to=${midnight + 13}`;
      const body = await text(rest);
      expect(body).toContain(',"a;b,c"\r\n');
      expect(body).toContain(',"line\nbreak ""quoted"""\r\n');
      expect(body).toContain(`,true\r\n`);
      expect(body).toContain(`,"{""a"":1}"\r\n`);
      expect(body).toContain(',"21,5"\r\n');
      expect(body).toContain(",null\r\n");
      expect(body).toContain(",Grüße 🌡\r\n");
      expect(await text(`${rest}&delimiter=semicolon`)).toContain(';"a;b,c"\r\n');
      expect(await text(`${rest}&delimiter=semicolon`)).toContain(";21,5\r\n");
      expect(await text(`${rest}&delimiter=tab`)).toContain("\ta;b,c\r\n");
    });

    test("numbers have the decimal mark asked for, and then semicolons", async () => {
      expect((await lines(`ids=${id(0)}&format=csv&decimal=comma`))[1]).toBe(
        `2024-01-10T00:00:00Z;${id(0)};1234,5`,
      );
      expect((await lines(`ids=${id(0)}&format=csv&decimal=,&delimiter=tab`))[1]).toBe(
        `2024-01-10T00:00:00Z\t${id(0)}\t1234,5`,
      );
    });

    test("times are those of the zone, the mark of UTF-8 comes when asked for", async () => {
      const body = await text(`ids=${id(0)}&format=csv&zone=Asia/Kathmandu&bom=true&limit=1`);
      expect(
        Buffer.from(await (await get(`ids=${id(0)}&format=csv&bom=true`)).arrayBuffer()).subarray(0, 3),
      ).toEqual(Buffer.from([0xef, 0xbb, 0xbf]));
      expect(body).toContain("2024-01-10T05:45:00+05:45,");
    });

    test("buckets are columns; nothing stands where there is no figure", async () => {
      const query = `ids=${id(0)},${id(2)}&format=csv&interval=1h&agg=first,count&from=${midnight}&to=${midnight + 2 * hourMillis}`;
      expect(await lines(query)).toEqual([
        `time,${id(0)}.first,${id(0)}.count,${id(2)}.first,${id(2)}.count`,
        "2024-01-10T00:00:00Z,1234.5,2,,0",
        "2024-01-10T01:00:00Z,1e+21,1,,0",
        "",
      ]);
    });

    test("without a point only the header comes", async () => {
      expect(await text(`ids=${id(2)}&format=csv`)).toBe("time,stream,value\r\n");
    });
  });

  describe("NDJSON", () => {
    const objects = async (query: string) =>
      (await text(`${query}&format=ndjson`))
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line) as unknown);

    test("has an object for each point, by time over all streams", async () => {
      const rows = await objects(`ids=${id(1)},${id(0)}&limit=3`);
      expect(rows).toEqual([
        { time: midnight, stream: id(1), value: '=HYPERLINK("http://x")' },
        { time: midnight, stream: id(0), value: 1234.5 },
        { time: midnight + 0.25, stream: id(0), value: -7 },
      ]);
      expect(await objects(`ids=${id(1)}&from=${midnight + 9}&to=${midnight + 10}`)).toEqual([
        { time: midnight + 9, stream: id(1), value: { a: 1 } },
      ]);
    });

    test("and for each bucket", async () => {
      const range = `from=${midnight}&to=${midnight + 2 * hourMillis}`;
      expect(await objects(`ids=${id(0)},${id(2)}&interval=2h&agg=min&${range}`)).toEqual([
        { time: midnight, [`${id(0)}.min`]: -7, [`${id(2)}.min`]: null },
      ]);
    });
  });

  describe("Parquet", () => {
    test("points are read back as they are, with microseconds", async () => {
      const file = await parquet(`ids=${id(0)},${id(1)}&to=${midnight + 2}`);
      const rows = await parquetReadObjects({ file, parsers: rawTimes });
      expect(rows).toEqual([
        { time: BigInt(midnight) * 1000n, stream: id(0), value: 1234.5, json: null },
        {
          time: BigInt(midnight) * 1000n,
          stream: id(1),
          value: null,
          json: '"=HYPERLINK(\\"http://x\\")"',
        },
        { time: BigInt(midnight) * 1000n + 250n, stream: id(0), value: -7, json: null },
        { time: BigInt(midnight + 1) * 1000n, stream: id(1), value: null, json: '"+1"' },
      ]);
    });

    test("times are timestamps in microseconds of UTC", async () => {
      const metadata = parquetMetadata(await parquet(`ids=${id(0)}`));
      const elements = parquetSchema(metadata).children.map(({ element }) => element);
      expect(elements).toMatchObject([
        {
          name: "time",
          type: "INT64",
          converted_type: "TIMESTAMP_MICROS",
          logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MICROS" },
        },
        { name: "stream", type: "INT32", converted_type: "UINT_32" },
        { name: "value", type: "DOUBLE" },
        { name: "json", type: "BYTE_ARRAY", converted_type: "UTF8" },
      ]);
      expect(metadata.num_rows).toBe(3n);
    });

    test("buckets are columns, empty ones null", async () => {
      const range = `from=${midnight}&to=${midnight + 2 * hourMillis}`;
      const file = await parquet(`ids=${id(0)},${id(2)}&interval=1h&agg=max&${range}`);
      expect(await parquetReadObjects({ file })).toEqual([
        { time: new Date(midnight), [`${id(0)}.max`]: 1234.5, [`${id(2)}.max`]: null },
        { time: new Date(midnight + hourMillis), [`${id(0)}.max`]: 1e21, [`${id(2)}.max`]: null },
      ]);
    });

    test("no rows are a file, too", async () => {
      const file = await parquet(`ids=${id(2)}`);
      expect(await parquetReadObjects({ file })).toEqual([]);
      expect(parquetSchema(parquetMetadata(file)).children).toHaveLength(4);
    });
  });
});

/** Microseconds as they stand in the file. */
const rawTimes = {
  timestampFromMilliseconds: (value: bigint) => value,
  timestampFromMicroseconds: (value: bigint) => value,
  timestampFromNanoseconds: (value: bigint) => value,
  dateFromDays: (value: number) => value,
  stringFromBytes: (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes),
} as never;

test.each(["=1", "+1", "-1", "@a", "\t1", "\r1"])("%j never begins a cell", (text) => {
  for (const delimiter of [",", ";", "\t"] as const) {
    const cell = textCell(text, { delimiter, decimal: ".", bom: false });
    expect(cell.replace(/^"/, "")).toMatch(/^'/);
  }
});
