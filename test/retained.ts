import { connectAsync, type MqttClient } from "mqtt";
import type { TestApp } from "./app.ts";
import { until } from "./until.ts";

/** A reader of one topic, as controllers are: what was retained, and what came since. */
export class TestReader implements AsyncDisposable {
  readonly client: MqttClient;
  /** Payloads as text, oldest first. */
  readonly payloads: string[] = [];

  private constructor(client: MqttClient) {
    this.client = client;
    client.on("message", (_topic, payload) => this.payloads.push(payload.toString()));
  }

  static async connect(app: TestApp, topic: string): Promise<TestReader> {
    const reader = new TestReader(await connectAsync(app.mqttUrl, { reconnectPeriod: 50 }));
    await reader.client.subscribeAsync(topic, { qos: 1 });
    return reader;
  }

  /** Once the newest payload, parsed, fits. */
  newest<T>(what: string, fits: (content: T) => boolean): Promise<T> {
    return until(what, () => {
      const text = this.payloads.at(-1);
      if (text === undefined) return undefined;
      const content = JSON.parse(text) as T;
      return fits(content) ? content : undefined;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.endAsync(true);
  }
}

/** What is retained on the topic, as a client that comes now gets it, once it fits. */
export const retainedOn = <T>(app: TestApp, topic: string, fits: (content: T) => boolean): Promise<T> =>
  until(`what is retained on ${topic}`, async () => {
    await using reader = await TestReader.connect(app, topic);
    const content = await reader.newest<T>("a retained message", () => true);
    return fits(content) ? content : undefined;
  });
