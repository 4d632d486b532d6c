/** What should become of commands, said plainly: all of it in memory, one thing after the other. */

export interface ModelGuard {
  readonly min?: number;
  readonly max?: number;
  /** Units per second. */
  readonly max_rate?: number;
  /** Seconds. */
  readonly min_interval?: number;
  readonly feedback?: { readonly datapoint: number; readonly tolerance: number; readonly deadline: number };
  readonly expiry?: { readonly after: number; readonly value: string };
}

export interface ModelCommand {
  id: number;
  readonly value: number;
  readonly at: number;
  readonly feedback: ModelGuard["feedback"];
  state: string;
  written: boolean;
  deadline: number;
}

interface Seen {
  readonly time: number;
  readonly value: number;
}

export type Broker = "up" | "away" | "cut";

const patience = 15_000;
const latestHorizon = 300_000;

export class ModelActuator {
  guard: ModelGuard | undefined;
  readonly commands: ModelCommand[] = [];
  /** Times of the messages that reached the broker. */
  readonly wire: number[] = [];
  /** On its own topic, as stored. */
  readonly seen = new Map<number, number>();
  safeDue: number | undefined;
  #armedBy: ModelCommand | undefined;

  /** @returns the state the command has when the answer comes */
  write(value: number, now: number, broker: Broker): ModelCommand {
    const refused = this.#refuses(value, now);
    const command = this.#add(value, now, refused ? "refused" : "accepted");
    if (refused) return command;
    this.#arm(command, now);
    if (broker === "up") this.#take(command, now);
    else this.#fail(command, broker === "cut");
    return command;
  }

  /** The server dies before it notes anything. */
  orphan(value: number, now: number): ModelCommand {
    const refused = this.#refuses(value, now);
    const command = this.#add(value, now, refused ? "refused" : "accepted");
    if (!refused) this.#arm(command, now);
    return command;
  }

  /** A message of the feedback datapoint arrives. */
  hear(datapoint: number, { time, value }: Seen, now: number): void {
    for (const command of this.commands) {
      const { feedback, state, at, deadline } = command;
      if (state !== "taken" || feedback?.datapoint !== datapoint) continue;
      if (time < at - 1000 || now > deadline) continue;
      if (Math.abs(value - command.value) <= feedback.tolerance) command.state = "confirmed";
    }
  }

  /** The clock says `now`. `heard`: everything stored of the feedback datapoints. */
  settle(now: number, isConnected: boolean, heard: ReadonlyMap<number, readonly Seen[]>): void {
    for (const command of this.commands) {
      if (command.state === "accepted" && now >= command.at + patience) command.state = "failed";
      if (command.state === "taken" && now >= command.deadline) command.state = judge(command, heard);
    }
    const due = this.safeDue;
    if (due === undefined || due > now || !isConnected) return;
    if (this.commands.some(({ state }) => state === "accepted")) return;
    this.safeDue = undefined;
    this.#armedBy = undefined;
    const command = this.#add(Number(this.guard?.expiry?.value), now, "accepted");
    this.#take(command, now, true);
  }

  put(guard: ModelGuard | undefined): void {
    const before = this.guard?.expiry;
    const after = guard?.expiry;
    if (!before || !after) this.safeDue = undefined;
    else if (this.safeDue !== undefined) this.safeDue += (after.after - before.after) * 1000;
    if (this.safeDue === undefined) this.#armedBy = undefined;
    this.guard = guard;
  }

  #add(value: number, at: number, state: string): ModelCommand {
    const written = state !== "refused";
    const command = { id: 0, value, at, feedback: this.guard?.feedback, state, written, deadline: 0 };
    this.commands.push(command);
    return command;
  }

  #refuses(value: number, now: number): boolean {
    const { min, max, max_rate: rate, min_interval: interval } = this.guard ?? {};
    if (min !== undefined && value < min) return true;
    if (max !== undefined && value > max) return true;
    const last = this.commands.findLast(({ written }) => written);
    if (interval !== undefined && last && Math.max(0, now - last.at) < interval * 1000) return true;
    if (rate === undefined) return false;
    const latest = this.#latest(now);
    const isNews = latest && (!last || (latest.time > last.at && latest.time !== last.at));
    const base = isNews ? { at: Math.min(latest.time, now), value: latest.value } : last;
    if (!base) return false;
    return Math.abs(value - base.value) > (rate * Math.max(0, now - base.at)) / 1000;
  }

  #latest(now: number): Seen | undefined {
    const visible = [...this.seen.keys()].filter((time) => time <= now + latestHorizon);
    if (visible.length === 0) return undefined;
    const time = Math.max(...visible);
    return { time, value: this.seen.get(time) ?? 0 };
  }

  #arm(command: ModelCommand, now: number): void {
    if (!this.guard?.expiry || this.safeDue !== undefined) return;
    this.safeDue = now + this.guard.expiry.after * 1000;
    this.#armedBy = command;
  }

  #take(command: ModelCommand, now: number, isSafe = false): void {
    this.wire.push(command.at);
    this.seen.set(command.at, command.value);
    for (const other of this.commands) if (other.state === "taken") other.state = "superseded";
    command.state = command.feedback ? "taken" : "delivered";
    command.deadline = now + (command.feedback?.deadline ?? 0) * 1000;
    if (isSafe || !this.guard?.expiry) return;
    this.safeDue = now + this.guard.expiry.after * 1000;
    this.#armedBy = undefined;
  }

  #fail(command: ModelCommand, mayHaveArrived: boolean): void {
    command.state = "failed";
    command.written = mayHaveArrived;
    if (mayHaveArrived) this.wire.push(command.at);
    else if (this.#armedBy === command) {
      this.safeDue = undefined;
      this.#armedBy = undefined;
    }
  }
}

function judge(command: ModelCommand, heard: ReadonlyMap<number, readonly Seen[]>): string {
  const { feedback, at, deadline, value } = command;
  const messages = (heard.get(feedback?.datapoint ?? 0) ?? []).filter(
    ({ time }) => time >= at && time <= deadline,
  );
  if (messages.some((seen) => Math.abs(seen.value - value) <= (feedback?.tolerance ?? 0))) return "confirmed";
  return messages.length > 0 ? "diverged" : "expired";
}
