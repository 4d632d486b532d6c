import type { Database } from "../../../kernel/database/engine.ts";
import { messageOf, Problem } from "../../../kernel/errors.ts";
import type { MqttLink } from "../../../kernel/mqtt/link.ts";
import type { Log } from "../../../kernel/observe/log.ts";
import type { Clock } from "../../../kernel/time.ts";
import type { TimeSeries } from "../../../kernel/timeseries/store.ts";
import type { Point } from "../../../kernel/timeseries/types.ts";
import type { Figures } from "../figures.ts";
import { messageTopic } from "../model.ts";
import { findDatapoint } from "../store.ts";
import { type Acceptance, brokerPatience } from "./acceptance.ts";
import type { Guard, Refusal } from "./guard.ts";
import { findGuard } from "./guard-store.ts";
import type { Ledger } from "./ledger.ts";
import type { Command, Order } from "./model.ts";

/** A broker that takes longer than this to acknowledge a command is worth a note of its own. */
const slowMillis = 250;

export interface CommandsOptions {
  readonly database: Database;
  readonly timeseries: TimeSeries;
  readonly link: MqttLink;
  readonly ledger: Ledger;
  /** Of the feature: what was published, by connector. */
  readonly messages: Figures;
  readonly clock: Clock;
  readonly log: Log;
  /** Path of a command. */
  readonly pathOf: (id: number) => string;
}

/** Names the command in each answer that is about one. */
export const commandHeader = "busbar-command";

/** The one way out to actuators. */
export class Commands {
  readonly #options: CommandsOptions;

  constructor(options: CommandsOptions) {
    this.#options = options;
  }

  /** For the header of an answer. */
  pathOf(id: number): string {
    return this.#options.pathOf(id);
  }

  /**
   * Checks the order against the actuator's guard rails, writes it down and publishes it; whatever happens is written
   * down, too. Resolves when the broker has the message and that is durable. The caller has checked datapoint and value.
   * @throws Problem `guard-rail`: nothing was published; `broker-unavailable`: it may have been. Both name the command
   */
  async send(order: Order): Promise<Command> {
    const { database, ledger } = this.#options;
    const guard = await findGuard(database.read, order.datapoint.id);
    const seen = guard && (await this.#seen(order, guard));
    const acceptance = await ledger.accept({
      order,
      seen,
      isGuarded: guard !== undefined,
      isSafeValue: false,
    });
    if (acceptance.refusal) throw this.#refused(acceptance.command, acceptance.refusal, order);
    return this.publish(order, acceptance);
  }

  /** Sends what has been accepted. @throws Problem `broker-unavailable` */
  async publish(order: Order, { command, expires }: Acceptance): Promise<Command> {
    const { link, ledger, clock, messages } = this.#options;
    const { id } = command;
    const { datapoint, kind, payload } = order;
    const wasConnected = link.status.connected;
    const publishedAt = clock.now();
    const patience = new AbortController();
    const slow = setTimeout(() => this.#note(id, publishedAt), slowMillis);
    const end = setTimeout(() => patience.abort(), brokerPatience);
    try {
      const topic = messageTopic(datapoint.connector, datapoint.id, kind);
      // A controller that comes later must find what is in force; a value is an order for now.
      const retain = kind !== "value";
      await link.publish({ topic, payload, qos: 1, retain, withdraw: patience.signal });
    } catch (error) {
      const reason = messageOf(error);
      const at = clock.now();
      await ledger.failed({ id, at, reason, publishedAt: wasConnected ? publishedAt : null });
      throw error instanceof Problem ? this.#failed(id, reason, error) : error;
    } finally {
      clearTimeout(slow);
      clearTimeout(end);
    }
    messages.of(datapoint.connector).published[`messages/+/${kind}`] += 1;
    const taken = await ledger.taken(
      { id, datapoint: datapoint.id, publishedAt, takenAt: clock.now() },
      expires,
    );
    if (taken) return taken;
    throw this.#failed(id, "The broker took it so late that the command had been given up.");
  }

  #note(id: number, publishedAt: number): void {
    const { ledger, log } = this.#options;
    ledger.published(id, publishedAt).catch((error: unknown) => {
      log.debug({ command: id, error: messageOf(error) }, "a publication was not noted");
    });
  }

  /** Asked for only where a rule needs it. */
  async #seen({ datapoint, kind }: Order, guard: Guard): Promise<Point | undefined> {
    const { database, timeseries } = this.#options;
    if (kind !== "value" || guard.maxRate === null) return undefined;
    const stream = (await findDatapoint(database.read, datapoint.id))?.streams.value ?? null;
    return stream === null ? undefined : (await timeseries.latest([stream]))[0];
  }

  #refused({ id }: Command, { rule, detail, retryAfter }: Refusal, { kind }: Order): Problem {
    return new Problem("guard-rail", {
      detail: `${kind}: ${detail} Nothing was sent.`,
      errors: [{ pointer: `/${kind}`, detail: `${rule}: ${detail}` }],
      fields: { [kind]: [detail] },
      headers: {
        [commandHeader]: this.pathOf(id),
        ...(retryAfter === undefined ? {} : { "retry-after": String(Math.ceil(retryAfter / 1000)) }),
      },
    });
  }

  #failed(id: number, detail: string, cause?: Problem): Problem {
    return new Problem(cause?.code ?? "broker-unavailable", {
      detail,
      headers: { ...cause?.headers, [commandHeader]: this.pathOf(id) },
      ...(cause ? { cause } : {}),
    });
  }
}
