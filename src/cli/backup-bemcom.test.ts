import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { globSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startTestApp, type TestApp } from "../../test/app.ts";
import { Bemcom, type BemcomDatapoint, type BemcomOptions, bemcomUser } from "../../test/bemcom.ts";
import { busbar, type Outcome } from "../../test/busbar.ts";
import { temporaryFolder } from "../../test/services/service.ts";
import { until } from "../../test/until.ts";
import { decompress } from "../backup/bzip2/decompress.ts";

const root = new URL("../../", import.meta.url).pathname;
const day = Date.parse("2026-01-01T00:00:00Z");

const fieldsOf = (id: number, connector: unknown, more: object) => ({
  ...{ id, connector, key_in_connector: `k${id}`, type: "sensor", data_format: "generic_numeric" },
  ...{ short_name: null, description: "", min_value: null, max_value: null, allowed_values: null, unit: "" },
  ...more,
});

/** As version 0.8.6 answers: connectors are objects, values JSON text, and texts like 21.5 have become numbers. */
const head: readonly BemcomDatapoint[] = [
  {
    fields: fieldsOf(3, { name: "house" }, { short_name: "Température", unit: "°C" }),
    messages: {
      value: [
        { timestamp: day, value: "22.0" },
        { timestamp: day + 1, value: "null" },
      ],
    },
  },
  {
    fields: fieldsOf(4, { name: "house" }, { type: "actuator", data_format: "generic_text" }),
    messages: {
      value: [
        { timestamp: day, value: "21.5" },
        { timestamp: day + 2, value: '"abc"' },
      ],
      setpoint: [{ timestamp: day, setpoint: [] }],
    },
  },
];

/** As version 0.3.0 answers: a connector is its name, a value is itself. */
const old: readonly BemcomDatapoint[] = [
  {
    fields: fieldsOf(1, "house", {}),
    messages: { value: [{ timestamp: day, value: 22.5 }] },
  },
  {
    fields: fieldsOf(2, "house", { data_format: "generic_text" }),
    messages: { value: [{ timestamp: day, value: "21.5" }] },
  },
];

class Site implements AsyncDisposable {
  readonly bemcom: Bemcom;
  readonly folder: ReturnType<typeof temporaryFolder>;

  private constructor(bemcom: Bemcom, folder: ReturnType<typeof temporaryFolder>) {
    this.bemcom = bemcom;
    this.folder = folder;
    writeFileSync(join(folder.path, "password"), `${bemcomUser.password}\n`);
    mkdirSync(join(folder.path, "files"));
  }

  static async start(options: BemcomOptions): Promise<Site> {
    return new Site(await Bemcom.start(options), temporaryFolder());
  }

  args(command: string, more: readonly string[] = []): readonly string[] {
    return [
      ...[command, "-t", this.bemcom.url, "-u", bemcomUser.name, "--password-file", "password", "-w", "1"],
      ...["-s", "2026-01-01", "-e", "2026-01-02", "-d", "files", ...more],
    ];
  }

  run(command: string, more?: readonly string[]): Promise<Outcome> {
    return busbar(this.args(command, more), { folder: this.folder.path });
  }

  /** Lets it begin, and kills it when the server has this request. */
  async killAt(request: string, command: string, more?: readonly string[]): Promise<void> {
    this.bemcom.hold = request;
    const child = spawn(join(root, "bin/busbar"), this.args(command, more), { cwd: this.folder.path });
    await until(request, () => this.bemcom.requests.some((text) => text.includes(request)));
    child.kill("SIGKILL");
    await once(child, "close");
    this.bemcom.hold = undefined;
  }

  get files(): readonly string[] {
    return globSync("files/**/*.bz2", { cwd: this.folder.path }).sort();
  }

  async textOf(file: string): Promise<string> {
    const bytes = new Uint8Array(readFileSync(join(this.folder.path, file)));
    const parts = (async function* () {
      yield bytes;
    })();
    return Buffer.concat(await Array.fromAsync(decompress(parts))).toString();
  }

  /** Into a server of ours. */
  restoreTo(app: TestApp): Promise<Outcome> {
    const args = ["-r", "-t", app.url, "-u", "admin", "-p", "Correct-horse-9", "-y", "-f", "-w", "1"];
    return busbar(["simple_db_backup", ...args, "-s", "2026-01-01", "-e", "2026-01-02", "-d", "files"], {
      folder: this.folder.path,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bemcom[Symbol.asyncDispose]();
    this.folder[Symbol.dispose]();
  }
}

const valuesOf = async (app: TestApp): Promise<unknown[]> => {
  const datapoints = await app.json<{ id: number }[]>("GET", "/datapoint/");
  const all = datapoints.map(({ id }) => app.json<{ value: unknown }[]>("GET", `/datapoint/${id}/value/`));
  return (await Promise.all(all)).map((messages) => messages.map(({ value }) => value));
};

describe("backup and restore of the existing system", () => {
  it("makes the documented files, and restores them as they were meant", async () => {
    await using site = await Site.start({ version: "head", datapoints: head });
    expect(await site.run("backup")).toMatchObject({ code: 0, err: "" });
    const today = new Date().toISOString().slice(0, 10);
    expect(site.files).toEqual([
      ...["2026-01-01", "2026-01-02"].flatMap((date) =>
        [3, 4].flatMap((id) =>
          ["schedule", "setpoint", "value"].map(
            (kind) => `files/${date}/dpdata_${id}_${date}_${kind}.json.bz2`,
          ),
        ),
      ),
      `files/datapoint_metadata_${today}.json.bz2`,
    ]);
    expect(await site.textOf(`files/datapoint_metadata_${today}.json.bz2`)).toContain(
      '        "short_name": "Temp\\u00e9rature",\n',
    );
    expect(await site.textOf("files/2026-01-02/dpdata_3_2026-01-02_value.json.bz2")).toBe("[]");
    await using app = await startTestApp();
    const { out } = await site.restoreTo(app);
    expect(out).toMatch(/msgs_created: [45], msgs_updated: 0/);
    expect(await valuesOf(app)).toEqual([
      ["22", "null"],
      ['"21.5"', '"abc"'],
    ]);
  });

  it("understands the values of version 0.3.0", async () => {
    await using site = await Site.start({ version: "0.3.0", datapoints: old });
    expect(await site.run("backup")).toMatchObject({ code: 0, err: "" });
    await using app = await startTestApp();
    expect(await site.restoreTo(app)).toMatchObject({ out: expect.stringContaining("msgs_created: 2") });
    expect(await valuesOf(app)).toEqual([["22.5"], ['"21.5"']]);
  });

  it("restores into it, existing datapoints and values against its rules included", async () => {
    await using site = await Site.start({ version: "head", datapoints: head });
    await site.run("backup");
    const before = structuredClone([...site.bemcom.stored.values()]);
    site.bemcom.stored.get(4)?.messages.clear();
    site.bemcom.stored.delete(3);
    const { code, out } = await site.run("restore", ["-y", "-f"]);
    expect({ code, out }).toEqual({
      code: 0,
      out: expect.stringMatching(/1 datapoints created, 1 updated[\s\S]*msgs_created: 5, msgs_updated: 0/),
    });
    expect(out).toContain("1 datapoints that were created are inactive");
    const after = [...site.bemcom.stored.values()];
    expect(after.map(({ fields }) => ({ ...fields, id: 0 })).reverse()).toEqual(
      before.map(({ fields }) => ({ ...fields, id: 0 })),
    );
    // What it had made a number of is a text again, which is what its rules ask for.
    expect(site.bemcom.messages(4, "value")).toEqual([
      { timestamp: day, value: '"21.5"' },
      { timestamp: day + 2, value: '"abc"' },
    ]);
  });

  it("asks first, and takes no for an answer", async () => {
    await using site = await Site.start({ version: "head", datapoints: head });
    await site.run("backup");
    const options = { folder: site.folder.path, input: "n\n" };
    const { code, err } = await busbar(site.args("restore"), options);
    expect({ code, err }).toEqual({ code: 3, err: expect.stringContaining("Nothing was changed.") });
    expect(site.bemcom.requests.filter((text) => !text.startsWith("GET"))).toEqual([]);
    expect(await busbar(site.args("restore"), { ...options, input: "yes\n" })).toMatchObject({ code: 0 });
  });
});

describe("an interrupted run", () => {
  it("of backup leaves no half file, and goes on", async () => {
    await using site = await Site.start({ version: "head", datapoints: head });
    await site.killAt("/datapoint/4/value/?timestamp__gte=1767312000000", "backup");
    const left = site.files;
    expect(left.length).toBeGreaterThan(5);
    for (const file of left) expect(JSON.parse(await site.textOf(file))).toBeInstanceOf(Array);
    site.bemcom.requests.length = 0;
    expect(await site.run("backup")).toMatchObject({ code: 0 });
    expect(site.files.length).toBe(13);
    expect(site.bemcom.requests.filter((text) => text.includes("timestamp__gte=1767225600000"))).toEqual([]);
  });

  it("of restore goes on where it was killed", async () => {
    await using site = await Site.start({ version: "head", datapoints: head });
    await site.run("backup");
    await site.killAt("PUT /datapoint/4/value/", "restore", ["-y"]);
    site.bemcom.requests.length = 0;
    expect(await site.run("restore", ["-y"])).toMatchObject({ code: 0 });
    expect(site.bemcom.requests).toContain("PUT /datapoint/4/value/");
    expect(site.bemcom.requests).not.toContain("PUT /datapoint/3/value/");
  });

  it("ends at a signal after what it has begun", async () => {
    await using site = await Site.start({ version: "head", datapoints: head });
    const request = "/datapoint/3/schedule/?timestamp__gte=1767225600000";
    site.bemcom.faults.push([request, { status: 503, headers: { "retry-after": "1" } }]);
    const child = spawn(join(root, "bin/busbar"), site.args("backup"), { cwd: site.folder.path });
    await until(request, () => site.bemcom.requests.some((text) => text.includes(request)));
    child.kill("SIGTERM");
    expect(await once(child, "close")).toEqual([5, null]);
    expect(await site.run("backup")).toMatchObject({ code: 0 });
  });

  it("fetches a day again that was not over", async () => {
    await using site = await Site.start({ version: "head", datapoints: head });
    await site.run("backup");
    const file = join(site.folder.path, "files/2026-01-01/dpdata_3_2026-01-01_value.json.bz2");
    utimesSync(file, day / 1000 + 3_600, day / 1000 + 3_600);
    expect(await site.run("backup")).toMatchObject({
      out: expect.stringContaining("1 files written, 11 were"),
    });
  });
});

describe("a server in trouble", () => {
  it("is asked again when it is busy, is restarted, or breaks off", async () => {
    await using site = await Site.start({ version: "head", datapoints: head });
    const soon = { "retry-after": "0" };
    site.bemcom.faults.push(
      ["GET /datapoint/3/value/", { status: 429, headers: soon }],
      ["GET /datapoint/3/value/", { status: 503, headers: soon }],
      ["GET /datapoint/3/value/?timestamp__gte=1767225600000", { breakOff: true }],
      ["GET /datapoint/", { breakOff: true }],
    );
    expect(await site.run("backup")).toMatchObject({ code: 0, err: "" });
    expect(site.bemcom.faults).toEqual([]);
    expect(await site.textOf("files/2026-01-01/dpdata_3_2026-01-01_value.json.bz2")).toContain('"22.0"');
  });

  it("that refuses one file leaves the others alone", async () => {
    await using site = await Site.start({ version: "head", datapoints: head });
    site.bemcom.faults.push(["/datapoint/3/schedule/?timestamp__gte=1767225600000", { status: 500 }]);
    const { code, err, out } = await site.run("backup");
    expect({ code, err, out }).toEqual({
      code: 4,
      err: expect.stringMatching(/^\S+schedule\.json\.bz2: GET \S+ answered 500/),
      out: expect.stringContaining("11 files written, 0 were there already, 1 failed"),
    });
    expect(await site.run("backup")).toMatchObject({ code: 0 });
  });

  it("names a damaged file and restores the others", async () => {
    await using site = await Site.start({ version: "head", datapoints: head });
    await site.run("backup");
    writeFileSync(join(site.folder.path, "files/2026-01-01/dpdata_3_2026-01-01_value.json.bz2"), "BZh9 no");
    const { code, err } = await site.run("restore", ["-y"]);
    expect({ code, err }).toEqual({ code: 4, err: expect.stringContaining("dpdata_3_2026-01-01_value") });
    expect(site.bemcom.requests).toContain("PUT /datapoint/4/value/");
  });
});

describe("exit codes", () => {
  it.each([
    ["a missing folder", 1, ["-d", "nowhere"], /^There is no folder \S+nowhere\.\n$/],
    ["an address where nobody is", 2, ["-t", "http://127.0.0.1:1"], /cannot be reached: .*ECONNREFUSED/],
    ["wrong credentials", 3, ["--password", "Wrong-one-1"], /^The server does not accept these credentials/],
    ["a date that is none", 2, ["-s", "2026-02-30"], /^--start-date 2026-02-30: it must be a date/],
    ["an end before the start", 2, ["-e", "2025-12-31"], /^--end-date 2025-12-31: it is before/],
    ["a number that is none", 2, ["-w", "0"], /^--worker-process-number 0: it must be a number from 1/],
    ["an address that is none", 2, ["-t", "site:8080"], /^--target-url site:8080: it must begin with http/],
  ])("%s", async (_what, code, more, line) => {
    await using site = await Site.start({ version: "head", datapoints: head });
    const outcome = await site.run("backup", more);
    expect(outcome).toMatchObject({ code, err: expect.stringMatching(line) });
    expect(`${outcome.out}${outcome.err}`).not.toMatch(/Very-secret-7|Wrong-one-1/);
  });

  it("1 for a folder without a backup, 2 for a start page that is not there", async () => {
    await using site = await Site.start({ version: "head" });
    expect(await site.run("restore", ["-y"])).toMatchObject({
      code: 1,
      err: expect.stringContaining("no file"),
    });
    site.bemcom.faults.push(["GET /", { status: 404 }]);
    expect(await site.run("backup")).toMatchObject({ code: 2, err: expect.stringContaining("answered 404") });
  });
});

const script = join(root, "ems_utils/simple_db_backup.py");
const hasPython = spawnSync("python3", ["--version"]).error === undefined;
const programs = [
  ["a shell", [script]],
  ...(hasPython ? [["Python", ["python3", script]] as const] : []),
] as const;

describe("the documented script", () => {
  it.each(programs)("is run by %s", (_what, [program, ...args]) => {
    const { status, stdout } = spawnSync(program, [...args, "--help"], { encoding: "utf8" });
    expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringContaining("-b, --backup") });
  });
});
