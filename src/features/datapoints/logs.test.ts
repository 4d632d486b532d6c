import { expect, test } from "vitest";
import { describeEachApp, startTestApp } from "../../../test/app.ts";
import { TestConnector } from "../../../test/connector.ts";
import { addConnector, announced } from "../../../test/datapoints.ts";
import { until } from "../../../test/until.ts";

interface LogEntry {
  readonly id: number;
  readonly timestamp: number;
  readonly level: number;
  readonly emitter: string | null;
  readonly msg: string;
}

const t0 = 1_700_000_000_000;

describeEachApp("logs and discovery", (kind) => {
  test("logs are kept once each, newest first", async () => {
    await using app = await startTestApp(kind);
    const { id } = await addConnector(app, "c");
    await using connector = await TestConnector.connect(app, "c");
    const entries = [
      { timestamp: t0, msg: "start", emitter: "main", level: 20 },
      { timestamp: t0 + 2, msg: "no 100% yet", emitter: null, level: 30 },
      { timestamp: t0 + 1, msg: "odd \u0000 one", emitter: "main", level: 10 },
      { timestamp: t0 + 2, msg: "later", level: 40 },
    ];
    const logs = (query = "") => app.json<LogEntry[]>("GET", `/connector/${id}/logs/${query}`);
    for (const entry of [...entries, entries[0]]) await connector.log(entry, entry === entries[0]);
    await until("all logs", async () => (await logs()).length === 4);
    expect(
      (await logs()).map(({ timestamp, level, emitter, msg }) => [timestamp, level, emitter, msg]),
    ).toEqual([
      [t0 + 2, 40, null, "later"],
      [t0 + 2, 30, null, "no 100% yet"],
      [t0 + 1, 10, "main", "odd \ufffd one"],
      [t0, 20, "main", "start"],
    ]);
    const messages = async (query: string) => (await logs(query)).map(({ msg }) => msg);
    expect(await messages("?level=30")).toEqual(["no 100% yet"]);
    expect(await messages("?level__gte=30")).toEqual(["later", "no 100% yet"]);
    expect(await messages("?emitter=main")).toEqual(["odd \ufffd one", "start"]);
    expect(await messages("?msg__icontains=100%25")).toEqual(["no 100% yet"]);
    expect(await messages("?msg__icontains=%00&emitter=%00")).toEqual([]);
    const seen: string[] = [];
    let path: string | undefined = `/connector/${id}/logs/?limit=1`;
    while (path !== undefined) {
      const response: Response = await app.request("GET", path);
      seen.push(...((await response.json()) as LogEntry[]).map(({ msg }) => msg));
      path = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
    }
    expect(seen).toEqual(["later", "no 100% yet", "odd \ufffd one", "start"]);
    await app.json("GET", `/connector/${id}/logs/?level=x`, { status: 400 });
    await app.json("GET", "/connector/999/logs/", { status: 404 });
  });

  test("strangers on the broker are discovered until they are added", async () => {
    await using app = await startTestApp(kind);
    await using connector = await TestConnector.connect(app, "new-one");
    await connector.announce({ sensor: { a: 1, b: 2 }, actuator: { c: 1 } });
    await connector.heartbeat(Date.now(), Date.now() + 60_000);
    await connector.publish(" odd/heartbeat", { this_heartbeats_timestamp: 1, next_heartbeats_timestamp: 2 });
    interface Stranger {
      readonly name: string;
      readonly alive: boolean | null;
      readonly sensors: number | null;
    }
    const discovered = () => app.json<Stranger[]>("GET", "/connector/discovered/");
    const found = await until("both", async () => {
      const all = await discovered();
      return all.length === 2 && all.every(({ alive }) => alive !== null) ? all : undefined;
    });
    expect(found).toMatchObject([
      { name: " odd", alive: false, sensors: null, can_be_added: false },
      { name: "new-one", alive: true, sensors: 2, actuators: 1, can_be_added: true },
    ]);
    await addConnector(app, "new-one");
    expect((await discovered()).map(({ name }) => name)).toEqual([" odd"]);
    await announced(app, "new-one", 3);
  });
});
