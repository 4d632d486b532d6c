import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { generate } from "selfsigned";
import { afterAll, describe, expect, test } from "vitest";
import { temporaryFolder } from "../../../test/services/service.ts";
import { OperatorError } from "../errors.ts";
import { loadConfig } from "./load.ts";
import { printConfig } from "./print.ts";
import { variableNames } from "./variables.ts";

const empty = temporaryFolder();
afterAll(() => empty[Symbol.dispose]());

const load = (env: Record<string, string>) => loadConfig(env, empty.path).config;
const database = (env: Record<string, string>) => load(env).database;

function folderWith(files: Record<string, string>) {
  const folder = temporaryFolder();
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder.path, name), text);
  return folder;
}

test("nothing set gives the documented defaults", () => {
  expect(load({})).toEqual({
    dataDir: join(empty.path, "data"),
    http: {
      host: "0.0.0.0",
      port: 8080,
      httpsPort: 8443,
      extraPorts: [8000],
      rootPath: "",
      allowedHosts: [],
      trustedProxies: ["127.0.0.0/8", "::1"],
      redirectHttps: false,
      secureCookies: false,
      corsOrigins: [],
    },
    mqtt: { kind: "embedded", host: "0.0.0.0", port: 1883, anonymous: false },
    database: { engine: "sqlite", file: join(empty.path, "data", "busbar.db") },
    identity: {},
    live: { total: 5000, perAccount: 500 },
    log: { level: "info" },
    commands: { keepMillis: 90 * 86_400_000 },
    extensions: { control: true, history: true },
  });
});

describe("where a value comes from", () => {
  test("the environment wins over .env", () => {
    using folder = folderWith({ ".env": "BUSBAR_HTTP_PORT=9000\nBUSBAR_HTTPS_PORT=9443 # ours\n" });
    const { config, origins } = loadConfig({ BUSBAR_HTTP_PORT: "9001" }, folder.path);
    expect(config.http).toMatchObject({ port: 9001, httpsPort: 9443 });
    expect(origins.get("BUSBAR_HTTP_PORT")).toBe("environment");
    expect(origins.get("BUSBAR_HTTPS_PORT")).toBe(".env");
    expect(origins.get("BUSBAR_HOST")).toBe("default");
  });

  test("a secret may stand in a file", () => {
    using folder = folderWith({ secret: "from the file\n" });
    const env = { MQTT_BROKER_HOST: "broker", MQTT_BROKER_PASSWORD_FILE: "secret" };
    expect(loadConfig(env, folder.path).config.mqtt).toMatchObject({ password: "from the file" });
  });

  test("a secret given twice, and a file that is not there, are errors", () => {
    const twice = { DJANGO_SECRET_KEY: "a", DJANGO_SECRET_KEY_FILE: "b" };
    expect(() => load(twice)).toThrow(/DJANGO_SECRET_KEY and DJANGO_SECRET_KEY_FILE are both set/);
    expect(() => load({ DJANGO_SECRET_KEY_FILE: "absent" })).toThrow(/DJANGO_SECRET_KEY_FILE names a file/);
  });

  test("an unknown BUSBAR_ variable is an error which names the nearest one", () => {
    expect(() => load({ BUSBAR_HTP_PORT: "1" })).toThrow(
      "BUSBAR_HTP_PORT (environment) is not a variable of Busbar; did you mean BUSBAR_HTTP_PORT?",
    );
    using folder = folderWith({ ".env": "BUSBAR_NONSENSE_AT_ALL=1" });
    expect(() => loadConfig({}, folder.path)).toThrow(/BUSBAR_NONSENSE_AT_ALL \(.env\) is not a variable/);
  });

  test("a misspelt variable of an existing system is a notice", () => {
    const { notices } = loadConfig(
      { MQTT_BROKER_PASWORD: "x", MQTT_BROKER_PORT_1883_TCP: "tcp" },
      empty.path,
    );
    expect(notices).toEqual([
      "MQTT_BROKER_PASWORD (environment) is not a variable of Busbar; did you mean MQTT_BROKER_PASSWORD?",
    ]);
  });

  test("what Kubernetes sets for a service of this name is no error", () => {
    const links = {
      BUSBAR_PORT: "tcp://10.0.0.1:80",
      BUSBAR_SERVICE_HOST: "10.0.0.1",
      BUSBAR_PORT_80_TCP_PORT: "80",
    };
    expect(load(links).http.port).toBe(8080);
  });

  test("an empty value is an unset one, for a list the empty list", () => {
    const { http } = load({ BUSBAR_HTTP_PORT: "", BUSBAR_EXTRA_HTTP_PORTS: "", BUSBAR_TRUSTED_PROXIES: "" });
    expect(http).toMatchObject({ port: 8080, extraPorts: [], trustedProxies: [] });
  });
});

describe("values", () => {
  test.each(["true", "TRUE", "True", "1", "yes", "Yes"])("%s is true", (value) => {
    expect(load({ HTTPS_ONLY: value }).http.secureCookies).toBe(true);
  });
  test.each(["false", "FALSE", "0", "no"])("%s is false", (value) => {
    expect(load({ ACTIVATE_CONTROL_EXTENSION: value }).extensions.control).toBe(false);
  });

  test.each([
    [
      { BUSBAR_HTTP_PORT: "99999" },
      "BUSBAR_HTTP_PORT=99999 (environment): must be a whole number from 0 to 65535.",
    ],
    [
      { BUSBAR_HTTPS_PORT: "8080" },
      "BUSBAR_HTTPS_PORT=8080 (environment): must differ from BUSBAR_HTTP_PORT.",
    ],
    [{ HTTPS_ONLY: "maybe" }, "HTTPS_ONLY=maybe (environment): must be true or false."],
    [
      { LOGLEVEL: "LOUD" },
      "LOGLEVEL=LOUD (environment): must be TRACE, DEBUG, INFO, WARNING, ERROR or CRITICAL.",
    ],
    [{ BUSBAR_EXTRA_HTTP_PORTS: "8000,x" }, "must be port numbers separated by commas"],
    [{ BUSBAR_TRUSTED_PROXIES: "10.0.0.0/33" }, "must hold addresses or ranges"],
    [{ BUSBAR_CORS_ORIGINS: "https://a.example/path" }, "must hold origins like https://app.example"],
    [{ DJANGO_ALLOWED_HOSTS: '["a", 1]' }, 'must be a list like ["a","b"] or a,b'],
    [{ DJANGO_ALLOWED_HOSTS: "http://a.example" }, "must hold host names"],
    [{ ROOT_PATH: "../up" }, "ROOT_PATH=../up (environment): must be path parts"],
    [{ MQTT_BROKER_HOST: "mqtt://x" }, "must be a host name or an IP address"],
    [{ DJANGO_SUPERUSER_USERNAME: "admin" }, "DJANGO_SUPERUSER_PASSWORD is missing"],
    [
      { MLSPLOIT_API_SECRET_KEY: "too short" },
      "MLSPLOIT_API_SECRET_KEY (environment): must have at least 25",
    ],
  ])("%j is refused in one line", (env, message) => {
    expect(() => load(env)).toThrow(message);
  });

  test("host names come from three variables, in either form", () => {
    const hosts = {
      FQ_HOSTNAME: "A.example",
      DJANGO_ALLOWED_HOSTS: '["b.example"]',
      MLSPLOIT_API_ALLOWED_HOSTS: "c,*",
    };
    expect(load(hosts).http.allowedHosts).toEqual(["a.example", "b.example", "c", "*"]);
  });

  test.each([
    ["bemcom/", "bemcom/"],
    ["/some/path", "some/path/"],
    ["/", ""],
  ])("ROOT_PATH %s becomes '%s'", (given, expected) => {
    expect(load({ ROOT_PATH: given }).http.rootPath).toBe(expected);
  });

  test("a debug flag raises the log level and no more", () => {
    for (const flag of [
      { DJANGO_DEBUG: "TRUE" },
      { MLSPLOIT_API_DEBUG_MODE: "true" },
      { DEBUG: "TRUE" },
      { MODE: "DEVL" },
    ])
      expect(load(flag)).toEqual({ ...load({}), log: { level: "debug" } });
    expect(load({ DEBUG: "express:*" }).log.level).toBe("info");
  });

  test("documented variables without a purpose are accepted with a notice", () => {
    const { notices } = loadConfig({ N_MTD_WRITE_THREADS: "4", DJANGO_ADMINS: "[]" }, empty.path);
    expect(notices.map((notice) => notice.split(" ")[0])).toEqual(["DJANGO_ADMINS", "N_MTD_WRITE_THREADS"]);
  });
});

describe("the broker", () => {
  test("is an external one where a host is named", () => {
    expect(load({ MQTT_BROKER_HOST: "mosquitto" }).mqtt).toEqual({
      kind: "external",
      host: "mosquitto",
      port: 1883,
      tls: false,
    });
    expect(load({ MQTT_BROKER_HOST: "m", MQTT_BROKER_TLS: "yes" }).mqtt).toMatchObject({
      port: 8883,
      tls: true,
    });
  });
  test("is none with port 0", () => {
    expect(load({ BUSBAR_MQTT_PORT: "0" }).mqtt).toEqual({ kind: "off" });
  });
});

describe("the database", () => {
  const url = { DATABASE_URL: "postgres://u:p@h:5432/d" };
  const setting = { DATABASE_SETTING: '{"ENGINE":"django.db.backends.sqlite3","NAME":"old.db"}' };
  const bemcom = { DJANGOAPIDB_HOST: "timescale", DJANGOAPIDB_PASSWORD: "p:w@/" };
  const db = { DB_HOST: "pg", DB_PASS: "pw", DB_USER: "me", DB_NAME: "things", DB_PORT: "5433" };

  test("the strongest of several settings wins and the others are named", () => {
    expect(database({ ...url, ...setting, ...bemcom, ...db })).toMatchObject({
      connectionString: url.DATABASE_URL,
    });
    expect(database({ ...setting, ...bemcom, ...db })).toEqual({
      engine: "sqlite",
      file: join(empty.path, "old.db"),
    });
    expect(database({ ...bemcom, ...db })).toEqual({
      engine: "postgres",
      connectionString: "postgres://bemcom:p%3Aw%40%2F@timescale:5432/bemcom",
    });
    expect(database(db)).toEqual({ engine: "postgres", connectionString: "postgres://me:pw@pg:5433/things" });
    expect(loadConfig({ ...bemcom, ...db }, empty.path).notices).toContain(
      "DB_HOST is not followed, since DJANGOAPIDB_HOST is set.",
    );
  });

  test("a Django setting for PostgreSQL", () => {
    const value = {
      ENGINE: "django.db.backends.postgresql",
      HOST: "/run/pg",
      USER: "u",
      NAME: "n",
      PORT: 5432,
    };
    expect(database({ DATABASE_SETTING: JSON.stringify({ default: value }) })).toEqual({
      engine: "postgres",
      connectionString: "postgres://u@localhost:5432/n?host=%2Frun%2Fpg",
    });
  });

  test("another Django engine is an error that names the two", () => {
    const mysql = { DATABASE_SETTING: '{"ENGINE":"django.db.backends.mysql","PASSWORD":"hidden"}' };
    expect(() => load(mysql)).toThrow(
      "DATABASE_SETTING (environment): ENGINE must be django.db.backends.sqlite3 or django.db.backends.postgresql.",
    );
  });

  test.each(["mysql://h/d", "postgres://[", "nonsense", "sqlite:"])("DATABASE_URL %s is refused", (value) => {
    expect(() => load({ DATABASE_URL: value })).toThrow(/^DATABASE_URL \(environment\): must/);
  });
});

describe("secrets", () => {
  test("two names for one secret must agree", () => {
    const long = "0123456789012345678901234567890";
    expect(load({ DJANGO_SECRET_KEY: long, MLSPLOIT_API_SECRET_KEY: long }).identity.secret).toBe(long);
    expect(() => load({ DJANGO_SECRET_KEY: "other", MLSPLOIT_API_SECRET_KEY: long })).toThrow(
      /both set and differ/,
    );
  });

  test("are masked in print", () => {
    const env = {
      DATABASE_URL: "postgres://u:hidden@h/d",
      DJANGO_SECRET_KEY: "hidden",
      MQTT_BROKER_USER: "shown",
    };
    const text = printConfig(loadConfig(env, empty.path));
    expect(text).not.toContain("hidden");
    expect(text).toContain("MQTT_BROKER_USER=shown  # environment");
    expect(text).toContain("BUSBAR_HTTP_PORT=8080  # default");
  });

  test("never stand in an error", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 8, unit: "grapheme" }), (secret) => {
        const message = outcome({ DATABASE_URL: `x${secret}`, DATABASE_SETTING: secret });
        expect(message).not.toContain(secret);
      }),
    );
  });
});

describe("the certificate", async () => {
  const { cert, private: key } = await generate();
  const { private: otherKey } = await generate();

  test("may be given as texts, one-line texts or paths", () => {
    expect(load({ SSL_CERT_PEM: cert, SSL_KEY_PEM: key }).http.certificate).toEqual({ cert, key });
    const oneLine = { SSL_CERT_PEM: cert.replaceAll("\n", "\\n"), SSL_KEY_PEM: key };
    expect(load(oneLine).http.certificate?.cert).toBe(cert);
    using files = folderWith({ "cert.pem": cert, "key.pem": key });
    const { config } = loadConfig({ SSL_CERT_PEM: "cert.pem", SSL_KEY_PEM: "key.pem" }, files.path);
    expect(config.http.certificate).toMatchObject({ cert, key, certFile: join(files.path, "cert.pem") });
  });

  test("is refused when half of it is missing or the halves do not fit", () => {
    expect(() => load({ SSL_CERT_PEM: cert })).toThrow("SSL_KEY_PEM is missing; give both or none");
    expect(() => load({ SSL_KEY_PEM: key })).toThrow("SSL_CERT_PEM is missing; give both or none");
    expect(() => load({ SSL_CERT_PEM: cert, SSL_KEY_PEM: otherKey })).toThrow(
      "does not belong to the certificate",
    );
    expect(() => load({ SSL_CERT_PEM: "absent.pem", SSL_KEY_PEM: key })).toThrow(
      "is neither PEM text nor the path",
    );
  });
});

/** The error's text, "" when there was none; anything but an OperatorError of one line fails the test. */
function outcome(env: Record<string, string>): string {
  try {
    load(env);
    return "";
  } catch (error) {
    expect(error).toBeInstanceOf(OperatorError);
    const message = error instanceof Error ? error.message : "";
    expect(message).not.toMatch(/[\r\n]/);
    return message;
  }
}

test("whatever is set, the answer is a configuration or one line", () => {
  const value = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.json(),
    fc.constantFrom("", "true", "0", "1883", "[", "/", "postgres://[", "sqlite::memory:", "-----BEGIN", "*"),
  );
  const name = fc.constantFrom(...variableNames);
  fc.assert(
    fc.property(fc.dictionary(name, value, { noNullPrototype: true }), (env) => {
      outcome(env);
    }),
    { numRuns: 1000 },
  );
});
