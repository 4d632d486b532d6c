import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { parquetMetadata } from "hyparquet";
import { afterAll, beforeAll, expect, test } from "vitest";
import { adminName, adminPassword, type TestApp } from "../../../test/app.ts";
import { makeStreams, now, startApp } from "../../../test/streams.ts";
import { until } from "../../../test/until.ts";

const points = 1_000_000;
const start = now - points * 1000;

let app: TestApp;
let stream = 0;

beforeAll(async () => {
  app = await startApp();
  stream = (await makeStreams(app, ["kW"]))[0]?.id ?? 0;
  const count = 100_000;
  for (let from = 0; from < points; from += count)
    await app.server.kernel.timeseries.append({
      count,
      streams: new Uint32Array(count).fill(stream),
      times: Float64Array.from({ length: count }, (_, index) => (start + (from + index) * 1000) * 1000),
      values: Float64Array.from({ length: count }, (_, index) => ((from + index) % 1000) / 4),
    });
});
afterAll(() => app?.[Symbol.asyncDispose]());

const get = (query: string) => app.request("GET", `/streams/query?ids=${stream}&${query}`);

/** Counts the lines as they come, and checks that none is missing. */
async function countLines(response: Response, check: (line: string, index: number) => boolean) {
  let index = 0;
  const lines = createInterface({ input: Readable.fromWeb(response.body as never) });
  for await (const line of lines) {
    if (!check(line, index)) throw new Error(`line ${index}: ${line}`);
    index += 1;
  }
  return index;
}

test("a million points come as CSV and NDJSON, none missing", async () => {
  const csv = await countLines(await get("format=csv"), (line, index) => {
    const value = `${((index - 1) % 1000) / 4}`;
    return index === 0 || line.endsWith(`,${value}`);
  });
  expect(csv).toBe(points + 1);
  const ndjson = await countLines(await get("format=ndjson"), (line, index) =>
    line.startsWith(`{"time":${start + index * 1000},`),
  );
  expect(ndjson).toBe(points);
});

test("and as JSON and Parquet", async () => {
  const { streams } = (await (await get("")).json()) as { streams: { points: unknown[] }[] };
  expect(streams[0]?.points).toHaveLength(points);
  const file = await (await get("format=parquet")).arrayBuffer();
  expect(parquetMetadata(file).num_rows).toBe(BigInt(points));
});

test("a client that does not read is not written for, and one that goes ends the read", async () => {
  const credentials = Buffer.from(`${adminName}:${adminPassword}`).toString("base64");
  const accepted = new Promise<Socket>((resolve) =>
    app.server.kernel.http.server.once("connection", resolve),
  );
  const client = connect(Number(new URL(app.url).port), "127.0.0.1");
  client.pause();
  client.write(
    `GET /streams/query?ids=${stream}&format=ndjson HTTP/1.1\r\nHost: localhost\r\n` +
      `Authorization: Basic ${credentials}\r\n\r\n`,
  );
  const server = await accepted;
  await until("the buffers to be full", () => server.writableNeedDrain && server.writableLength > 0);
  // About 50 MB are the whole answer: what is not taken stays in the buffers of the two sockets.
  expect(server.writableLength).toBeLessThan(4_000_000);
  expect(server.bytesWritten).toBeLessThan(25_000_000);
  client.destroy();
  await until("the server to notice", () => server.destroyed);
  // The server closes only when no answer is under way.
  await app.stop();
});
