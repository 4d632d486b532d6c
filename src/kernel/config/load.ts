import { resolve } from "node:path";
import { OperatorError } from "../errors.ts";
import { readCertificate } from "./certificate.ts";
import type { Config, HttpConfig, IdentityConfig, LogConfig, MqttConfig } from "./config.ts";
import { chooseDatabase } from "./database.ts";
import { type Environment, oneLine, readSettings } from "./env.ts";
import { isAddressRange, Settings } from "./settings.ts";
import { describeVariable, type VariableName, variableNames } from "./variables.ts";

export interface Loaded {
  readonly config: Config;
  /** Per variable: where its value came from; `default` where nobody set it. */
  readonly origins: ReadonlyMap<VariableName, string>;
  /** Per variable: the value in force as text; undefined where unset. Holds secrets. */
  readonly values: ReadonlyMap<VariableName, string | undefined>;
  /** Sentences for the log: what was accepted without effect, which of several settings won. */
  readonly notices: readonly string[];
}

/**
 * Reads and checks everything once. `folder` is the working directory: it holds `.env`, and relative paths start there.
 * @throws OperatorError one line: variable, value (not of secrets), rule
 */
export function loadConfig(env: Environment, folder: string): Loaded {
  const given = readSettings(env, folder);
  const settings = new Settings(given.settings);
  const dataDir = resolve(folder, pathText(settings, "BUSBAR_DATA_DIR"));
  const chosen = chooseDatabase(settings, folder, dataDir);
  const config: Config = {
    dataDir,
    http: http(settings, folder),
    mqtt: mqtt(settings),
    database: chosen.database,
    identity: identity(settings),
    live: {
      total: settings.wholeNumber("BUSBAR_LIVE_CONNECTIONS", 1, 100_000),
      perAccount: settings.wholeNumber("BUSBAR_LIVE_CONNECTIONS_PER_ACCOUNT", 1, 100_000),
    },
    log: log(settings),
    commands: { keepMillis: settings.wholeNumber("BUSBAR_COMMANDS_KEEP_DAYS", 1, 36_500) * 86_400_000 },
    extensions: {
      control: settings.boolean("ACTIVATE_CONTROL_EXTENSION"),
      history: settings.boolean("ACTIVATE_HISTORY_EXTENSION"),
    },
  };
  const ignored = chosen.ignored.map((name) => `${name} is not followed, since ${chosen.by} is set.`);
  return {
    config,
    origins: new Map(variableNames.map((name) => [name, settings.origin(name)])),
    values: new Map(variableNames.map((name) => [name, settings.text(name)])),
    notices: [...given.notices, ...ignored, ...unusedNotices(settings), ...weakSecretNotices(config)],
  };
}

function http(settings: Settings, folder: string): HttpConfig {
  const port = settings.port("BUSBAR_HTTP_PORT", 0);
  const httpsPort = settings.port("BUSBAR_HTTPS_PORT", 0);
  if (port === httpsPort && port !== 0)
    throw settings.fault("BUSBAR_HTTPS_PORT", "must differ from BUSBAR_HTTP_PORT");
  const extra = new Set(settings.ports("BUSBAR_EXTRA_HTTP_PORTS"));
  const certificate = readCertificate(settings, folder);
  return {
    host: hostText(settings, "BUSBAR_HOST"),
    port,
    httpsPort,
    extraPorts: [...extra].filter((number) => number !== port && number !== httpsPort),
    rootPath: rootPath(settings),
    allowedHosts: allowedHosts(settings),
    trustedProxies: trustedProxies(settings),
    redirectHttps: settings.boolean("BUSBAR_REDIRECT_HTTPS"),
    secureCookies: settings.boolean("HTTPS_ONLY"),
    corsOrigins: corsOrigins(settings),
    ...(certificate === undefined ? {} : { certificate }),
  };
}

function rootPath(settings: Settings): string {
  const path = (settings.text("ROOT_PATH") ?? "").replace(/^\/+|\/+$/g, "");
  if (!/^[\w.~-]*(\/[\w.~-]+)*$/.test(path) || path.split("/").some((part) => part === "." || part === ".."))
    throw settings.fault("ROOT_PATH", "must be path parts of letters, digits and -._~, like some/path/");
  return path === "" ? "" : `${path}/`;
}

function allowedHosts(settings: Settings): readonly string[] {
  const names = ["FQ_HOSTNAME", "DJANGO_ALLOWED_HOSTS", "MLSPLOIT_API_ALLOWED_HOSTS"] as const;
  const hosts = names.flatMap((name) =>
    settings.list(name).map((host) => {
      if (!/^(\*|\.?[\w-]+(\.[\w-]+)*\.?|\[[0-9a-f:.]+\]|[0-9a-f:.]+)$/i.test(host))
        throw settings.fault(name, `must hold host names without scheme and port, or *; ${host} is none`);
      return host.toLowerCase();
    }),
  );
  return [...new Set(hosts)];
}

function trustedProxies(settings: Settings): readonly string[] {
  return settings.list("BUSBAR_TRUSTED_PROXIES").flatMap((item) => {
    if (item === "loopback") return ["127.0.0.0/8", "::1"];
    if (isAddressRange(item)) return [item];
    throw settings.fault(
      "BUSBAR_TRUSTED_PROXIES",
      `must hold addresses or ranges like 10.0.0.0/8; ${item} is none`,
    );
  });
}

function corsOrigins(settings: Settings): readonly string[] {
  return settings.list("BUSBAR_CORS_ORIGINS").map((item) => {
    const url = URL.canParse(item) ? new URL(item) : undefined;
    if (!url || !/^https?:$/.test(url.protocol) || (item !== url.origin && item !== `${url.origin}/`))
      throw settings.fault(
        "BUSBAR_CORS_ORIGINS",
        `must hold origins like https://app.example; ${item} is none`,
      );
    return url.origin;
  });
}

function mqtt(settings: Settings): MqttConfig {
  if (settings.has("MQTT_BROKER_HOST")) {
    const tls = settings.boolean("MQTT_BROKER_TLS");
    const user = settings.text("MQTT_BROKER_USER");
    const password = settings.text("MQTT_BROKER_PASSWORD");
    return {
      kind: "external",
      host: hostText(settings, "MQTT_BROKER_HOST"),
      port: tls && !settings.has("MQTT_BROKER_PORT") ? 8883 : settings.port("MQTT_BROKER_PORT"),
      tls,
      ...(user === undefined ? {} : { user }),
      ...(password === undefined ? {} : { password }),
    };
  }
  const anonymous = settings.boolean("BUSBAR_MQTT_ANONYMOUS");
  const port = settings.port("BUSBAR_MQTT_PORT", 0);
  if (port === 0) return { kind: "off" };
  return { kind: "embedded", host: hostText(settings, "BUSBAR_HOST"), port, anonymous };
}

function identity(settings: Settings): IdentityConfig {
  const secret = settings.text("DJANGO_SECRET_KEY");
  const other = settings.text("MLSPLOIT_API_SECRET_KEY");
  if (secret !== undefined && other !== undefined && secret !== other)
    throw new OperatorError(
      "DJANGO_SECRET_KEY and MLSPLOIT_API_SECRET_KEY are both set and differ; give one of them.",
    );
  if (other !== undefined && other.length < 25)
    throw settings.fault("MLSPLOIT_API_SECRET_KEY", "must have at least 25 characters");
  const chosen = secret ?? other;
  const name = settings.text("DJANGO_SUPERUSER_USERNAME");
  const password = settings.text("DJANGO_SUPERUSER_PASSWORD");
  if (name !== undefined && password === undefined)
    throw settings.fault(
      "DJANGO_SUPERUSER_USERNAME",
      "DJANGO_SUPERUSER_PASSWORD is missing; give both or none",
    );
  const email = settings.text("DJANGO_SUPERUSER_EMAIL") ?? "";
  return {
    ...(chosen === undefined ? {} : { secret: chosen }),
    ...(name === undefined || password === undefined ? {} : { superuser: { name, password, email } }),
  };
}

const levels: Readonly<Record<string, LogConfig["level"]>> = {
  TRACE: "trace",
  DEBUG: "debug",
  INFO: "info",
  WARN: "warn",
  WARNING: "warn",
  ERROR: "error",
  FATAL: "fatal",
  CRITICAL: "fatal",
};

function log(settings: Settings): LogConfig {
  const level = levels[settings.required("LOGLEVEL").trim().toUpperCase()];
  if (level === undefined)
    throw settings.fault("LOGLEVEL", "must be TRACE, DEBUG, INFO, WARNING, ERROR or CRITICAL");
  const debug =
    settings.boolean("DJANGO_DEBUG") ||
    settings.boolean("MLSPLOIT_API_DEBUG_MODE") ||
    /^(true|1)$/i.test(settings.text("DEBUG") ?? "") ||
    /^(devl|dev|development)$/i.test(settings.text("MODE") ?? "");
  return { level: debug && level !== "trace" ? "debug" : level };
}

function hostText(settings: Settings, name: VariableName): string {
  const host = settings.required(name).trim();
  if (!/^[\w.:%-]+$/.test(host)) throw settings.fault(name, "must be a host name or an IP address");
  return host;
}

function pathText(settings: Settings, name: VariableName): string {
  const path = settings.required(name);
  if (path.includes("\0")) throw settings.fault(name, "must be a path");
  return path;
}

const unusedNotices = (settings: Settings): string[] =>
  variableNames
    .filter((name) => describeVariable(name).unused && settings.has(name))
    .map((name) => `${name} is accepted without effect: ${oneLine(describeVariable(name).description)}.`);

function weakSecretNotices(config: Config): string[] {
  const length = config.identity.secret?.length ?? 100;
  return length >= 25
    ? []
    : [`The configured secret has only ${length} characters; 50 random ones are better.`];
}
