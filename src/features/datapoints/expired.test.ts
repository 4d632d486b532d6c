import { expect, test } from "vitest";
import { describeEachApp, startTestApp, type TestApp } from "../../../test/app.ts";
import { TestConnector } from "../../../test/connector.ts";
import { addConnector, announced, describeDatapoints, type Refusal } from "../../../test/datapoints.ts";
import { until } from "../../../test/until.ts";

/** Points that are older than their stream keeps, at both doors. */

const now = Date.UTC(2024, 0, 10, 12);
const clock = { now: () => now };
const day = 86_400_000;
const beginning = Date.UTC(2024, 0, 5);

const keepFiveDays = async (app: TestApp): Promise<void> => {
  await app.json("PUT", "/streams/retention/", { body: { default: "P5D", owners: {} } });
  await app.server.kernel.timeseries.retention.run();
};

describeEachApp("late messages", (kind) => {
  test("from before the horizon are counted and acknowledged, and the next ones are taken", async () => {
    await using app = await startTestApp({ ...kind, clock });
    await addConnector(app, "c");
    await using connector = await TestConnector.connect(app, "c");
    await connector.announce({ sensor: { a: 1 } });
    const [a] = await announced(app, "c", 1);
    await app.json("POST", "/datapoint/activate/", { body: { ids: [a?.id] } });
    await connector.map("the map", ({ sensor }) => "a" in sensor);
    const values = () => app.json<{ timestamp: number }[]>("GET", `/datapoint/${a?.id}/value/`);
    await until("the subscription", async () => {
      await connector.publish(`c/messages/${a?.id}/value`, { value: 0, timestamp: now - 1000 });
      return (await values()).length === 1;
    });
    await keepFiveDays(app);
    // Each promise resolves with the broker's acknowledgement of quality of service 1.
    for (const age of [9, 8, 7]) await connector.send("a", age, now - age * day);
    await connector.send("a", 1, now - day);
    await connector.send("a", 2, beginning);
    const stored = await until("the ones it keeps", async () => {
      const all = await values();
      return all.length === 3 ? all : undefined;
    });
    expect(stored.map(({ timestamp }) => timestamp)).toEqual([beginning, now - day, now - 1000]);
    const metric = await app.server.kernel.metrics
      .getSingleMetric("busbar_datapoints_malformed_messages_total")
      ?.get();
    expect(metric?.values.filter(({ labels }) => labels["reason"] === "expired")).toMatchObject([
      { value: 3, labels: { topic: "messages/+/value" } },
    ]);
    // Nothing is left for the broker to send again.
    await app.restart();
    await connector.send("a", 3, now);
    await until("a message after the restart", async () => (await values()).length === 4);
    const again = await app.server.kernel.metrics
      .getSingleMetric("busbar_datapoints_malformed_messages_total")
      ?.get();
    expect(again?.values.filter(({ labels }) => labels["reason"] === "expired")).toEqual([]);
  });
});

describeDatapoints("late values over REST", { clock }, (fixture) => {
  test("are refused by the item, with the beginning of what is kept, and counted", async () => {
    const id = await fixture.fresh();
    await fixture.put(id, [{ value: 1, timestamp: now }]);
    await keepFiveDays(fixture.app);
    const messages = [1, 6, 2, 7].map((age) => ({ value: age, timestamp: now - age * day }));
    const refusal = await fixture.refused("PUT", `/datapoint/${id}/value/`, messages);
    const rule = (date: string) => ({
      timestamp: [
        `${date}T12:00:00.000Z is before what the stream keeps, which begins at 2024-01-05T00:00:00.000Z.`,
      ],
    });
    expect(refusal.items).toEqual([{}, rule("2024-01-04"), {}, rule("2024-01-03")]);
    expect(refusal).toMatchObject({ type: expect.stringContaining("expired") });
    expect(await fixture.get(id)).toHaveLength(1);
    const one = await fixture.app.json<Refusal>("PUT", `/datapoint/${id}/value/${now - 6 * day}/`, {
      body: { value: 1, timestamp: now - 6 * day },
      status: 400,
    });
    expect(Object.keys(one.fields ?? {})).toEqual(["timestamp"]);
    await fixture.put(id, [{ value: 2, timestamp: beginning }]);
    expect(fixture.app.server.kernel.timeseries.stats().pointsExpired).toBeGreaterThanOrEqual(5);
  });
});
