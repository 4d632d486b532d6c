import { serverActor } from "../../../kernel/changes/actor.ts";
import type { ChangeLog } from "../../../kernel/changes/changes.ts";
import { afterCommit, type Database } from "../../../kernel/database/engine.ts";
import { messageOf } from "../../../kernel/errors.ts";
import type { Log } from "../../../kernel/observe/log.ts";
import { type Clock, microsFromMillis } from "../../../kernel/time.ts";
import { messageText } from "../message-texts.ts";
import { findDatapoint } from "../store.ts";
import { type Acceptance, acceptAll } from "./acceptance.ts";
import { firstStep } from "./events.ts";
import { claimExpiry, lockGuards } from "./guard-store.ts";
import type { Order } from "./model.ts";
import type { Commands } from "./service.ts";
import type { StepNews } from "./step-news.ts";
import { hasUnderWay } from "./store.ts";

export interface SafeValuesOptions {
  readonly database: Database;
  readonly changes: ChangeLog;
  readonly commands: Commands;
  readonly news: StepNews;
  readonly clock: Clock;
  readonly log: Log;
}

/** Sends what a guard rail says when nothing newer came in time. */
export class SafeValues {
  readonly #options: SafeValuesOptions;

  constructor(options: SafeValuesOptions) {
    this.#options = options;
  }

  /** If it is still due, and nobody else has claimed it. A failure is written down, and makes it due again. */
  async send(datapoint: number): Promise<void> {
    const { commands, log } = this.#options;
    const claimed = await this.#claim(datapoint);
    if (!claimed) return;
    const { order, acceptance } = claimed;
    try {
      const { id } = await commands.publish(order, acceptance);
      log.info({ datapoint, command: id }, "the safe value was sent: nothing newer had come in time");
    } catch (error) {
      log.warn({ datapoint, error: messageOf(error) }, "a safe value could not be sent; trying again");
    }
  }

  /** Claim and command in one transaction: a crash behind it leaves a command which fails, and is made due again. */
  #claim(id: number): Promise<{ readonly order: Order; readonly acceptance: Acceptance } | undefined> {
    const { database, changes, news, clock } = this.#options;
    return database.write(async (tx) => {
      const expiry = (await lockGuards(tx, [id])).get(id)?.expiry;
      const now = clock.now();
      // A value on its way was there in time; when it has come or failed, the expiry is set anew.
      if (!expiry || (await hasUnderWay(tx, id)) || !(await claimExpiry(tx, id, now))) return undefined;
      const datapoint = await findDatapoint(tx, id);
      if (!datapoint) return undefined;
      const point = { time: microsFromMillis(now), value: expiry.value };
      const actor = serverActor("safe value");
      const order: Order = {
        datapoint,
        kind: "value",
        point,
        payload: messageText("value", point, "native"),
        actor,
      };
      const [acceptance] = await acceptAll(
        tx,
        [{ order, seen: undefined, isGuarded: true, isSafeValue: true }],
        now,
      );
      if (!acceptance) return undefined;
      await changes.record(tx, [firstStep(acceptance.command)]);
      afterCommit(tx, () => news.tell([acceptance.command]));
      return { order, acceptance };
    });
  }
}
