/**
 * The configuration the program thinks in. `env.ts` reads and checks the variables once; nothing else touches process.env.
 */
export interface Config {
  /** Absolute path. */
  readonly dataDir: string;
  readonly http: HttpConfig;
  readonly mqtt: MqttConfig;
  readonly database: DatabaseConfig;
  readonly identity: IdentityConfig;
  readonly live: LiveConfig;
  readonly log: LogConfig;
  readonly extensions: { readonly control: boolean; readonly history: boolean };
  /** How long commands that have ended are kept. Milliseconds. */
  readonly commands: { readonly keepMillis: number };
}

export interface HttpConfig {
  readonly host: string;
  readonly port: number;
  /** 0 = off. */
  readonly httpsPort: number;
  readonly extraPorts: readonly number[];
  /** Prefix of the datapoints routes: "" or "some/path/" (no leading, with trailing slash). */
  readonly rootPath: string;
  /** Host names the server answers to besides IP literals, localhost and the machine's own name; `*` = any. Lower case. */
  readonly allowedHosts: readonly string[];
  /** Addresses or CIDR ranges whose forwarded headers are believed. */
  readonly trustedProxies: readonly string[];
  readonly redirectHttps: boolean;
  /** Session cookies are marked Secure. */
  readonly secureCookies: boolean;
  readonly corsOrigins: readonly string[];
  /** Absent = a self-signed pair is made once and kept in the data folder. */
  readonly certificate?: CertificateConfig;
}

export interface CertificateConfig {
  /** PEM texts, checked to belong together. */
  readonly cert: string;
  readonly key: string;
  /** The files they came from, both or none: re-read when they change. */
  readonly certFile?: string;
  readonly keyFile?: string;
}

export type MqttConfig =
  | {
      readonly kind: "external";
      readonly host: string;
      readonly port: number;
      readonly tls: boolean;
      readonly user?: string;
      readonly password?: string;
    }
  | { readonly kind: "embedded"; readonly host: string; readonly port: number; readonly anonymous: boolean }
  | { readonly kind: "off" };

export type DatabaseConfig =
  | { readonly engine: "sqlite"; readonly file: string }
  | { readonly engine: "postgres"; readonly connectionString: string; readonly ssl?: boolean };

export interface IdentityConfig {
  /** Configured secret; absent = generated once and kept in the data folder. */
  readonly secret?: string;
  /** Made at the start when missing. */
  readonly superuser?: { readonly name: string; readonly password: string; readonly email: string };
}

/** How many live connections there may be. */
export interface LiveConfig {
  readonly total: number;
  readonly perAccount: number;
}

export interface LogConfig {
  readonly level: "trace" | "debug" | "info" | "warn" | "error" | "fatal";
}
