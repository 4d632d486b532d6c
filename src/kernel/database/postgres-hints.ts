import { randomUUID } from "node:crypto";
import pg from "pg";
import { messageOf } from "../errors.ts";
import type { Log } from "../observe/log.ts";
import type { Hints, PostgresConnection } from "./engine.ts";
import { Peers } from "./peers.ts";
import { clientSettings } from "./postgres-settings.ts";

export const hintChannel = "busbar_hints";

const firstDelay = 500;
const longestDelay = 30_000;
/** Words of the same topic in such a stretch are told as one. */
const quietMillis = 50;
const beatMillis = 10_000;

/** Nodes say these of themselves; every other word is a topic. */
const hello = "hello";
const here = "here";
const gone = "gone";
const ofThemselves: readonly string[] = [hello, here, gone];

/**
 * A connection over which nodes tell each other that there is something to read. It is opened with the first topic and
 * comes back by itself; while it is away, and for a word that gets lost, whoever listens looks by himself now and
 * then. A node that is alone says nothing but, every ten seconds, that it is there.
 */
export class PostgresHints implements Hints, AsyncDisposable {
  readonly #connection: PostgresConnection;
  readonly #log: Log;
  readonly #node = randomUUID();
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #peers = new Peers(3 * beatMillis);
  /** Waits for the end of the quiet stretch. */
  readonly #words = new Set<string>();
  /** Topics that nobody was there to hear of, or no connection to tell them over. */
  readonly #untold = new Set<string>();
  #quiet: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  #flushAgain = false;
  #beat: NodeJS.Timeout | undefined;
  #client: pg.Client | undefined;
  #connected = false;
  #connecting: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #delay = firstDelay;
  #closed = false;

  constructor(connection: PostgresConnection, log: Log) {
    this.#connection = connection;
    this.#log = log;
  }

  async listen(topic: string, onHint: () => void): Promise<() => void> {
    // A function of its own, so that the same may be given twice.
    const own = () => onHint();
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners.add(own));
    this.#beat ??= setInterval(() => this.#say(here), beatMillis).unref();
    const late = this.#connected;
    this.#connecting ??= this.#connect();
    await this.#connecting;
    if (late) own();
    return () => listeners.delete(own);
  }

  tell(topic: string): void {
    if (this.#peers.any) this.#say(topic);
    else this.#untold.add(topic);
  }

  flush(): void {
    if (this.#words.size === 0 || this.#closed) return;
    if (this.#sending) {
      this.#flushAgain = true;
      return;
    }
    const words = [...this.#words];
    this.#words.clear();
    if (this.#client && this.#connected) this.#sending = this.#sendInTurn(this.#client, words);
    else for (const word of words) if (!ofThemselves.includes(word)) this.#untold.add(word);
  }

  /** At once where nothing was said lately, and with all that is said in the same turn. */
  #say(word: string): void {
    this.#words.add(word);
    if (this.#quiet || this.#closed) return;
    setImmediate(() => this.flush());
    this.#quiet = setTimeout(() => {
      this.#quiet = undefined;
      const [next] = this.#words;
      if (next !== undefined) this.#say(next);
    }, quietMillis).unref();
  }

  async #sendInTurn(client: pg.Client, words: readonly string[]): Promise<void> {
    await this.#send(client, words);
    this.#sending = undefined;
    if (!this.#flushAgain) return;
    this.#flushAgain = false;
    this.flush();
  }

  /**
   * Never part of a transaction that writes: a NOTIFY inside it would make all committing transactions of the cluster
   * wait for each other.
   */
  async #send(client: pg.Client, words: readonly string[]): Promise<void> {
    const payloads = words.map((word) => `${this.#node} ${word}`);
    try {
      await client.query("select pg_notify($1, word) from unnest($2::text[]) as word", [
        hintChannel,
        payloads,
      ]);
    } catch (error) {
      this.#log.debug({ error: messageOf(error) }, "other nodes were not told; they will see by themselves");
    }
  }

  #hear(payload: string): void {
    const [node = "", word = ""] = payload.split(" ");
    if (node === this.#node || this.#closed) return;
    if (word === gone) {
      this.#peers.forget(node);
      return;
    }
    if (this.#peers.heard(node)) this.#tellUntold();
    if (word === hello) this.#say(here);
    else if (word !== here) this.#hint(word);
  }

  #hint(topic: string): void {
    for (const listener of this.#listeners.get(topic) ?? []) listener();
  }

  #tellUntold(): void {
    for (const topic of this.#untold) this.#say(topic);
    this.#untold.clear();
  }

  /** Resolves when the attempt is over, whether it worked or not. */
  async #connect(): Promise<void> {
    if (this.#closed) return;
    const client = new pg.Client(hintSettings(this.#connection));
    this.#client = client;
    let lost = false;
    const lose = (reason: string): void => {
      if (lost) return;
      lost = true;
      this.#reconnect(reason);
    };
    client.on("error", (error) => lose(error.message));
    client.on("end", () => lose("the connection ended"));
    client.on("notification", ({ payload }) => this.#hear(payload ?? ""));
    try {
      await client.connect();
      await client.query(`listen ${hintChannel}`);
    } catch (error) {
      return lose(messageOf(error));
    }
    this.#delay = firstDelay;
    this.#connected = true;
    this.#say(hello);
    if (this.#peers.any) this.#tellUntold();
    // Whatever was said while nobody listened.
    for (const topic of this.#listeners.keys()) this.#hint(topic);
  }

  #reconnect(reason: string): void {
    const client = this.#client;
    this.#client = undefined;
    this.#connected = false;
    client?.end().catch((error: unknown) => this.#log.debug({ error: messageOf(error) }, "while closing"));
    if (this.#closed) return;
    this.#log.warn({ reason, retryMillis: this.#delay }, "no word of other nodes; they are polled");
    this.#retry = setTimeout(() => void this.#connect(), this.#delay).unref();
    this.#delay = Math.min(this.#delay * 2, longestDelay);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearInterval(this.#beat);
    clearTimeout(this.#quiet);
    clearTimeout(this.#retry);
    await this.#connecting;
    await this.#sending;
    const client = this.#client;
    if (client && this.#connected) await this.#send(client, [gone]);
    await client?.end();
  }
}

/** A lost word is no loss: nobody waits for the disk. */
const hintSettings = (connection: PostgresConnection): pg.ClientConfig => {
  const settings = clientSettings(connection);
  return { ...settings, options: `${settings.options} -c synchronous_commit=off` };
};
