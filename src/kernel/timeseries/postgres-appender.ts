import type pg from "pg";
import type { PostgresConnection } from "../database/engine.ts";
import { asProblem, isRetryable } from "../database/faults.ts";
import { Problem } from "../errors.ts";
import { bytesOf, connectClient } from "./postgres-sql.ts";
import type { LogWrite } from "./storage.ts";

const attempts = 5;

// One statement, so that the row of the head is locked for no longer than the commit takes.
const append = `
  with head as (update log_head set seq = seq + 1 where bucket = $1 returning seq)
  insert into log (bucket, seq, at, points, blob) select $1, head.seq, $2, $3, $4 from head returning seq`;

/** Writes the log over a connection of its own, which is opened again after a loss. */
export class PostgresAppender implements AsyncDisposable {
  readonly #connection: PostgresConnection;
  #client: Promise<pg.Client> | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(connection: PostgresConnection) {
    this.#connection = connection;
  }

  /**
   * Commits run one after another, in the order of asking.
   * @throws Problem `store-unavailable`: when the connection was lost meanwhile, the rows may be written or not
   */
  commit(rows: readonly LogWrite[], at: number): Promise<readonly number[]> {
    const done = this.#turn.then(() => this.#commit(rows, at));
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #commit(rows: readonly LogWrite[], at: number): Promise<readonly number[]> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#write(await this.#connected(), rows, at);
      } catch (error) {
        if (!isRetryable(error) || attempt === attempts) throw unknownOutcome(asProblem(error));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const client = await this.#client?.catch(() => undefined);
    this.#client = undefined;
    await client?.end().catch(() => undefined);
  }

  #connected(): Promise<pg.Client> {
    if (this.#client) return this.#client;
    const connecting = connectClient(this.#connection).then((client) => {
      const lost = () => {
        if (this.#client === connecting) this.#client = undefined;
      };
      client.on("error", lost);
      client.on("end", lost);
      return client;
    });
    this.#client = connecting;
    connecting.catch(() => {
      if (this.#client === connecting) this.#client = undefined;
    });
    return connecting;
  }

  async #write(client: pg.Client, rows: readonly LogWrite[], at: number): Promise<readonly number[]> {
    const insert = ({ bucket, points, blob }: LogWrite) =>
      client.query<{ seq: number }>({
        name: "append",
        text: append,
        values: [bucket, at, points, bytesOf(blob)],
      });
    const [only] = rows;
    if (rows.length === 1 && only) return seqsOf([await insert(only)]);
    await client.query("begin");
    try {
      const results: pg.QueryResult<{ seq: number }>[] = [];
      for (const row of rows) results.push(await insert(row));
      await client.query("commit");
      return seqsOf(results);
    } catch (error) {
      await client.query("rollback").catch(() => undefined);
      throw error;
    }
  }
}

const seqsOf = (results: readonly pg.QueryResult<{ seq: number }>[]): readonly number[] =>
  results.map(({ rows }) => rows[0]?.seq ?? 0);

/** A connection that is lost in the middle of a commit leaves open whether it took place. */
function unknownOutcome(error: unknown): unknown {
  if (!(error instanceof Problem && error.code === "store-unavailable")) return error;
  return new Problem("store-unavailable", {
    detail: "The database did not confirm that the points are stored; send them again.",
    headers: error.headers,
    cause: error,
  });
}
