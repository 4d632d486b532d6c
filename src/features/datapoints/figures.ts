import { Counter } from "prom-client";
import type { Log } from "../../kernel/observe/log.ts";
import type { Metrics } from "../../kernel/observe/metrics.ts";
import type { Clock, Millis } from "../../kernel/time.ts";
import type { MessageKind } from "./model.ts";
import { shorten } from "./texts.ts";

/** Topics of one connector, as the figures name them: one name for the messages of a kind of all its datapoints. */
export type TopicKind =
  | "logs"
  | "heartbeat"
  | "available_datapoints"
  | "datapoint_map"
  | "controlled_datapoints"
  | MessageTopic;
export type MessageTopic = `messages/+/${MessageKind}`;

/** Counts per connector; plain fields, since the hot path adds to them for each message. */
export class ConnectorFigures {
  readonly name: string;
  readonly received: Record<TopicKind, number> = noCounts();
  readonly published: Record<TopicKind, number> = noCounts();

  constructor(name: string) {
    this.name = name;
  }
}

const noCounts = (): Record<TopicKind, number> => ({
  logs: 0,
  heartbeat: 0,
  available_datapoints: 0,
  datapoint_map: 0,
  controlled_datapoints: 0,
  "messages/+/value": 0,
  "messages/+/setpoint": 0,
  "messages/+/schedule": 0,
});

/** Why a message was not taken as it came. */
export type MalformedReason =
  | "utf8"
  | "json"
  | "number"
  | "shape"
  | "timestamp"
  | "key"
  | "member"
  | "size"
  /** Older than the raw points its stream keeps. */
  | "expired"
  | "refused";

/** One log line per connector, kind and reason in this time; the others are only counted. */
const logEvery: Millis = 60_000;
const maxRemembered = 10_000;

interface Told {
  at: Millis;
  since: number;
}

/**
 * What came and went over MQTT. The label `topic` of the existing system's counters holds `<connector>/messages/+/value`
 * (and the like) for all datapoints of a connector: with each datapoint's own topic the series would be without bound.
 */
export class Figures {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #connectors = new Map<string, ConnectorFigures>();
  readonly #malformed = new Map<string, number>();
  readonly #told = new Map<string, Told>();
  /** For topics that nobody wants any more. */
  unwanted = 0;
  /** Retained values that were not newer than what the stream had. */
  replayed = 0;
  /** Lists for controllers. */
  readonly controllers = new ConnectorFigures("");
  /** From connectors that are not added. */
  readonly strangers = new ConnectorFigures("");

  constructor(metrics: Metrics, log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
    this.#register(metrics);
  }

  of(connector: string): ConnectorFigures {
    const present = this.#connectors.get(connector);
    if (present) return present;
    const figures = new ConnectorFigures(connector);
    this.#connectors.set(connector, figures);
    return figures;
  }

  forget(connector: string): void {
    this.#connectors.delete(connector);
  }

  /** Counts it, and logs it now and then. `detail` says what is wrong, in a sentence. */
  malformed(connector: string, kind: TopicKind, reason: MalformedReason, detail: string): void {
    const key = `${kind} ${reason}`;
    this.#malformed.set(key, (this.#malformed.get(key) ?? 0) + 1);
    const subject = `${connector} ${key}`;
    const told = this.#told.get(subject);
    const now = this.#clock.now();
    if (told && now - told.at < logEvery) {
      told.since += 1;
      return;
    }
    if (this.#told.size >= maxRemembered) this.#told.clear();
    this.#told.set(subject, { at: now, since: 0 });
    const more = told && told.since > 0 ? { more: told.since } : {};
    this.#log.warn(
      { connector, topic: kind, reason, ...more },
      `a message of connector ${shorten(connector)} is malformed: ${detail}`,
    );
  }

  #register(metrics: Metrics): void {
    const all = (): ConnectorFigures[] => [...this.#connectors.values(), this.strangers, this.controllers];
    this.#registerByConnector(metrics, all, "received");
    this.#registerByConnector(metrics, all, "published");
    const malformed = this.#malformed;
    new Counter({
      name: "busbar_datapoints_malformed_messages_total",
      help: "Messages, or parts of them, that could not be taken; the log names connector and reason",
      labelNames: ["topic", "reason"],
      registers: [metrics],
      collect() {
        this.reset();
        for (const [key, count] of malformed) {
          const [topic = "", reason = ""] = key.split(" ");
          this.inc({ topic, reason }, count);
        }
      },
    });
    this.#registerPlain(metrics, "unwanted", "Messages for topics that were unsubscribed meanwhile");
    this.#registerPlain(metrics, "replayed", "Retained values not newer than what is stored");
  }

  #registerPlain(metrics: Metrics, field: "unwanted" | "replayed", help: string): void {
    const figures = this;
    new Counter({
      name: `busbar_datapoints_${field}_messages_total`,
      help,
      registers: [metrics],
      collect() {
        this.reset();
        this.inc(figures[field]);
      },
    });
  }

  #registerByConnector(
    metrics: Metrics,
    all: () => readonly ConnectorFigures[],
    field: "received" | "published",
  ): void {
    new Counter({
      name: `bemcom_djangoapi_mqtt_messages_${field}_total`,
      help: `MQTT messages ${field}, by connector; topic is <connector>/messages/+/value for all values`,
      labelNames: ["topic", "connector"],
      registers: [metrics],
      collect() {
        this.reset();
        for (const figures of all())
          for (const [kind, count] of Object.entries(figures[field]))
            if (count > 0)
              this.inc({ topic: `${figures.name || "+"}/${kind}`, connector: figures.name }, count);
      },
    });
  }
}
