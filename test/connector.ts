import { connectAsync, type MqttClient } from "mqtt";
import type { TestApp } from "./app.ts";
import { until } from "./until.ts";

export interface DatapointMap {
  /** Topic by key. */
  readonly sensor: Readonly<Record<string, string>>;
  /** Key by topic. */
  readonly actuator: Readonly<Record<string, string>>;
}

export interface Announcement {
  readonly sensor?: Readonly<Record<string, unknown>>;
  readonly actuator?: Readonly<Record<string, unknown>>;
}

export interface Command {
  readonly key: string;
  readonly value: unknown;
  readonly timestamp: number;
}

/** A connector as the field has them: announces, reads its map, publishes sensors and obeys actuators. */
export class TestConnector implements AsyncDisposable {
  readonly name: string;
  readonly client: MqttClient;
  /** Every map that came, oldest first. */
  readonly maps: DatapointMap[] = [];
  /** What came for actuators, oldest first. */
  readonly commands: Command[] = [];

  private constructor(name: string, client: MqttClient) {
    this.name = name;
    this.client = client;
    client.on("message", (topic, payload) => this.#take(topic, payload.toString()));
  }

  static async connect(app: TestApp, name: string): Promise<TestConnector> {
    const client = await connectAsync(app.mqttUrl, { reconnectPeriod: 50 });
    const connector = new TestConnector(name, client);
    await client.subscribeAsync(`${name}/datapoint_map`, { qos: 1 });
    return connector;
  }

  /** Resolves with the broker's acknowledgement. A text goes out as it is. */
  async publish(topic: string, payload: unknown, retain = false): Promise<void> {
    const text = typeof payload === "string" || Buffer.isBuffer(payload) ? payload : JSON.stringify(payload);
    await this.client.publishAsync(topic, text, { qos: 1, retain });
  }

  /** Retained, as both connector templates do. */
  announce(announcement: Announcement): Promise<void> {
    return this.publish(`${this.name}/available_datapoints`, announcement, true);
  }

  heartbeat(last: number, next: number): Promise<void> {
    return this.publish(`${this.name}/heartbeat`, {
      this_heartbeats_timestamp: last,
      next_heartbeats_timestamp: next,
    });
  }

  log(entry: unknown, retain = false): Promise<void> {
    return this.publish(`${this.name}/logs`, entry, retain);
  }

  /** The newest map, once it fits. */
  map(what: string, fits: (map: DatapointMap) => boolean): Promise<DatapointMap> {
    return until(what, () => this.maps.at(-1) && this.maps.filter(fits).at(-1));
  }

  /** Publishes a sensor's value to the topic of the map. */
  async send(key: string, value: unknown, timestamp: number, retain = false): Promise<void> {
    const topic = this.maps.at(-1)?.sensor[key];
    if (topic === undefined) throw new Error(`the map has no sensor ${key}`);
    await this.publish(topic, { value, timestamp }, retain);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.endAsync(true);
  }

  #take(topic: string, text: string): void {
    if (topic !== `${this.name}/datapoint_map`) {
      const key = this.maps.at(-1)?.actuator[topic];
      if (key !== undefined) this.commands.push({ key, ...(JSON.parse(text) as Omit<Command, "key">) });
      return;
    }
    const map = JSON.parse(text) as DatapointMap;
    this.maps.push(map);
    for (const actuator of Object.keys(map.actuator)) this.client.subscribe(actuator, { qos: 2 });
  }
}
