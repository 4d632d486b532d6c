import { sql } from "kysely";
import pg from "pg";
import { expect, test } from "vitest";
import { describeOnPostgres } from "../../../test/engines.ts";
import { until } from "../../../test/until.ts";
import type { Database, Hints } from "./engine.ts";
import { hintChannel } from "./postgres-hints.ts";

const hintsOf = (database: Database): Hints => {
  if (!database.postgres) throw new Error("This is about PostgreSQL.");
  return database.postgres.hints;
};

async function count(database: Database, topic: string): Promise<() => number> {
  let heard = 0;
  await hintsOf(database).listen(topic, () => heard++);
  return () => heard;
}

/** Another node as the wire has it: hears every word, and says its own. */
class Ear implements AsyncDisposable {
  /** Without the id of the node. */
  readonly words: string[] = [];
  readonly #client: pg.Client;

  private constructor(client: pg.Client) {
    this.#client = client;
    client.on("notification", ({ payload = "" }) => {
      if (!payload.startsWith("ear ")) this.words.push(payload.split(" ")[1] ?? "");
    });
  }

  static async at(database: Database): Promise<Ear> {
    const client = new pg.Client(database.postgres?.connection);
    const ear = new Ear(client);
    await client.connect();
    await client.query(`listen ${hintChannel}`);
    return ear;
  }

  async say(word: string): Promise<void> {
    await this.#client.query("select pg_notify($1, $2)", [hintChannel, `ear ${word}`]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end();
  }
}

describeOnPostgres("hints between nodes", (engine) => {
  test("what one tells the other hears, what is told in one go but once, and nobody hears himself", async () => {
    await using left = await engine.open();
    await using right = await engine.reopen(left);
    const [here, there, other] = [
      await count(left, "a"),
      await count(right, "a"),
      await count(right, "barrier"),
    ];
    const atFirst = [here(), there(), other()];
    expect(atFirst).toEqual([1, 1, 1]);
    for (let i = 0; i < 1000; i++) hintsOf(left).tell("a");
    hintsOf(left).tell("barrier");
    await until("the barrier", () => other() > 1);
    expect([here(), there()]).toEqual([1, 2]);
  });

  test("one that is alone tells nobody, and makes up for it when another comes", async () => {
    await using database = await engine.open();
    await using ear = await Ear.at(database);
    await count(database, "a");
    await until("its first word", () => ear.words.length > 0);
    for (let i = 0; i < 3; i++) {
      hintsOf(database).tell("a");
      hintsOf(database).flush();
      await sql`select 1`.execute(database.read);
    }
    await ear.say("hello");
    await until("its answer", () => ear.words.length > 2);
    expect(ear.words).toEqual(["hello", "a", "here"]);
    await ear.say("gone");
    const heard = await count(database, "barrier");
    await ear.say("barrier");
    await until("it to have heard", () => heard() > 1);
    // By its word it is there again; the one before was of no use to anybody.
    expect(ear.words).toEqual(["hello", "a", "here"]);
    hintsOf(database).tell("a");
    await until("its word", () => ear.words.length > 3);
    expect(ear.words).toEqual(["hello", "a", "here", "a"]);
  });

  test("a connection that is lost comes back, and counts as word of everything", async () => {
    await using left = await engine.open();
    await using right = await engine.reopen(left);
    const heard = await count(right, "a");
    await sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and (query like 'listen %' or query like '%pg_notify%') and pid <> pg_backend_pid()`.execute(
      left.read,
    );
    await until("it to be back", () => heard() > 1);
    await count(left, "b");
    const before = heard();
    hintsOf(left).tell("a");
    await until("a word over the new one", () => heard() > before);
  });
});
