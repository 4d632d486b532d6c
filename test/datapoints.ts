import { afterAll, beforeAll } from "vitest";
import { type AppOptions, startTestApp, type TestApp } from "./app.ts";
import { describeEachEngine } from "./engines.ts";
import { until } from "./until.ts";

export interface Datapoint {
  readonly id: number;
  readonly connector: { readonly name: string };
  readonly key_in_connector: string;
  readonly type: string;
  readonly short_name: string | null;
  readonly example_value?: unknown;
}

export interface Connector {
  readonly id: number;
  readonly name: string;
  readonly alive: boolean | null;
}

export interface Message {
  readonly value: unknown;
  readonly timestamp: number;
}

/** The parts of a problem body that tests look at. */
export interface Refusal {
  readonly detail: string;
  readonly fields?: Readonly<Record<string, readonly string[]>>;
  readonly items?: readonly Readonly<Record<string, readonly string[]>>[];
}

/** The documented fields of a datapoint in a list. */
export const fieldNames: readonly string[] = [
  "id",
  "connector",
  "key_in_connector",
  "type",
  "data_format",
  "short_name",
  "description",
  "min_value",
  "max_value",
  "allowed_values",
  "unit",
];

/** One server for the tests of a block, and the calls they make again and again. */
export class DatapointsFixture {
  #app: TestApp | undefined;
  #count = 0;

  get app(): TestApp {
    if (!this.#app) throw new Error("The server is not started yet.");
    return this.#app;
  }

  async start(options: AppOptions): Promise<void> {
    this.#app = await startTestApp(options);
  }

  async stop(): Promise<void> {
    await this.#app?.[Symbol.asyncDispose]();
  }

  /** A name that no other test has. */
  readonly freshName = (): string => `site-${++this.#count}`;

  readonly item = (name: string, key: string, more: object = {}) => ({
    connector: { name },
    key_in_connector: key,
    type: "sensor",
    ...more,
  });

  readonly create = (items: readonly object[]): Promise<Datapoint[]> =>
    this.app.json("POST", "/datapoint/", { body: items, status: 201 });

  /** The id of a new datapoint. */
  readonly fresh = async (more: object = {}): Promise<number> => {
    const [created] = await this.create([this.item(this.freshName(), "k", more)]);
    return created?.id ?? 0;
  };

  readonly list = (query: string): Promise<Datapoint[]> => this.app.json("GET", `/datapoint/?${query}`);

  readonly refused = (method: string, path: string, body?: unknown, status = 400): Promise<Refusal> =>
    this.app.json(method, path, { status, ...(body === undefined ? {} : { body }) });

  readonly put = (
    id: number,
    messages: readonly object[],
    query = "",
  ): Promise<{ msgs_created: number; msgs_updated: number }> =>
    this.app.json("PUT", `/datapoint/${id}/value/${query}`, { body: messages });

  readonly get = (id: number, query = ""): Promise<Message[]> =>
    this.app.json("GET", `/datapoint/${id}/value/${query}`);
}

/** Runs the block on each engine, with one server each that has no broker unless the options say so. */
export function describeDatapoints(
  name: string,
  options: Omit<AppOptions, "engine">,
  block: (fixture: DatapointsFixture) => void,
): void {
  describeEachEngine(name, (engine) => {
    const fixture = new DatapointsFixture();
    beforeAll(() => fixture.start({ ...options, engine }));
    afterAll(() => fixture.stop());
    block(fixture);
  });
}

export const addConnector = (app: TestApp, name: string): Promise<Connector> =>
  app.json("POST", "/connector/", { body: { name }, status: 201 });

/** All datapoints of the connector, in full. */
export const listAll = (app: TestApp, name: string): Promise<Datapoint[]> =>
  app.json("GET", `/datapoint/?connector__name=${name}&is_active=all&detail=full`);

export const announced = (app: TestApp, name: string, count: number): Promise<Datapoint[]> =>
  until(`${count} datapoints of ${name}`, async () => {
    const all = await listAll(app, name);
    return all.length === count ? all : undefined;
  });
