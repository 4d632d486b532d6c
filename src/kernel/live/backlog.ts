import type { Subscriber } from "./subscriber.ts";
import type { EndReason } from "./transport.ts";

export interface BacklogLimits {
  /** What may wait for one client, bytes, … */
  readonly maxBacklog: number;
  /** … and for all together. */
  readonly maxTotalBacklog: number;
}

/** Ends those that do not take what is sent: nothing waits without bound. */
export function dropSlow(
  subscribers: Iterable<Subscriber>,
  { maxBacklog, maxTotalBacklog }: BacklogLimits,
  end: (subscriber: Subscriber, reason: EndReason, detail: string) => void,
): void {
  let total = 0;
  const behind: Subscriber[] = [];
  for (const subscriber of subscribers) {
    const { backlog } = subscriber.transport;
    if (backlog > maxBacklog) {
      end(subscriber, "slow", `More than ${maxBacklog} bytes wait for this client to take them.`);
      continue;
    }
    if (backlog > 0) behind.push(subscriber);
    total += backlog;
  }
  if (total <= maxTotalBacklog) return;
  behind.sort((a, b) => b.transport.backlog - a.transport.backlog);
  for (const subscriber of behind) {
    if (total <= maxTotalBacklog) return;
    total -= subscriber.transport.backlog;
    end(subscriber, "memory", "Too much waits for all clients together, and much of it for this one.");
  }
}
