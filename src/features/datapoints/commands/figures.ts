import { Counter, Gauge, Histogram } from "prom-client";
import type { Database } from "../../../kernel/database/engine.ts";
import type { Metrics } from "../../../kernel/observe/metrics.ts";
import { type Command, finalStates, openStates } from "./model.ts";
import { countOpen } from "./store.ts";

/** What the metrics say of commands. Ends are counted by the node that wrote them down. */
export class CommandFigures {
  readonly #ended: Counter<"kind" | "state">;
  readonly #confirmation: Histogram;

  constructor(metrics: Metrics, database: Database) {
    this.#ended = new Counter({
      name: "busbar_commands_total",
      help: "Commands to actuators, by how they ended",
      labelNames: ["kind", "state"],
      registers: [metrics],
    });
    for (const state of finalStates) this.#ended.inc({ kind: "value", state }, 0);
    this.#confirmation = new Histogram({
      name: "busbar_command_confirmation_seconds",
      help: "From the publication of a command until it was read back",
      buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800],
      registers: [metrics],
    });
    new Gauge({
      name: "busbar_commands_open",
      help: "Commands that have not ended, on all nodes",
      labelNames: ["state"],
      registers: [metrics],
      async collect() {
        const counts = await countOpen(database.read);
        for (const state of openStates) this.set({ state }, counts.get(state) ?? 0);
      },
    });
  }

  ended(commands: readonly Command[]): void {
    for (const { kind, state, publishedAt, finishedAt } of commands) {
      this.#ended.inc({ kind, state });
      if (state === "confirmed" && publishedAt !== null && finishedAt !== null)
        this.#confirmation.observe(Math.max(0, finishedAt - publishedAt) / 1000);
    }
  }
}
