import { messageOf } from "../../kernel/errors.ts";
import type { InboundMessage } from "../../kernel/mqtt/link.ts";
import type { Clock, Micros } from "../../kernel/time.ts";
import type { TimeSeries } from "../../kernel/timeseries/store.ts";
import type { FeedbackWatch } from "./commands/watch.ts";
import type { Discovered } from "./discovered.ts";
import type { ConnectorFigures, Figures, TopicKind } from "./figures.ts";
import type { Intake } from "./intake.ts";
import { Malformed, readAnnouncement, readHeartbeat, readLog, readMessage } from "./payloads.ts";
import type { Channel, MessageRoute, Topics } from "./topics.ts";

export interface IngestOptions {
  readonly topics: Topics;
  readonly intake: Intake;
  readonly timeseries: TimeSeries;
  readonly discovered: Discovered;
  readonly figures: Figures;
  readonly clock: Clock;
  /** Commands that wait to be read back. */
  readonly watch: FeedbackWatch;
}

/** Everything that comes from the broker. Malformed messages are counted and logged, and acknowledged like the others. */
export class Ingest {
  readonly #options: IngestOptions;
  /**
   * Announcements on their way to the database: many brokers deliver one twice, for the connector's own topic and for
   * discovery's wildcard.
   */
  readonly #announcing = new Map<number, { payload: Uint8Array; written: Promise<void> }>();

  constructor(options: IngestOptions) {
    this.#options = options;
  }

  /** The handler of the MQTT link. */
  readonly take = (message: InboundMessage): Promise<void> | undefined => {
    const { topics, figures } = this.#options;
    const route = topics.messages.get(message.topic);
    if (route) return this.#takeMessage(message, route);
    const channel = topics.channels.get(message.topic);
    if (channel) return this.#takeOwn(message, channel);
    const [name = "", kind, ...rest] = message.topic.split("/");
    if (rest.length === 0 && (kind === "heartbeat" || kind === "available_datapoints"))
      this.#takeStranger(message, name, kind);
    else figures.unwanted += 1;
    return undefined;
  };

  /** The hot path: one map look-up, one JSON.parse, one put. */
  #takeMessage(message: InboundMessage, route: MessageRoute): Promise<void> | undefined {
    const { topicKind } = route;
    route.figures.received[topicKind] += 1;
    const { timeseries, figures, watch } = this.#options;
    try {
      const { time, value } = readMessage(message.payload, route.kind);
      // A replay says nothing new, unless it came while nobody listened; a deleted point must not come back with it.
      if (message.retained && time <= timeseries.highWater(route.stream)) {
        figures.replayed += 1;
        return undefined;
      }
      if (time < timeseries.horizon(route.stream)) {
        // Acknowledged: it would be refused each time the broker delivers it again.
        this.#malformed(route.figures, topicKind, new Malformed("expired", expiredText(time)));
        return undefined;
      }
      if (route.kind === "value" && !message.retained) watch.take(route.datapoint, time, value);
      return timeseries.put(route.stream, time, value);
    } catch (error) {
      this.#malformed(route.figures, topicKind, error);
      return undefined;
    }
  }

  #takeOwn(message: InboundMessage, channel: Channel): Promise<void> | undefined {
    const { kind, connectorId, figures } = channel;
    const { intake } = this.#options;
    figures.received[kind] += 1;
    try {
      if (kind === "logs") return intake.log({ connectorId, ...readLog(message.payload) });
      if (kind === "heartbeat") return intake.heartbeat({ connectorId, ...readHeartbeat(message.payload) });
      return this.#takeAnnouncement(message, channel);
    } catch (error) {
      this.#malformed(figures, kind, error);
      return undefined;
    }
  }

  #takeAnnouncement({ payload }: InboundMessage, channel: Channel): Promise<void> | undefined {
    const { connectorId, figures } = channel;
    const pending = this.#announcing.get(connectorId);
    if (pending && Buffer.compare(pending.payload, payload) === 0) return pending.written;
    const { datapoints, faults } = readAnnouncement(payload);
    for (const fault of faults) this.#malformed(figures, "available_datapoints", fault);
    if (datapoints.length === 0) return undefined;
    const written = this.#options.intake.announce(connectorId, datapoints);
    const announcing = { payload, written };
    this.#announcing.set(connectorId, announcing);
    const done = (): void => {
      if (this.#announcing.get(connectorId) === announcing) this.#announcing.delete(connectorId);
    };
    written.then(done, done);
    return written;
  }

  #takeStranger(message: InboundMessage, name: string, kind: "heartbeat" | "available_datapoints"): void {
    const { discovered, figures, clock } = this.#options;
    figures.strangers.received[kind] += 1;
    try {
      if (kind === "heartbeat")
        discovered.heard(name, clock.now(), { nextHeartbeat: readHeartbeat(message.payload).next });
      else {
        const types = readAnnouncement(message.payload).datapoints.map(({ type }) => type);
        const sensors = types.filter((type) => type === "sensor").length;
        discovered.heard(name, clock.now(), { sensors, actuators: types.length - sensors });
      }
    } catch (error) {
      this.#malformed(figures.strangers, kind, error);
    }
  }

  #malformed(connector: ConnectorFigures, kind: TopicKind, error: unknown): void {
    const reason = error instanceof Malformed ? error.reason : "refused";
    this.#options.figures.malformed(connector.name, kind, reason, messageOf(error));
  }
}

const expiredText = (time: Micros): string =>
  `its time ${new Date(time / 1000).toISOString()} is before what the stream keeps`;
