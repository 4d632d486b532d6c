import { connectAsync, type MqttClient } from "mqtt";
import { messageOf, OperatorError } from "../kernel/errors.ts";
import type { Value } from "./catalogue.ts";

/** Milliseconds between two signs of life. */
const heartbeatEvery = 30_000;

export const logLevel = { info: 20, warning: 30 } as const;

export interface ConnectorOptions {
  readonly name: string;
  /** Like `mqtt://host:1883`; name and password may stand in it. */
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
  /** A value that the server or a controller sends to an actuator. */
  onActuator(key: string, value: unknown): void;
  onFault(text: string): void;
}

export interface Announcement {
  readonly sensor: Readonly<Record<string, Value>>;
  readonly actuator: Readonly<Record<string, Value>>;
}

interface DatapointMap {
  /** Topic by key. */
  readonly sensor: ReadonlyMap<string, string>;
  /** Key by topic. */
  readonly actuator: ReadonlyMap<string, string>;
}

/** One connector on the broker: it announces, tells that it is alive, obeys the map, publishes and receives. */
export class Connector implements AsyncDisposable {
  readonly #options: ConnectorOptions;
  readonly #client: MqttClient;
  readonly #heartbeat: NodeJS.Timeout;
  #map: DatapointMap = { sensor: new Map(), actuator: new Map() };

  private constructor(options: ConnectorOptions, client: MqttClient) {
    this.#options = options;
    this.#client = client;
    client.on("message", (topic, payload) => this.#receive(topic, payload.toString("utf8")));
    client.on("connect", () => this.#begin());
    client.on("error", (error) => options.onFault(`MQTT: ${messageOf(error)}`));
    this.#heartbeat = setInterval(() => this.#beat(), heartbeatEvery);
    this.#begin();
  }

  /** @throws OperatorError when the broker cannot be reached or refuses */
  static async connect(options: ConnectorOptions): Promise<Connector> {
    const { url, username, password } = options;
    try {
      const client = await connectAsync(
        url,
        {
          clean: true,
          connectTimeout: 5_000,
          reconnectPeriod: 1_000,
          resubscribe: false,
          ...(username === undefined ? {} : { username }),
          ...(password === undefined ? {} : { password }),
        },
        false,
      );
      return new Connector(options, client);
    } catch (cause) {
      const broker = new URL(url).host;
      throw new OperatorError(`The broker ${broker} cannot be reached: ${messageOf(cause)}`, { cause });
    }
  }

  /** Whether the server wants the values of this sensor. */
  isWanted(key: string): boolean {
    return this.#map.sensor.has(key);
  }

  async announce(announcement: Announcement): Promise<void> {
    // A server that has heard of us only now has missed the first sign of life.
    this.#beat();
    await this.#send("available_datapoints", announcement, true);
  }

  async log(level: number, msg: string): Promise<void> {
    await this.#send("logs", { timestamp: Date.now(), msg, emitter: "demo", level }, false);
  }

  /** Resolves when the broker has the message; does nothing where the server does not want it. */
  async publish(key: string, value: Value, time: number): Promise<void> {
    const topic = this.#map.sensor.get(key);
    if (topic === undefined) return;
    await this.#client.publishAsync(topic, JSON.stringify({ value, timestamp: time }), {
      qos: 1,
      retain: true,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#heartbeat);
    await this.#client.endAsync(!this.#client.connected);
  }

  #topic(last: string): string {
    return `${this.#options.name}/${last}`;
  }

  /** Runs on every (re)connection. */
  #begin(): void {
    this.#map = { sensor: new Map(), actuator: new Map() };
    this.#supervise(this.#client.subscribeAsync(this.#topic("datapoint_map"), { qos: 1 }));
    this.#beat();
  }

  #beat(): void {
    if (!this.#client.connected) return;
    const now = Date.now();
    const beat = { this_heartbeats_timestamp: now, next_heartbeats_timestamp: now + heartbeatEvery };
    this.#supervise(this.#send("heartbeat", beat, false));
  }

  async #send(last: string, content: unknown, retain: boolean): Promise<void> {
    await this.#client.publishAsync(this.#topic(last), JSON.stringify(content), { qos: 1, retain });
  }

  #receive(topic: string, text: string): void {
    const content = parse(text);
    if (topic === this.#topic("datapoint_map")) {
      this.#follow(content);
      return;
    }
    const key = this.#map.actuator.get(topic);
    if (key === undefined || !isRecord(content) || content["value"] === undefined) return;
    this.#options.onActuator(key, content["value"]);
  }

  #follow(content: unknown): void {
    if (!isRecord(content) || !isRecord(content["sensor"]) || !isRecord(content["actuator"])) {
      this.#options.onFault("MQTT: a datapoint_map without sensor or actuator was ignored.");
      return;
    }
    const before = this.#map.actuator;
    this.#map = { sensor: textMap(content["sensor"]), actuator: textMap(content["actuator"]) };
    const gone = [...before.keys()].filter((topic) => !this.#map.actuator.has(topic));
    const added = [...this.#map.actuator.keys()].filter((topic) => !before.has(topic));
    if (gone.length > 0) this.#supervise(this.#client.unsubscribeAsync(gone));
    if (added.length > 0) this.#supervise(this.#client.subscribeAsync(added, { qos: 1 }));
  }

  #supervise(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#options.onFault(`MQTT: ${messageOf(error)}`));
  }
}

const isRecord = (content: unknown): content is Readonly<Record<string, unknown>> =>
  typeof content === "object" && content !== null && !Array.isArray(content);

const textMap = (content: Readonly<Record<string, unknown>>): ReadonlyMap<string, string> =>
  new Map(Object.entries(content).filter((entry): entry is [string, string] => typeof entry[1] === "string"));

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
