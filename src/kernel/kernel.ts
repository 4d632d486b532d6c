import type { ChangeLog } from "./changes/changes.ts";
import type { Config } from "./config/config.ts";
import type { Database, Migrations } from "./database/engine.ts";
import type { Http } from "./http/http.ts";
import type { Identity } from "./identity/identity.ts";
import type { Live } from "./live/live.ts";
import type { MqttLink } from "./mqtt/link.ts";
import type { Health } from "./observe/health.ts";
import type { Log } from "./observe/log.ts";
import type { Metrics } from "./observe/metrics.ts";
import type { Clock } from "./time.ts";
import type { StreamOwners } from "./timeseries/owners.ts";
import type { TimeSeries } from "./timeseries/store.ts";

/** What the composition root hands to each feature. */
export interface Kernel {
  readonly config: Config;
  readonly log: Log;
  readonly clock: Clock;
  readonly database: Database;
  readonly timeseries: TimeSeries;
  /** Features that own streams say here who may see them. */
  readonly streamOwners: StreamOwners;
  readonly identity: Identity;
  readonly changes: ChangeLog;
  readonly live: Live;
  readonly mqtt: MqttLink;
  readonly http: Http;
  readonly metrics: Metrics;
  readonly health: Health;
}

/** A feature as the composition root sees it: what it brings before the start, and how it is installed. */
export interface Feature {
  readonly name: string;
  readonly migrations: Migrations;
  /** Resource types on which it asks for rights; each gets view, add, change and delete. */
  readonly resources: readonly string[];
  /** Registers routes and handlers; may read the database. Nothing listens yet. */
  install(kernel: Kernel): Promise<InstalledFeature>;
}

export interface InstalledFeature extends AsyncDisposable {
  /** Runs after HTTP and broker are set up: publish what must be known, begin background work. */
  start(): Promise<void>;
}
