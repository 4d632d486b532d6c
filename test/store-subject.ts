import type { Database } from "../src/kernel/database/engine.ts";
import type { LogStructuredStore } from "../src/kernel/timeseries/log-structured-store.ts";
import { type OpenOptions, timeseriesMigrations } from "../src/kernel/timeseries/open.ts";
import type { StreamId } from "../src/kernel/timeseries/types.ts";
import type { TestEngine } from "./engines.ts";
import { createStreams, openStore } from "./store.ts";

/** A store under test with some streams, which can be closed and opened again, and any stream replaced by a new one. */
export class StoreSubject {
  readonly #engine: TestEngine;
  readonly #options: OpenOptions;
  database: Database;
  store: LogStructuredStore;
  readonly ids: StreamId[] = [];
  #created = 0;

  private constructor(
    engine: TestEngine,
    options: OpenOptions,
    database: Database,
    store: LogStructuredStore,
  ) {
    this.#engine = engine;
    this.#options = options;
    this.database = database;
    this.store = store;
  }

  static async open(engine: TestEngine, options: OpenOptions, streams: number): Promise<StoreSubject> {
    const database = await engine.open({ migrations: timeseriesMigrations });
    const subject = new StoreSubject(engine, options, database, await openStore(database, options));
    for (let i = 0; i < streams; i++) subject.ids.push(await subject.#create());
    return subject;
  }

  /** The id of the stream at this place; 0, which none has, where there is no such place. */
  id(place: number): StreamId {
    return this.ids[place] ?? 0;
  }

  /** Removes the stream and puts a new one in its place. @returns the id of the one that is gone */
  async replace(place: number): Promise<StreamId> {
    const gone = this.id(place);
    await this.database.write((tx) => this.store.dropStreams(tx, [gone]));
    this.ids[place] = await this.#create();
    return gone;
  }

  async reopen(): Promise<void> {
    await this.close();
    this.database = await this.#engine.reopen(this.database);
    this.store = await openStore(this.database, this.#options);
  }

  async close(): Promise<void> {
    await this.store[Symbol.asyncDispose]();
    await this.database[Symbol.asyncDispose]();
  }

  async discard(): Promise<void> {
    await this.close();
    await this.#engine.discard(this.database);
  }

  async #create(): Promise<StreamId> {
    const [id] = await createStreams(this.database, this.store, [`s${this.#created++}`]);
    return id ?? 0;
  }
}
