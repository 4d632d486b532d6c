import type { PointBatch, PointValue, StreamId } from "../src/kernel/timeseries/types.ts";
import { type AppOptions, type Credentials, startTestApp, type TestApp } from "./app.ts";

/** For tests: noon, 10 January 2024, UTC. */
export const now = Date.UTC(2024, 0, 10, 12);
export const hourMillis = 3_600_000;

export const startApp = (options: AppOptions = {}): Promise<TestApp> =>
  startTestApp({ clock: { now: () => now }, ...options });

export interface MadeStream {
  /** Of the stream. */
  readonly id: StreamId;
  readonly datapoint: number;
}

/** Datapoints with a stream each, over REST. */
export async function makeStreams(app: TestApp, units: readonly string[]): Promise<readonly MadeStream[]> {
  const connector = { name: `c${Math.random().toString(36).slice(2)}` };
  const body = units.map((unit, index) => ({ connector, key_in_connector: `k${index}`, unit }));
  const made = await app.json<{ id: number }[]>("POST", "/datapoint/", { body, status: 201 });
  await app.json("POST", "/datapoint/activate/", { body: { ids: made.map(({ id }) => id) } });
  const { streams } = app.server.kernel.timeseries;
  return Promise.all(
    made.map(async ({ id }) => {
      const stream = await streams.find("datapoints", `${id}/value`);
      return { id: stream?.id ?? 0, datapoint: id };
    }),
  );
}

/** Points at milliseconds. */
export function append(
  app: TestApp,
  stream: StreamId,
  points: readonly (readonly [number, PointValue])[],
): Promise<void> {
  const texts = new Map<number, string>();
  for (const [index, [, value]] of points.entries()) if (typeof value === "string") texts.set(index, value);
  const batch: PointBatch = {
    count: points.length,
    streams: points.map(() => stream),
    times: points.map(([time]) => time * 1000),
    values: points.map(([, value]) => (typeof value === "number" ? value : Number.NaN)),
    ...(texts.size > 0 ? { texts } : {}),
  };
  return app.server.kernel.timeseries.append(batch);
}

/** A user with these permissions. */
export async function makeUser(app: TestApp, permissions: readonly string[]): Promise<Credentials> {
  const name = `u${Math.random().toString(36).slice(2)}`;
  const password = "Different-horse-7";
  await app.json("POST", "/users/", { body: { name, password, permissions }, status: 201 });
  return { name, password };
}

export const fieldsOf = async (
  app: TestApp,
  path: string,
  options: { readonly method?: string; readonly body?: unknown } = {},
): Promise<readonly string[]> => {
  const { method = "GET", ...rest } = options;
  const answer = await app.json<{ fields?: object }>(method, path, { status: 400, ...rest });
  return Object.keys(answer.fields ?? {});
};
