import type pg from "pg";
import type { PostgresConnection } from "../database/engine.ts";
import { asProblem, isRetryable } from "../database/faults.ts";
import { Problem } from "../errors.ts";
import { bytesOf, connectClient } from "./postgres-sql.ts";
import type { LogWrite, Recheck } from "./storage.ts";

const attempts = 5;

// One statement, so that the row of the head is locked for no longer than the commit takes. It writes nothing where
// horizons have moved since the points were checked.
const append = `
  with head as (update log_head set seq = seq + 1 where bucket = $1 and horizons = $5 returning seq)
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
  commit(rows: readonly LogWrite[], at: number, recheck: Recheck): Promise<readonly number[]> {
    const done = this.#turn.then(() => this.#commit(rows, at, recheck));
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #commit(checked: readonly LogWrite[], at: number, recheck: Recheck): Promise<readonly number[]> {
    let rows = checked;
    for (let attempt = 1; ; attempt++) {
      try {
        const seqs = await this.#write(await this.#connected(), rows, at);
        if (seqs) return seqs;
        rows = await recheck(rows);
        attempt = 0;
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

  /** @returns undefined when horizons have moved: then nothing is written */
  async #write(
    client: pg.Client,
    rows: readonly LogWrite[],
    at: number,
  ): Promise<readonly number[] | undefined> {
    const insert = async ({ bucket, points, blob, horizons }: LogWrite) => {
      const values = [bucket, at, points, bytesOf(blob), horizons];
      const result = await client.query<{ seq: number }>({ name: "append", text: append, values });
      return result.rows[0]?.seq;
    };
    const [only] = rows;
    if (rows.length === 1 && only) {
      const seq = await insert(only);
      return seq === undefined ? undefined : [seq];
    }
    await client.query("begin");
    try {
      const seqs: number[] = [];
      for (const row of rows) {
        const seq = await insert(row);
        if (seq === undefined) {
          await client.query("rollback");
          return undefined;
        }
        seqs.push(seq);
      }
      await client.query("commit");
      return seqs;
    } catch (error) {
      await client.query("rollback").catch(() => undefined);
      throw error;
    }
  }
}

/** A connection that is lost in the middle of a commit leaves open whether it took place. */
function unknownOutcome(error: unknown): unknown {
  if (!(error instanceof Problem && error.code === "store-unavailable")) return error;
  return new Problem("store-unavailable", {
    detail: "The database did not confirm that the points are stored; send them again.",
    headers: error.headers,
    cause: error,
  });
}
