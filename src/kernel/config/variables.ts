/**
 * Every variable the program knows: the one table from which reading, `config print` and the README's table come.
 */
export interface Variable {
  readonly group: Group;
  /** What a value must be, as the README names it. */
  readonly type: "text" | "path" | "port" | "boolean" | "list" | "JSON" | "URL" | "number" | "PEM";
  /** As one would write it; absent: unset by default. */
  readonly default?: string;
  /** Never printed; may be given as NAME_FILE, a file that holds the value. */
  readonly secret?: true;
  /** Accepted, because an existing system documents it, but without a purpose here. */
  readonly unused?: true;
  readonly description: string;
}

export const groups = {
  server: "Server",
  broker: "MQTT broker",
  database: "Database",
  identity: "Users and secrets",
  names: "Names, proxies, certificates",
  behaviour: "Behaviour and logs",
} as const;

export type Group = keyof typeof groups;

export const variables = {
  BUSBAR_DATA_DIR: {
    group: "server",
    type: "path",
    default: "./data",
    description: "Folder for everything the server keeps",
  },
  BUSBAR_HOST: {
    group: "server",
    type: "text",
    default: "0.0.0.0",
    description: "Address all ports listen on; `127.0.0.1` = this machine only",
  },
  BUSBAR_HTTP_PORT: {
    group: "server",
    type: "port",
    default: "8080",
    description: "HTTP port; 0 = any free one, printed at the start",
  },
  BUSBAR_HTTPS_PORT: { group: "server", type: "port", default: "8443", description: "HTTPS port; 0 = off" },
  BUSBAR_EXTRA_HTTP_PORTS: {
    group: "server",
    type: "list",
    default: "8000",
    description: "More HTTP ports; a taken one is only a warning; empty = none",
  },
  ROOT_PATH: {
    group: "server",
    type: "text",
    description: "Path prefix of the datapoints routes, like `bemcom/`",
  },
  MQTT_BROKER_HOST: {
    group: "broker",
    type: "text",
    description: "External broker; unset = the built-in one",
  },
  MQTT_BROKER_PORT: {
    group: "broker",
    type: "port",
    default: "1883",
    description: "Its port; 8883 where MQTT_BROKER_TLS is set",
  },
  MQTT_BROKER_USER: { group: "broker", type: "text", description: "Name to sign in with there" },
  MQTT_BROKER_PASSWORD: {
    group: "broker",
    type: "text",
    secret: true,
    description: "Password to sign in with there",
  },
  MQTT_BROKER_TLS: {
    group: "broker",
    type: "boolean",
    default: "false",
    description: "Encrypt the connection to it",
  },
  BUSBAR_MQTT_PORT: {
    group: "broker",
    type: "port",
    default: "1883",
    description: "Port of the built-in broker (the next free one when taken); 0 = no broker",
  },
  BUSBAR_MQTT_ANONYMOUS: {
    group: "broker",
    type: "boolean",
    default: "false",
    description: "Let devices on other machines into the built-in broker without name and token",
  },
  DATABASE_URL: {
    group: "database",
    type: "URL",
    secret: true,
    description:
      "`postgres://user:password@host:5432/name` or `sqlite:path`; unset = SQLite in the data folder",
  },
  DATABASE_SETTING: {
    group: "database",
    type: "JSON",
    secret: true,
    description: "The same as a Django database setting (engines sqlite3 and postgresql)",
  },
  DJANGOAPIDB_HOST: {
    group: "database",
    type: "text",
    description: "The same in single variables: PostgreSQL host",
  },
  DJANGOAPIDB_PORT: { group: "database", type: "port", default: "5432", description: "PostgreSQL port" },
  DJANGOAPIDB_USER: { group: "database", type: "text", default: "bemcom", description: "PostgreSQL user" },
  DJANGOAPIDB_PASSWORD: {
    group: "database",
    type: "text",
    default: "bemcom",
    secret: true,
    description: "PostgreSQL password",
  },
  DJANGOAPIDB_DBNAME: {
    group: "database",
    type: "text",
    default: "bemcom",
    description: "PostgreSQL database",
  },
  DB_HOST: { group: "database", type: "text", description: "The same again, other names: PostgreSQL host" },
  DB_PORT: { group: "database", type: "port", default: "5432", description: "PostgreSQL port" },
  DB_USER: { group: "database", type: "text", default: "db_user", description: "PostgreSQL user" },
  DB_PASSWORD: {
    group: "database",
    type: "text",
    default: "db_pass",
    secret: true,
    description: "PostgreSQL password",
  },
  DB_PASS: { group: "database", type: "text", secret: true, description: "Another name for DB_PASSWORD" },
  DB_NAME: { group: "database", type: "text", default: "cec_db", description: "PostgreSQL database" },
  DJANGO_SECRET_KEY: {
    group: "identity",
    type: "text",
    secret: true,
    description:
      "Signs sessions and derived tokens; unset = made once and kept; changing it ends all sessions",
  },
  MLSPLOIT_API_SECRET_KEY: {
    group: "identity",
    type: "text",
    secret: true,
    description: "Another name for DJANGO_SECRET_KEY (at least 25 characters)",
  },
  DJANGO_SUPERUSER_USERNAME: {
    group: "identity",
    type: "text",
    description: "A superuser made at the start when missing",
  },
  DJANGO_SUPERUSER_PASSWORD: {
    group: "identity",
    type: "text",
    secret: true,
    description: "The password of that one",
  },
  DJANGO_SUPERUSER_EMAIL: { group: "identity", type: "text", description: "The e-mail address of that one" },
  DJANGO_ADMINS: {
    group: "identity",
    type: "JSON",
    unused: true,
    description: "Who gets mail about errors; no mail is sent yet",
  },
  FQ_HOSTNAME: {
    group: "names",
    type: "text",
    description:
      "A host name this server answers to, besides IP addresses, `localhost` and the machine's name",
  },
  DJANGO_ALLOWED_HOSTS: {
    group: "names",
    type: "list",
    description: 'More of them, as `["a.example","b.example"]` or `a.example,b.example`; `*` = any',
  },
  MLSPLOIT_API_ALLOWED_HOSTS: { group: "names", type: "list", description: "More of them" },
  BUSBAR_TRUSTED_PROXIES: {
    group: "names",
    type: "list",
    default: "loopback",
    description: "Addresses or ranges whose forwarded headers are believed; empty = none",
  },
  BUSBAR_CORS_ORIGINS: {
    group: "names",
    type: "list",
    default: "",
    description: "Web pages of other origins that may call the API, like `https://app.example`",
  },
  SSL_CERT_PEM: {
    group: "names",
    type: "PEM",
    description: "Certificate for HTTPS, as text or path; unset = a self-signed one is made once",
  },
  SSL_KEY_PEM: { group: "names", type: "PEM", secret: true, description: "Its private key, as text or path" },
  BUSBAR_REDIRECT_HTTPS: {
    group: "names",
    type: "boolean",
    default: "false",
    description: "Send browsers from HTTP to HTTPS",
  },
  HTTPS_ONLY: {
    group: "names",
    type: "boolean",
    default: "false",
    description: "Mark session cookies as for HTTPS only",
  },
  ACTIVATE_CONTROL_EXTENSION: {
    group: "behaviour",
    type: "boolean",
    default: "true",
    description: "Schedules, setpoints and controllers",
  },
  ACTIVATE_HISTORY_EXTENSION: {
    group: "behaviour",
    type: "boolean",
    default: "true",
    description: "Reading and editing the history of values",
  },
  BUSBAR_COMMANDS_KEEP_DAYS: {
    group: "behaviour",
    type: "number",
    default: "90",
    description: "How long `/commands/` remembers what was sent to actuators and what became of it",
  },
  BUSBAR_LIVE_CONNECTIONS: {
    group: "behaviour",
    type: "number",
    default: "5000",
    description: "How many live connections (`/ws/`, `/stream/`) there may be at once",
  },
  BUSBAR_LIVE_CONNECTIONS_PER_ACCOUNT: {
    group: "behaviour",
    type: "number",
    default: "500",
    description: "How many of them one account may have",
  },
  LOGLEVEL: {
    group: "behaviour",
    type: "text",
    default: "INFO",
    description: "TRACE, DEBUG, INFO, WARNING, ERROR or CRITICAL",
  },
  DJANGO_DEBUG: {
    group: "behaviour",
    type: "boolean",
    default: "false",
    description: "True: log level DEBUG",
  },
  MLSPLOIT_API_DEBUG_MODE: {
    group: "behaviour",
    type: "boolean",
    default: "false",
    description: "True: log level DEBUG",
  },
  DEBUG: {
    group: "behaviour",
    type: "text",
    description: "`true`: log level DEBUG; any other value is ignored",
  },
  MODE: {
    group: "behaviour",
    type: "text",
    description: "`DEVL`: log level DEBUG; any other value is ignored",
  },
  N_CMI_WRITE_THREADS: {
    group: "behaviour",
    type: "number",
    unused: true,
    description: "One group commit does it",
  },
  N_MTD_WRITE_THREADS: {
    group: "behaviour",
    type: "number",
    unused: true,
    description: "One group commit does it",
  },
  N_WORKER_PROCESSES: {
    group: "behaviour",
    type: "number",
    unused: true,
    description: "One process does it",
  },
  PROMETHEUS_MULTIPROC_DIR: {
    group: "behaviour",
    type: "path",
    unused: true,
    description: "One process has one set of metrics",
  },
  DB_DIALECT: { group: "database", type: "text", unused: true, description: "It is always PostgreSQL" },
} as const satisfies Readonly<Record<string, Variable>>;

export type VariableName = keyof typeof variables;

export const variableNames = Object.keys(variables) as VariableName[];

export const describeVariable = (name: VariableName): Variable => variables[name];

export const isVariable = (name: string): name is VariableName => Object.hasOwn(variables, name);

/** The README's configuration table. */
export function configurationTable(): string {
  const rows = Object.entries(groups).flatMap(([group, title]) => [
    `| **${title}** | | | |`,
    ...variableNames.filter((name) => variables[name].group === group).map(row),
  ]);
  return ["| variable | type | default | what it does |", "|---|---|---|---|", ...rows].join("\n");
}

function row(name: VariableName): string {
  const variable = describeVariable(name);
  const shown = variable.default === undefined || variable.default === "" ? "" : `\`${variable.default}\``;
  const marks = `${variable.secret ? " (secret)" : ""}${variable.unused ? " (accepted, not used)" : ""}`;
  return `| \`${name}\` | ${variable.type}${marks} | ${shown} | ${variable.description.replaceAll("|", "\\|")} |`;
}
