import type { Actor, ChangeLog } from "../../kernel/changes/changes.ts";
import type { Database, Tx } from "../../kernel/database/engine.ts";
import { messageOf, Problem } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/observe/log.ts";
import { updateExamples } from "./bulk-updates.ts";
import {
  getConnector,
  type Heartbeat,
  insertLogs,
  type LogEntry,
  lockConnectors,
  updateHeartbeats,
} from "./connector-store.ts";
import type { NewDatapoint } from "./model.ts";
import type { Announced } from "./payloads.ts";
import { insertDatapoints, listByKey } from "./store.ts";
import { datapointChange } from "./views.ts";

interface AnnouncedBy {
  readonly connectorId: number;
  readonly datapoints: readonly Announced[];
}

interface Batch {
  readonly logs: LogEntry[];
  /** Only the newest of each connector counts. */
  readonly heartbeats: Map<number, Heartbeat>;
  /** Only the newest example of each datapoint counts, in the order of arrival. */
  readonly announcements: AnnouncedBy[];
  readonly written: PromiseWithResolvers<void>;
}

export interface IntakeOptions {
  readonly database: Database;
  readonly changes: ChangeLog;
  readonly log: Log;
  /** A message that cannot be stored for a fault of its own. */
  readonly refused: (connectorId: number, error: unknown) => void;
}

/**
 * Writes what connectors say about themselves: everything that arrived while the transaction before was under way goes
 * into the next one. One at a time, so the messages of a connector keep their order.
 */
export class Intake implements AsyncDisposable {
  readonly #options: IntakeOptions;
  #next: Batch | undefined;
  #running: Promise<void> | undefined;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** Each of these resolves when the message is durable, and rejects (Problem) when the database cannot take it. */
  log(entry: LogEntry): Promise<void> {
    const batch = this.#batch();
    batch.logs.push(entry);
    return batch.written.promise;
  }

  heartbeat(heartbeat: Heartbeat): Promise<void> {
    const batch = this.#batch();
    batch.heartbeats.set(heartbeat.connectorId, heartbeat);
    return batch.written.promise;
  }

  announce(connectorId: number, datapoints: readonly Announced[]): Promise<void> {
    const batch = this.#batch();
    batch.announcements.push({ connectorId, datapoints });
    return batch.written.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running;
  }

  #batch(): Batch {
    this.#next ??= {
      logs: [],
      heartbeats: new Map(),
      announcements: [],
      written: Promise.withResolvers<void>(),
    };
    this.#running ??= this.#run();
    return this.#next;
  }

  async #run(): Promise<void> {
    // What this turn of the event loop still brings goes with the first batch.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#next) {
      const batch = this.#next;
      this.#next = undefined;
      await this.#write(batch).then(batch.written.resolve, batch.written.reject);
    }
    // In the same turn as the last look, so that no batch falls in between.
    this.#running = undefined;
  }

  async #write(batch: Batch): Promise<void> {
    try {
      await this.#options.database.write((tx) => this.#store(tx, batch));
    } catch (error) {
      if (isPassing(error)) throw error;
      this.#options.log.warn(
        { error: messageOf(error) },
        "a batch of connector messages is written one by one",
      );
      await this.#writeSingly(batch);
    }
  }

  /** One message that the database refuses must not keep the others out, nor come again for ever. */
  async #writeSingly({ logs, heartbeats, announcements }: Batch): Promise<void> {
    for (const one of announcements) await this.#writeOne(one.connectorId, (tx) => this.#announce(tx, one));
    for (const one of heartbeats.values())
      await this.#writeOne(one.connectorId, (tx) => updateHeartbeats(tx, [one]));
    for (const one of logs) await this.#writeOne(one.connectorId, (tx) => insertLogs(tx, [one]));
  }

  async #writeOne(connectorId: number, write: (tx: Tx) => Promise<void>): Promise<void> {
    try {
      await this.#options.database.write(write);
    } catch (error) {
      if (isPassing(error)) throw error;
      this.#options.refused(connectorId, error);
    }
  }

  async #store(tx: Tx, { logs, heartbeats, announcements }: Batch): Promise<void> {
    const connectors = [logs, [...heartbeats.values()], announcements].flat().map((one) => one.connectorId);
    await lockConnectors(tx, connectors);
    for (const announcement of announcements) await this.#announce(tx, announcement);
    await updateHeartbeats(tx, [...heartbeats.values()]);
    if (logs.length > 0) await insertLogs(tx, logs);
  }

  /** Creates what is new, inactive, and keeps the newest example; what is missing from the message stays. */
  async #announce(tx: Tx, { connectorId, datapoints }: AnnouncedBy): Promise<void> {
    const present = await lockConnectors(tx, [connectorId]);
    if (!present.has(connectorId)) return;
    const known = new Map((await listByKey(tx, connectorId)).map((one) => [`${one.type} ${one.key}`, one]));
    const fresh = datapoints.filter(({ type, key }) => !known.has(`${type} ${key}`));
    const changed = datapoints.flatMap(({ type, key, example }) => {
      const old = known.get(`${type} ${key}`);
      return old && JSON.stringify(old.exampleValue) !== JSON.stringify(example)
        ? [{ id: old.id, example }]
        : [];
    });
    await updateExamples(tx, changed);
    if (fresh.length === 0) return;
    const { name } = await getConnector(tx, connectorId);
    const created = await insertDatapoints(
      tx,
      fresh.map(({ type, key, example }) => ({
        ...unknownDatapoint(connectorId, name),
        type,
        key,
        exampleValue: example,
      })),
    );
    const actor: Actor = { principalId: null, name, via: "mqtt", address: null, requestId: null };
    await this.#options.changes.record(
      tx,
      created.map((one) => datapointChange(actor, undefined, one)),
    );
  }
}

/** The database's trouble, not the message's: trying again later may help. */
const isPassing = (error: unknown): boolean => error instanceof Problem && error.status >= 500;

/** What is known of a datapoint that was only announced. */
export const unknownDatapoint = (
  connectorId: number,
  connector: string,
): Omit<NewDatapoint, "key" | "type"> => ({
  connectorId,
  connector,
  isActive: false,
  dataFormat: "unknown",
  shortName: null,
  description: "",
  unit: "",
  allowedValues: null,
  minValue: null,
  maxValue: null,
  exampleValue: null,
});
