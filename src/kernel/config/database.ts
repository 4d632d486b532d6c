import { isIPv6 } from "node:net";
import { resolve } from "node:path";
import type { DatabaseConfig } from "./config.ts";
import { parseJson, type Settings } from "./settings.ts";
import type { VariableName } from "./variables.ts";

/** The families of database variables, strongest first, by the variable that says the family is meant. */
const families = ["DATABASE_URL", "DATABASE_SETTING", "DJANGOAPIDB_HOST", "DB_HOST"] as const;

export interface ChosenDatabase {
  readonly database: DatabaseConfig;
  /** The variable that decided; undefined: none, so SQLite in the data folder. */
  readonly by?: VariableName;
  /** Set as well, and not followed. */
  readonly ignored: readonly VariableName[];
}

export function chooseDatabase(settings: Settings, folder: string, dataDir: string): ChosenDatabase {
  const [by, ...ignored] = families.filter((name) => settings.has(name));
  if (by === undefined)
    return { database: { engine: "sqlite", file: resolve(dataDir, "busbar.db") }, ignored };
  return { database: read(by, settings, folder), by, ignored };
}

function read(by: (typeof families)[number], settings: Settings, folder: string): DatabaseConfig {
  switch (by) {
    case "DATABASE_URL":
      return fromUrl(settings, folder);
    case "DATABASE_SETTING":
      return fromDjangoSetting(settings, folder);
    case "DJANGOAPIDB_HOST":
      return postgres({
        host: settings.required("DJANGOAPIDB_HOST"),
        port: settings.port("DJANGOAPIDB_PORT"),
        user: settings.required("DJANGOAPIDB_USER"),
        password: settings.required("DJANGOAPIDB_PASSWORD"),
        name: settings.required("DJANGOAPIDB_DBNAME"),
      });
    case "DB_HOST":
      return postgres({
        host: settings.required("DB_HOST"),
        port: settings.port("DB_PORT"),
        user: settings.required("DB_USER"),
        password: settings.required(
          settings.has("DB_PASS") && !settings.has("DB_PASSWORD") ? "DB_PASS" : "DB_PASSWORD",
        ),
        name: settings.required("DB_NAME"),
      });
  }
}

function fromUrl(settings: Settings, folder: string): DatabaseConfig {
  const text = settings.required("DATABASE_URL");
  const sqlite = /^sqlite3?:(?:\/\/\/?)?(.+)$/s.exec(text);
  if (sqlite) return { engine: "sqlite", file: sqliteFile(settings, "DATABASE_URL", folder, sqlite[1]) };
  const rule = "must be postgres://user:password@host:port/name or sqlite:path";
  if (!/^(postgres|postgresql):\/\//.test(text)) throw settings.fault("DATABASE_URL", rule);
  // An address in front of a socket's folder (user@/name?host=/run) is right for PostgreSQL, but no URL.
  if (!URL.canParse(text) && !URL.canParse(text.replace("@/", "@localhost/")))
    throw settings.fault("DATABASE_URL", rule);
  return { engine: "postgres", connectionString: text };
}

function fromDjangoSetting(settings: Settings, folder: string): DatabaseConfig {
  const name = "DATABASE_SETTING";
  const parsed = parseJson(settings.required(name));
  const setting = isObject(parsed) && isObject(parsed["default"]) ? parsed["default"] : parsed;
  if (!isObject(setting)) throw settings.fault(name, 'must be a JSON object with "ENGINE" and "NAME"');
  const engine = typeof setting["ENGINE"] === "string" ? setting["ENGINE"] : "";
  const text = (key: string, otherwise: string) => textMember(settings, setting, key, otherwise);
  if (/(^|\.)sqlite3$/.test(engine))
    return { engine: "sqlite", file: sqliteFile(settings, name, folder, text("NAME", "")) };
  if (!/(^|\.)postgresql(_psycopg2)?$/.test(engine))
    throw settings.fault(name, "ENGINE must be django.db.backends.sqlite3 or django.db.backends.postgresql");
  const port = text("PORT", "5432");
  if (!/^\d{1,5}$/.test(port)) throw settings.fault(name, "PORT must be a port number");
  return postgres({
    host: text("HOST", "localhost"),
    port: Number(port),
    user: text("USER", "postgres"),
    password: text("PASSWORD", ""),
    name: text("NAME", "postgres"),
  });
}

function textMember(
  settings: Settings,
  setting: Record<string, unknown>,
  key: string,
  otherwise: string,
): string {
  const value = setting[key] ?? "";
  if (typeof value !== "string" && typeof value !== "number")
    throw settings.fault("DATABASE_SETTING", `${key} must be a text`);
  return value === "" ? otherwise : String(value);
}

function sqliteFile(
  settings: Settings,
  name: VariableName,
  folder: string,
  path: string | undefined,
): string {
  if (path === undefined || path === "" || path.includes("\0") || path === ":memory:")
    throw settings.fault(name, "must name a file for SQLite");
  return resolve(folder, path);
}

function postgres(parts: {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly name: string;
}): DatabaseConfig {
  const encode = (text: string) => encodeURIComponent(text.toWellFormed());
  const account =
    parts.password === "" ? encode(parts.user) : `${encode(parts.user)}:${encode(parts.password)}`;
  const socket = parts.host.startsWith("/");
  const host = isIPv6(parts.host) ? `[${parts.host}]` : encode(parts.host);
  const address = `${socket ? "localhost" : host}:${parts.port}/${encode(parts.name)}`;
  const query = socket ? `?host=${encode(parts.host)}` : "";
  return { engine: "postgres", connectionString: `postgres://${account}@${address}${query}` };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
