import { CompiledQuery, sql } from "kysely";
import { expect, test } from "vitest";
import { describeEachEngine } from "../../../test/engines.ts";
import { datapoints } from "./index.ts";
import { activeStreamsQuery, routedQuery } from "./store.ts";

describeEachEngine("what every start reads of datapoints", (engine) => {
  test("is found by an index of the active ones alone", async () => {
    await using database = await engine.open({ migrations: datapoints.migrations });
    const plans = await database.write(async (tx) => {
      if (engine.name === "postgres") await sql`set local enable_seqscan = off`.execute(tx);
      const explain = engine.name === "postgres" ? "explain" : "explain query plan";
      const found: string[] = [];
      for (const query of [routedQuery(tx, 1), activeStreamsQuery(tx, "value")]) {
        const { sql: text, parameters } = query.compile();
        const plan = await tx.executeQuery(CompiledQuery.raw(`${explain} ${text}`, [...parameters]));
        found.push(JSON.stringify(plan.rows));
      }
      return found;
    });
    // Which of the two is a matter of how many rows there are.
    for (const plan of plans) expect(plan).toContain("datapoints_active");
  });
});
