import { setTimeout as delay } from "node:timers/promises";
import { connectAsync, type MqttClient } from "mqtt";
import type { MqttConfig } from "../kernel/config/config.ts";
import { messageOf } from "../kernel/errors.ts";
import type { Finding } from "./doctor-checks.ts";

const subject = "MQTT broker";
const droppedTopic = "$SYS/broker/publish/messages/dropped";
const versionTopic = "$SYS/broker/version";
/** They are retained: what is not there at once does not come. */
const figuresMs = 2_000;

export async function checkBroker(config: MqttConfig): Promise<readonly Finding[]> {
  if (config.kind === "off") return [{ status: "ok", subject, detail: "none (BUSBAR_MQTT_PORT=0)" }];
  if (config.kind === "embedded") return [embedded(config.anonymous)];
  const address = `${config.host}:${config.port}`;
  try {
    const client = await connectAsync({
      ...{ host: config.host, port: config.port, protocol: config.tls ? "mqtts" : "mqtt" },
      ...(config.user === undefined ? {} : { username: config.user }),
      ...(config.password === undefined ? {} : { password: config.password }),
      ...{ protocolVersion: 5, clean: true, connectTimeout: 5_000, reconnectPeriod: 0 },
    });
    try {
      return [judge(address, await figures(client))];
    } finally {
      await client.endAsync();
    }
  } catch (error) {
    const advice = "look at MQTT_BROKER_HOST, MQTT_BROKER_PORT, MQTT_BROKER_USER and whether the broker runs";
    return [
      { status: "fail", subject, detail: `${address}: ${messageOf(error) || "no connection"}`, advice },
    ];
  }
}

const embedded = (anonymous: boolean): Finding =>
  anonymous
    ? {
        status: "warn",
        subject,
        detail: "the built-in one, open to every machine that reaches its port",
        advice: "unset BUSBAR_MQTT_ANONYMOUS and give each device a name and a token",
      }
    : {
        status: "ok",
        subject,
        detail: "the built-in one (MQTT 3.1.1), name and token required from other machines",
      };

async function figures(client: MqttClient): Promise<ReadonlyMap<string, string>> {
  const seen = new Map<string, string>();
  const { promise: complete, resolve } = Promise.withResolvers<void>();
  client.on("message", (topic, payload) => {
    seen.set(topic, payload.toString("utf8"));
    if (seen.size === 2) resolve();
  });
  await client.subscribeAsync([droppedTopic, versionTopic]);
  await Promise.race([complete, delay(figuresMs, undefined, { ref: false })]);
  return seen;
}

const settings =
  "set max_queued_messages 0 and persistence true in its configuration, as deploy/mosquitto.conf shows";

function judge(address: string, seen: ReadonlyMap<string, string>): Finding {
  const version = seen.get(versionTopic);
  const detail = `${address}${version === undefined ? "" : `, ${version}`}`;
  const dropped = droppedMessages(seen);
  if (dropped === undefined) {
    const advice = `if it is a Mosquitto, let this account read $SYS, and ${settings}`;
    return {
      status: "warn",
      subject,
      detail: `${detail}; it does not tell how many messages it dropped`,
      advice,
    };
  }
  if (dropped > 0) {
    const lost = `it has dropped ${dropped} messages since it started`;
    return { status: "warn", subject, detail: `${detail}; ${lost}`, advice: settings };
  }
  const advice = `a stock Mosquitto drops messages when a subscriber lags: ${settings}`;
  return { status: "ok", subject, detail: `${detail}; no message dropped`, advice };
}

/** Undefined where the broker does not tell. Mosquitto publishes the figure only once it is no longer zero. */
function droppedMessages(seen: ReadonlyMap<string, string>): number | undefined {
  const figure = seen.get(droppedTopic);
  if (figure !== undefined) return Number(figure);
  return seen.get(versionTopic)?.startsWith("mosquitto") ? 0 : undefined;
}
