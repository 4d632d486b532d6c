import pg from "pg";
import type { PostgresConnection } from "../database/engine.ts";
import { clientSettings } from "../database/postgres.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../observe/log.ts";

export const channel = "busbar_changes";

const firstDelay = 500;
const longestDelay = 30_000;

/**
 * A connection that listens for other nodes' word that there is something to read. It comes back by itself; while it
 * is away, and for a word that gets lost, the regular look finds the changes a little later.
 */
export class PostgresHints implements AsyncDisposable {
  readonly #connection: PostgresConnection;
  readonly #log: Log;
  readonly #onHint: (sender: string) => void;
  #client: pg.Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  #delay = firstDelay;
  #closed = false;

  constructor(connection: PostgresConnection, log: Log, onHint: (sender: string) => void) {
    this.#connection = connection;
    this.#log = log;
    this.#onHint = onHint;
  }

  /** Resolves when the first attempt is over, whether it worked or not. */
  async connect(): Promise<void> {
    if (this.#closed) return;
    const client = new pg.Client(clientSettings(this.#connection));
    this.#client = client;
    let lost = false;
    const lose = (reason: string): void => {
      if (lost) return;
      lost = true;
      this.#retry(reason);
    };
    client.on("error", (error) => lose(error.message));
    client.on("end", () => lose("the connection ended"));
    client.on("notification", ({ payload }) => this.#onHint(payload ?? ""));
    try {
      await client.connect();
      await client.query(`listen ${channel}`);
      this.#delay = firstDelay;
      // Whatever was said while nobody listened.
      this.#onHint("");
    } catch (error) {
      lose(messageOf(error));
    }
  }

  #retry(reason: string): void {
    const client = this.#client;
    this.#client = undefined;
    client?.end().catch((error: unknown) => this.#log.debug({ error: messageOf(error) }, "while closing"));
    if (this.#closed) return;
    this.#log.warn(
      { reason, retryMillis: this.#delay },
      "no word of other nodes' changes; they are polled for",
    );
    this.#timer = setTimeout(() => void this.connect(), this.#delay);
    this.#timer.unref();
    this.#delay = Math.min(this.#delay * 2, longestDelay);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#client?.end();
  }
}
