import { expect, test } from "vitest";
import { describeEachApp, startTestApp } from "../../../test/app.ts";
import { TestConnector } from "../../../test/connector.ts";
import { addConnector, announced } from "../../../test/datapoints.ts";
import { until } from "../../../test/until.ts";

const t0 = 1_700_000_000_000;

describeEachApp("values from devices", (kind) => {
  test("any JSON value is kept with its type, and times with fractions to the millisecond", async () => {
    await using app = await startTestApp(kind);
    await addConnector(app, "c");
    await using connector = await TestConnector.connect(app, "c");
    await connector.announce({ sensor: { a: 1 } });
    const [a] = await announced(app, "c", 1);
    await app.json("POST", "/datapoint/activate/", { body: { ids: [a?.id] } });
    await connector.map("the map", ({ sensor }) => "a" in sensor);
    const topic = `c/messages/${a?.id}/value`;
    const texts = [
      "1",
      "-0",
      "2.5",
      "1e+100",
      "true",
      "null",
      '"21.5"',
      '"NaN"',
      '"-Infinity"',
      '[1,{"a":null}]',
      "{}",
      '""',
    ];
    const sent = texts.map(
      (text, index) => `{"timestamp":${t0 + index},"value":${text.replace(/^"(NaN|-Infinity)"$/, "$1")}}`,
    );
    await until("all of them", async () => {
      for (const payload of sent) await connector.publish(topic, payload);
      return (await app.json<object[]>("GET", `/datapoint/${a?.id}/value/`)).length === texts.length;
    });
    await connector.publish(topic, { value: "late", timestamp: t0 + 99.6 });
    const stored = await until("the fraction", async () => {
      const all = await app.json<{ value: string; timestamp: number }[]>("GET", `/datapoint/${a?.id}/value/`);
      return all.length === texts.length + 1 ? all : undefined;
    });
    expect(stored.map(({ value }) => value)).toEqual([...texts, '"late"']);
    expect(stored.at(-1)?.timestamp).toBe(t0 + 100);
  });

  test("the last value is the newest by its time; a replay never brings back what was deleted", async () => {
    await using app = await startTestApp(kind);
    await addConnector(app, "c");
    await using connector = await TestConnector.connect(app, "c");
    await connector.announce({ sensor: { a: 1 } });
    const [a] = await announced(app, "c", 1);
    const id = a?.id ?? 0;
    // Retained before anybody listens: it is news when the datapoint is activated.
    await connector.publish(`c/messages/${id}/value`, { value: 1, timestamp: t0 + 1000 }, true);
    await app.json("POST", "/datapoint/activate/", { body: { ids: [id] } });
    await connector.map("the map", ({ sensor }) => "a" in sensor);
    const last = async () =>
      (
        await app.json<{ msgs_by_datapoint_id: Record<string, { value: string }> }>(
          "GET",
          "/datapoint/last_value/",
        )
      ).msgs_by_datapoint_id[id]?.value;
    await until("the retained value", async () => (await last()) === "1");
    await connector.send("a", 2, t0 + 2000, true);
    await until("the newer value", async () => (await last()) === "2");
    await connector.send("a", 3, t0);
    await until(
      "the older value",
      async () => (await app.json<object[]>("GET", `/datapoint/${id}/value/`)).length === 3,
    );
    expect(await last()).toBe("2");
    await app.json("DELETE", `/datapoint/${id}/value/${t0 + 2000}/`, { status: 204 });
    expect(await last()).toBe("1");
    // Subscribed anew, the broker replays the deleted one.
    await app.json("POST", "/datapoint/deactivate/", { body: { ids: [id] } });
    await app.json("POST", "/datapoint/activate/", { body: { ids: [id] } });
    const replayed = async () =>
      (await app.server.kernel.metrics.getSingleMetric("busbar_datapoints_replayed_messages_total")?.get())
        ?.values[0]?.value ?? 0;
    await until("the replay", async () => (await replayed()) > 0);
    expect(await last()).toBe("1");
  });
});
