import { join } from "node:path";
import { describe, expect, inject, it } from "vitest";
import { type RunningBusbar, startBusbar } from "../busbar.ts";
import { Flood, type FloodMessage } from "../mqtt/flood.ts";
import { startMosquitto } from "../services/mosquitto.ts";
import { freePort, temporaryFolder } from "../services/service.ts";
import { until } from "../until.ts";

const messages = 200_000;
const datapoints = 20;
const perDatapoint = messages / datapoints;
const firstTime = Date.UTC(2026, 0, 1);
const admin = { name: "admin", password: "Correct-horse-9" };
/** How long a run may take altogether. */
const patience = 120_000;

/** Message `index` goes to one of the datapoints in turn, a second after the one before it there. */
const timeOf = (index: number): number => firstTime + Math.floor(index / datapoints) * 1000;
/** Different for each message, with two decimals. */
const sampleOf = (index: number): number => index / 100;

class Server {
  readonly #folder: string;
  readonly #env: Readonly<Record<string, string>>;
  #running: RunningBusbar | undefined;

  constructor(folder: string, env: Readonly<Record<string, string>>) {
    this.#folder = folder;
    this.#env = {
      BUSBAR_DATA_DIR: join(folder, "data"),
      BUSBAR_HOST: "127.0.0.1",
      BUSBAR_HTTP_PORT: "0",
      BUSBAR_HTTPS_PORT: "0",
      BUSBAR_EXTRA_HTTP_PORTS: "",
      DJANGO_SUPERUSER_USERNAME: admin.name,
      DJANGO_SUPERUSER_PASSWORD: admin.password,
      LOGLEVEL: "WARNING",
      ...env,
    };
  }

  async start(): Promise<void> {
    this.#running = await startBusbar({ folder: this.#folder, env: this.#env });
  }

  /** As when the power goes: nothing is finished or flushed. */
  async kill(): Promise<void> {
    await this.#running?.end("SIGKILL");
  }

  async json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const credentials = Buffer.from(`${admin.name}:${admin.password}`).toString("base64");
    const response = await fetch(`${this.#running?.url}${path}`, {
      method,
      headers: { authorization: `Basic ${credentials}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text.slice(0, 500)}`);
    return JSON.parse(text) as T;
  }

  async received(): Promise<number> {
    const response = await fetch(`${this.#running?.url}/metrics`);
    const line = /^busbar_mqtt_messages_total\{direction="in"\} (\d+)/m.exec(await response.text());
    return Number(line?.[1] ?? 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

/** Adds the connector with its datapoints in use; gives their ids. */
async function addDatapoints(server: Server): Promise<readonly number[]> {
  const items = Array.from({ length: datapoints }, (_, index) => ({
    connector: { name: "plant" },
    key_in_connector: `sensor ${index}`,
    type: "sensor",
    data_format: "generic_numeric",
  }));
  const made = await server.json<readonly { readonly id: number }[]>("POST", "/datapoint/", items);
  const ids = made.map(({ id }) => id);
  await server.json("POST", "/datapoint/activate/", { ids });
  return ids;
}

const messagesFor =
  (ids: readonly number[]) =>
  (index: number): FloodMessage => ({
    topic: `plant/messages/${ids[index % datapoints]}/value`,
    payload: `{"value": ${sampleOf(index)}, "timestamp": ${timeOf(index)}}`,
  });

interface Message {
  readonly value: number;
  readonly timestamp: number;
}

/** Waits until the last message of each datapoint is there, then looks at all of them. */
async function expectAll(server: Server, ids: readonly number[]): Promise<void> {
  const last = timeOf(messages - 1);
  const history = (id: number, query: string) =>
    server.json<readonly Message[]>("GET", `/datapoint/${id}/value/?values=native&${query}`);
  for (const id of ids)
    await until(
      "the last message",
      async () => (await history(id, `timestamp__gte=${last}`)).length === 1,
      patience / 2,
    );
  for (const [place, id] of ids.entries()) {
    const complete = async () => (await history(id, "")).length === perDatapoint;
    await until("all messages", complete, patience / 2);
    const expected = Array.from({ length: perDatapoint }, (_, step) => {
      const index = step * datapoints + place;
      return { value: sampleOf(index), timestamp: timeOf(index) };
    });
    expect(await history(id, "")).toEqual(expected);
  }
}

describe("kill -9 in the middle of 200,000 messages", () => {
  it.skipIf(!inject("mosquitto"))(
    "loses none of those an external broker keeps for the session",
    async () => {
      using folder = temporaryFolder();
      await using mosquitto = await startMosquitto();
      await using server = new Server(folder.path, {
        MQTT_BROKER_HOST: "127.0.0.1",
        MQTT_BROKER_PORT: String(mosquitto.port),
      });
      await server.start();
      const ids = await addDatapoints(server);
      const flood = new Flood({ port: mosquitto.port, count: messages, messageOf: messagesFor(ids) });
      const published = flood.run();
      await until("a part of the messages", async () => (await server.received()) > messages / 5, patience);
      await server.kill();
      await server.start();
      await published;
      await expectAll(server, ids);
    },
    patience,
  );

  it(
    "loses none of those the built-in broker acknowledged",
    async () => {
      using folder = temporaryFolder();
      const port = await freePort();
      await using server = new Server(folder.path, { BUSBAR_MQTT_PORT: String(port) });
      await server.start();
      const ids = await addDatapoints(server);
      const flood = new Flood({ port, count: messages, messageOf: messagesFor(ids), resend: true });
      const published = flood.run();
      await until("a part of the messages", () => flood.acknowledged > messages / 5, patience);
      await server.kill();
      expect(flood.acknowledged).toBeLessThan(messages);
      await server.start();
      await published;
      expect(flood.connections).toBeGreaterThan(1);
      await expectAll(server, ids);
    },
    patience,
  );
});
