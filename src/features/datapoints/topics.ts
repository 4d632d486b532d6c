import type { RecordedChange } from "../../kernel/changes/changes.ts";
import type { Database } from "../../kernel/database/engine.ts";
import type { MqttLink } from "../../kernel/mqtt/link.ts";
import type { Log } from "../../kernel/observe/log.ts";
import type { StreamId } from "../../kernel/timeseries/types.ts";
import { listConnectorNames } from "./connector-store.ts";
import type { ConnectorFigures, Figures, MessageTopic } from "./figures.ts";
import { Following } from "./following.ts";
import { datapointMap, kindsOf, type MessageKind, mapTopic, messageTopic, topicsOf } from "./model.ts";
import type { RetainedTopics } from "./retained.ts";
import { listRouted } from "./store.ts";

/** Where the messages of one topic go. */
export interface MessageRoute {
  readonly datapoint: number;
  readonly stream: StreamId;
  /** Also the member of the payload that holds what is to be stored. */
  readonly kind: MessageKind;
  /** Its name in the figures. */
  readonly topicKind: MessageTopic;
  readonly figures: ConnectorFigures;
}

export type ChannelKind = "logs" | "heartbeat" | "available_datapoints";

/** One of the topics on which a connector speaks about itself. */
export interface Channel {
  readonly kind: ChannelKind;
  readonly connectorId: number;
  readonly figures: ConnectorFigures;
}

/** Single-level wildcards: connectors that nobody has added are heard, too. Messages of datapoints are not among them. */
export const discoveryFilters = ["+/heartbeat", "+/available_datapoints"] as const;

export interface TopicsOptions {
  readonly database: Database;
  readonly link: MqttLink;
  readonly retained: RetainedTopics;
  readonly figures: Figures;
  readonly log: Log;
  /** Whether setpoints and schedules are taken. */
  readonly control: boolean;
}

interface RoutedConnector {
  readonly name: string;
  readonly channels: readonly string[];
  readonly messages: readonly string[];
}

/**
 * Which topic means what, in memory; it follows the tables by the changes that are committed, on whichever node.
 * Subscriptions and maps follow it.
 */
export class Topics implements Disposable {
  readonly messages = new Map<string, MessageRoute>();
  readonly channels = new Map<string, Channel>();
  readonly #options: TopicsOptions;
  readonly #connectors = new Map<number, RoutedConnector>();
  /** Names of connectors whose active datapoints have changed. */
  readonly #changed = new Set<string>();
  readonly #following: Following;

  constructor(options: TopicsOptions) {
    this.#options = options;
    this.#following = new Following(() => this.#work(), options.log, "topics could not be read");
  }

  /** To be called after each commit. */
  readonly follow = (change: RecordedChange): void => {
    if (change.resource === "connector") this.#following.ask();
    else if (change.resource === "datapoint") {
      for (const name of affectedConnectors(change)) {
        this.#changed.add(name);
        this.#following.ask();
      }
    }
  };

  /** Resolves when everything committed so far is in force here. Never rejects: what fails is tried again. */
  settle(): Promise<void> {
    return this.#following.settle();
  }

  [Symbol.dispose](): void {
    this.#following[Symbol.dispose]();
  }

  async #work(): Promise<void> {
    const changed = new Set(this.#changed);
    this.#changed.clear();
    try {
      await this.#refresh(changed);
    } catch (error) {
      for (const name of changed) this.#changed.add(name);
      throw error;
    }
  }

  async #refresh(changed: ReadonlySet<string>): Promise<void> {
    const { database, link, retained } = this.#options;
    const wanted = new Map((await listConnectorNames(database.read)).map(({ id, name }) => [id, name]));
    let left = false;
    for (const [id, { name }] of this.#connectors) {
      if (wanted.get(id) === name) continue;
      this.#remove(id);
      left = true;
    }
    for (const [id, name] of wanted)
      if (!this.#connectors.has(id) || changed.has(name)) await this.#load(id, name);
    link.setSubscriptions(new Set([...this.messages.keys(), ...this.channels.keys(), ...discoveryFilters]));
    if (left) retained.clearRetired();
  }

  async #load(id: number, name: string): Promise<void> {
    const { database, figures, retained, control } = this.#options;
    const routed = await listRouted(database.read, id);
    const own = figures.of(name);
    this.#unroute(this.#connectors.get(id));
    const { logs, heartbeat, available_datapoints } = topicsOf(name);
    this.channels.set(logs, { kind: "logs", connectorId: id, figures: own });
    this.channels.set(heartbeat, { kind: "heartbeat", connectorId: id, figures: own });
    this.channels.set(available_datapoints, { kind: "available_datapoints", connectorId: id, figures: own });
    const messages: string[] = [];
    for (const { id: datapoint, type, streams } of routed) {
      for (const kind of kindsOf(type, control)) {
        const stream = streams[kind];
        if (stream === null) continue;
        const topic = messageTopic(name, datapoint, kind);
        this.messages.set(topic, { datapoint, stream, kind, topicKind: `messages/+/${kind}`, figures: own });
        messages.push(topic);
      }
    }
    this.#connectors.set(id, { name, channels: [logs, heartbeat, available_datapoints], messages });
    retained.want(mapTopic(name), datapointMap(name, routed), () => {
      figures.of(name).published.datapoint_map += 1;
    });
  }

  #remove(id: number): void {
    const connector = this.#connectors.get(id);
    if (!connector) return;
    this.#unroute(connector);
    this.#connectors.delete(id);
    this.#options.retained.forget(mapTopic(connector.name));
    this.#options.figures.forget(connector.name);
  }

  #unroute(connector: RoutedConnector | undefined): void {
    for (const topic of connector?.channels ?? []) this.channels.delete(topic);
    for (const topic of connector?.messages ?? []) this.messages.delete(topic);
  }
}

interface RecordedDatapoint {
  readonly connector: { readonly name: string };
  readonly key_in_connector: string;
  readonly type: string;
  readonly is_active: boolean;
}

/** Those whose map or subscriptions the change touches: not what concerns inactive datapoints, or other fields. */
export function affectedConnectors({ before, after }: RecordedChange): readonly string[] {
  const old = before as RecordedDatapoint | null;
  const now = after as RecordedDatapoint | null;
  const active = [old, now].filter((datapoint) => datapoint?.is_active === true);
  if (active.length === 0) return [];
  const same =
    old?.is_active === now?.is_active &&
    old?.connector.name === now?.connector.name &&
    old?.key_in_connector === now?.key_in_connector &&
    old?.type === now?.type;
  return same ? [] : active.flatMap((datapoint) => datapoint?.connector.name ?? []);
}
