import { globSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { adminName, adminPassword, startTestApp, type TestApp } from "../../test/app.ts";
import { busbar, type Outcome } from "../../test/busbar.ts";
import { describeEachEngine, type TestEngine } from "../../test/engines.ts";
import { temporaryFolder } from "../../test/services/service.ts";
import { decompress } from "../backup/bzip2/decompress.ts";

const day = Date.parse("2026-01-01T00:00:00Z");
const item = (key: string, more: object = {}) => ({
  ...{ connector: { name: "house" }, key_in_connector: key, type: "sensor", data_format: "unknown" },
  ...more,
});

/** Whatever a server can hold of which a backup has lost something before. */
async function fill(app: TestApp): Promise<void> {
  const items = [
    item("numbers", {
      data_format: "generic_numeric",
      short_name: "No. 1",
      unit: "°C",
      description: "Fläche",
    }),
    item("texts", { data_format: "generic_text" }),
    item("twin"),
    item("twin", { type: "actuator", data_format: "discrete_numeric", allowed_values: [1, 2, null] }),
    item("anything"),
    item("beyond"),
    item("inactive", { data_format: "bool" }),
  ];
  const created = await app.json<{ id: number }[]>("POST", "/datapoint/", { body: items, status: 201 });
  const ids = created.map(({ id }) => id);
  await app.json("POST", "/connector/", { body: { name: "empty" }, status: 201 });
  await app.json("POST", "/datapoint/activate/", { body: { ids: ids.slice(0, -1) } });
  const values: readonly (readonly unknown[])[] = [
    [22.5, -0.1, 9007199254740991, null],
    ["21.5", "", "null", 'say "hi" – ☃'],
    [1, 2],
    [1, null],
    [[1, { a: "b" }], true, "x", 4.25],
    [5, 5000, "text"],
    [true, false],
  ];
  for (const [index, own] of values.entries()) {
    const body = own.flatMap((value, place) => [
      { value, timestamp: day + place * 3_600_000 },
      { value, timestamp: day + 86_400_000 - 1 - place },
      { value, timestamp: day + 86_400_000 + place },
    ]);
    await app.json("PUT", `/datapoint/${ids[index]}/value/?values=native`, { body });
  }
  const actuator = `/datapoint/${ids[3]}`;
  const interval = { from_timestamp: null, to_timestamp: day };
  const wished = { ...interval, preferred_value: "1", acceptable_values: ["1", "2"] };
  await app.json("PUT", `${actuator}/setpoint/`, {
    body: [
      { setpoint: [wished], timestamp: day },
      { setpoint: null, timestamp: day + 1 },
    ],
  });
  const planned = { schedule: [{ ...interval, value: "2" }], timestamp: day };
  await app.json("PUT", `${actuator}/schedule/`, { body: [planned] });
  const guard = { max: 2, feedback: { datapoint: ids[2], tolerance: 0, deadline: 5 } };
  await app.json("PUT", `${actuator}/guard/`, { body: guard, status: 201 });
  // The rules came after the values.
  const rules = { data_format: "continuous_numeric", min_value: 0, max_value: 10 };
  await app.json("PATCH", `/datapoint/${ids[5]}/`, { body: rules });
}

async function stateOf(app: TestApp) {
  type Row = { id: number; type: string; connector: { name: string }; topics?: unknown };
  const datapoints = await app.json<Row[]>("GET", "/datapoint/?is_active=all&detail=full");
  const connectors = await app.json<{ name: string }[]>("GET", "/connector/");
  const messages = datapoints.flatMap(({ id }) =>
    ["value", "setpoint", "schedule"].map((kind) => app.json("GET", `/datapoint/${id}/${kind}/`)),
  );
  const actuator = datapoints.find(({ type }) => type === "actuator");
  const guards = actuator ? [await app.json("GET", `/datapoint/${actuator.id}/guard/`)] : [];
  return {
    guards,
    connectors: connectors.map(({ name }) => name).sort(),
    datapoints: datapoints.map(({ id: _id, topics: _topics, ...rest }) => rest),
    messages: await Promise.all(messages),
  };
}

const run = (
  command: readonly string[],
  app: TestApp,
  folder: string,
  more: readonly string[] = [],
): Promise<Outcome> =>
  busbar(
    [
      ...command,
      ...["-t", `${app.url}/`, "-u", adminName, "-p", adminPassword, "-w", "2"],
      ...["-s", "2026-01-01", "-e", "2026-01-02", "-d", "files", ...more],
    ],
    { folder },
  );

const textOf = async (path: string): Promise<string> => {
  const parts = (async function* () {
    yield new Uint8Array(readFileSync(path));
  })();
  return Buffer.concat(await Array.fromAsync(decompress(parts))).toString();
};

const start = (engine: TestEngine): Promise<TestApp> => startTestApp({ engine });

describeEachEngine("backup and restore", (engine) => {
  it("bring everything from one server to another, empty one, and again", async () => {
    using folder = temporaryFolder();
    const files = join(folder.path, "files");
    mkdirSync(files);
    await using source = await start(engine);
    await fill(source);
    const saved = await run(["backup"], source, folder.path);
    expect(saved).toMatchObject({ code: 0, out: expect.stringContaining("6 active datapoints, 1 others.") });
    expect(`${saved.out}${saved.err}`).not.toContain(adminPassword);
    expect(await textOf(join(files, "2026-01-01", "dpdata_2_2026-01-01_value.json.bz2"))).toMatch(
      /^\[\n {4}\{\n {8}"value": "\\"21.5\\"",\n {8}"timestamp": 1767225600000\n {4}\},\n {4}\{/,
    );
    await using target = await start(engine);
    const restored = await run(["restore", "-y", "-f"], target, folder.path);
    expect(restored).toMatchObject({ code: 0, err: expect.not.stringContaining("refused") });
    expect(restored.out).toContain("The backup needs these connectors: ");
    expect(restored.out).toContain("msgs_created: 66, msgs_updated: 0");
    expect(await stateOf(target)).toEqual(await stateOf(source));
    expect(globSync("restore_progress*", { cwd: files })).toEqual([]);
    const again = await run(["restore", "-y", "-f"], target, folder.path);
    expect(again).toMatchObject({
      code: 0,
      out: expect.stringContaining("msgs_created: 0, msgs_updated: 66"),
    });
    expect(await stateOf(target)).toEqual(await stateOf(source));
  });

  it("leaves out files that are there, and creates nothing unless it is told to", async () => {
    using folder = temporaryFolder();
    const files = join(folder.path, "files");
    mkdirSync(files);
    await using source = await start(engine);
    await fill(source);
    await run(["backup"], source, folder.path);
    const file = join(files, "2026-01-02", "dpdata_1_2026-01-02_value.json.bz2");
    const { mtimeMs } = statSync(file);
    const again = await run(["simple_db_backup", "-b"], source, folder.path);
    expect(again).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^0 files written, \d+ were there already/m),
    });
    expect(statSync(file).mtimeMs).toBe(mtimeMs);
    await using target = await start(engine);
    const refused = await run(["simple_db_backup", "-r", "--yes"], target, folder.path);
    expect(refused.code).toBe(4);
    expect(refused.err).toContain("created only with --force-datapoint-creation");
    expect(await stateOf(target)).toEqual({ guards: [], connectors: [], datapoints: [], messages: [] });
  });
});
