import type { Tx } from "../../../kernel/database/engine.ts";
import type { Millis } from "../../../kernel/time.ts";
import { millisFromMicros } from "../../../kernel/time.ts";
import type { Point } from "../../../kernel/timeseries/types.ts";
import {
  type Guard,
  intervalRefusal,
  limitRefusal,
  numbersIn,
  type Refusal,
  rateRefusal,
  type Written,
} from "./guard.ts";
import { armExpiry, lockGuards } from "./guard-store.ts";
import type { Command, Order } from "./model.ts";
import { insertCommands, lastWritten } from "./store.ts";

/** How long the broker may take to acknowledge a command. */
export const brokerPatience: Millis = 10_000;
/** After that long the sender would have said so: it is gone, or has lost its database. */
const lookAfter: Millis = brokerPatience + 5_000;

export interface Request {
  readonly order: Order;
  /** The newest value on the actuator's topic, by whomever. */
  readonly seen: Point | undefined;
  /** Whether the actuator has guard rails, as far as the sender knows: those without are not locked. */
  readonly isGuarded: boolean;
  /** The server's own safe value: only a guard's limits hold for it, and they were checked with the guard. */
  readonly isSafeValue: boolean;
}

export interface Acceptance {
  readonly command: Command;
  readonly refusal: Refusal | undefined;
  /** Whether the value expires. */
  readonly expires: boolean;
}

/** What a guard's rules compare with. */
type Last = Written & { readonly timestamp: Millis };

/**
 * Writes each down as accepted or refused, in the order given. Guards are locked: whatever another node accepts for the
 * same datapoint comes before or after all of this.
 */
export async function acceptAll(
  tx: Tx,
  requests: readonly Request[],
  now: Millis,
): Promise<readonly Acceptance[]> {
  const guards = await lockGuards(
    tx,
    requests.filter(({ isGuarded }) => isGuarded).map(({ order }) => order.datapoint.id),
  );
  const lasts = new Map<string, Last>();
  const judged: { request: Request; guard: Guard | undefined; refusal: Refusal | undefined }[] = [];
  for (const request of requests) {
    const { datapoint, kind, point } = request.order;
    const guard = guards.get(datapoint.id);
    const refusal = guard && !request.isSafeValue ? await judge(tx, guard, request, lasts, now) : undefined;
    if (guard && !refusal)
      lasts.set(`${datapoint.id} ${kind}`, {
        at: now,
        value: point.value,
        timestamp: millisFromMicros(point.time),
      });
    judged.push({ request, guard, refusal });
  }
  const commands = await insertCommands(
    tx,
    judged.map(({ request, guard, refusal }) => ({
      command: newCommand(request, guard, refusal, now),
      due: refusal ? null : now + lookAfter,
    })),
  );
  const accepted: Acceptance[] = [];
  for (const [index, { guard, refusal }] of judged.entries()) {
    const command = commands[index];
    if (!command) throw new Error("a command was not inserted");
    const expiry = command.kind === "value" && !command.isSafeValue && !refusal ? guard?.expiry : null;
    if (expiry) await armExpiry(tx, command.datapoint, now + expiry.after, command.id);
    accepted.push({ command, refusal, expires: Boolean(expiry) });
  }
  return accepted;
}

async function judge(
  tx: Tx,
  guard: Guard,
  { order, seen }: Request,
  lasts: ReadonlyMap<string, Last>,
  now: Millis,
): Promise<Refusal | undefined> {
  const { datapoint, kind, point, payload } = order;
  const outside = limitRefusal(guard, numbersIn(kind, payload));
  if (outside) return outside;
  if (guard.maxRate === null && guard.minInterval === null) return undefined;
  const last = lasts.get(`${datapoint.id} ${kind}`) ?? (await lastWritten(tx, datapoint.id, kind));
  const early = last && intervalRefusal(guard, last.at, now);
  if (early || kind !== "value") return early;
  const before = baseOf(last, seen, now);
  return before && rateRefusal(guard, before, point.value, now);
}

/** The newer of what we wrote and what was seen; our own value that came back says nothing new. */
function baseOf(last: Last | undefined, seen: Point | undefined, now: Millis): Written | undefined {
  if (!seen) return last;
  const time = millisFromMicros(seen.time);
  if (last && (time <= last.at || time === last.timestamp)) return last;
  return { at: Math.min(time, now), value: seen.value };
}

function newCommand(
  { order, isSafeValue }: Request,
  guard: Guard | undefined,
  refusal: Refusal | undefined,
  now: Millis,
): Omit<Command, "id"> {
  const { datapoint, kind, payload, point, actor } = order;
  return {
    datapoint: datapoint.id,
    connectorId: datapoint.connectorId,
    kind,
    payload,
    timestamp: millisFromMicros(point.time),
    state: refusal ? "refused" : "accepted",
    reason: refusal?.detail ?? null,
    actor,
    isSafeValue,
    acceptedAt: now,
    publishedAt: null,
    takenAt: null,
    finishedAt: refusal ? now : null,
    deadline: null,
    // A setpoint or schedule says what shall be, to a controller: no single value tells whether it was heard.
    feedback: kind === "value" ? (guard?.feedback ?? null) : null,
    readBack: null,
    supersededBy: null,
  };
}
