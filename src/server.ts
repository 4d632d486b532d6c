import { datapoints } from "./features/datapoints/index.ts";
import { live as livePush } from "./features/live/index.ts";
import { streams } from "./features/streams/index.ts";
import { createChangeLog } from "./kernel/changes/change-log.ts";
import { changesMigrations } from "./kernel/changes/migrations.ts";
import type { Config } from "./kernel/config/config.ts";
import type { DataFolder } from "./kernel/config/data-folder.ts";
import type { Database, Migrations } from "./kernel/database/engine.ts";
import { migrate } from "./kernel/database/migrate.ts";
import { openDatabase } from "./kernel/database/open.ts";
import { createHttp } from "./kernel/http/app.ts";
import { watchCertificate } from "./kernel/http/certificate-watch.ts";
import { identityMigrations } from "./kernel/identity/migrations.ts";
import { openIdentity } from "./kernel/identity/open.ts";
import { registerIdentityRoutes } from "./kernel/identity/routes.ts";
import { leaseMigrations } from "./kernel/jobs/lease.ts";
import type { Feature, InstalledFeature, Kernel } from "./kernel/kernel.ts";
import { openLive } from "./kernel/live/open.ts";
import { mqttMigrations } from "./kernel/mqtt/migrations.ts";
import { openMqtt } from "./kernel/mqtt/open.ts";
import { Health } from "./kernel/observe/health.ts";
import { countLines, type Log } from "./kernel/observe/log.ts";
import { createMetrics } from "./kernel/observe/metrics.ts";
import { watchParts } from "./kernel/observe/parts.ts";
import { type Clock, systemClock } from "./kernel/time.ts";
import { timeseriesMigrations } from "./kernel/timeseries/migrations.ts";
import { openTimeSeries } from "./kernel/timeseries/open.ts";
import { StreamOwners } from "./kernel/timeseries/owners.ts";
import { summarise, urlsOf } from "./summary.ts";
import { version } from "./version.ts";

/** Everything the product can do; the order is that of installation. */
const features: readonly Feature[] = [datapoints, streams, livePush];

/** All steps of the schema, in the order they run. */
export const allMigrations: Migrations = {
  ...changesMigrations,
  ...identityMigrations,
  ...timeseriesMigrations,
  ...mqttMigrations,
  ...leaseMigrations,
  ...Object.assign({}, ...features.map((feature) => feature.migrations)),
};

/** Resource types on which there are rights, besides the kernel's own. */
export const allResources: readonly string[] = features.flatMap((feature) => feature.resources);

export interface ServerParts {
  readonly folder: DataFolder;
  readonly log: Log;
  /** Default the system's. */
  readonly clock?: Clock;
}

export interface Server {
  /** Base URLs, without a final slash; HTTP first. */
  readonly urls: readonly string[];
  /** Lines that tell the operator what runs where. */
  readonly summary: readonly string[];
  /** Present while there is no superuser. */
  readonly setupLink?: string;
  readonly kernel: Kernel;
  /** Drains and flushes; resolves when everything is closed. */
  close(): Promise<void>;
}

/**
 * Builds the server from its parts and starts it: the only place that knows them all. Whatever was opened is closed
 * again, in reverse order, when a later part fails.
 * @throws OperatorError for whatever the operator can mend
 */
export async function startServer(config: Config, parts: ServerParts): Promise<Server> {
  await using opened = new AsyncDisposableStack();
  const { log, folder, clock = systemClock } = parts;
  const database = opened.use(await openDatabase(config.database, log));
  const ran = await migrate(database, allMigrations);
  if (ran.length > 0) log.info({ steps: ran }, "the schema was brought up to date");
  const metrics = createMetrics();
  countLines(log, metrics);
  const health = new Health();
  const changes = opened.use(await createChangeLog({ database, clock, log }));
  const identity = opened.use(
    await openIdentity({
      database,
      changes,
      clock,
      log,
      secret: config.identity.secret ?? folder.secret(),
      resources: allResources,
      secureCookies: config.http.secureCookies,
    }),
  );
  if (config.identity.superuser) await identity.ensureSuperuser(config.identity.superuser);
  const timeseries = opened.use(await openTimeSeries({ database, log, clock, metrics }));
  const streamOwners = new StreamOwners();
  const live = opened.use(openLive({ timeseries, changes, owners: streamOwners, log, metrics }));
  const mqtt = opened.use(await openMqtt({ config, folder, database, identity, log, metrics, clock }));
  const server = await createHttp({
    config: config.http,
    log,
    identity,
    health,
    metrics,
    clock,
    version,
    dataDir: folder.path,
  });
  opened.defer(() => server.close());
  const { certFile, keyFile } = config.http.certificate ?? {};
  if (certFile !== undefined && keyFile !== undefined)
    opened.use(watchCertificate({ certFile, keyFile }, (pair) => server.reloadCertificate(pair), log));
  registerIdentityRoutes(server.app, identity, changes);
  const kernel: Kernel = {
    config,
    log,
    clock,
    database,
    timeseries,
    streamOwners,
    identity,
    changes,
    live,
    mqtt,
    http: server.app,
    metrics,
    health,
  };
  const installed: InstalledFeature[] = [];
  for (const feature of features) installed.push(opened.use(await feature.install(kernel)));
  watchParts(kernel);
  const bound = await server.listen();
  for (const feature of installed) await feature.start();
  const urls = urlsOf(config.http, bound);
  const setupLink = await identity.setupLink(urls[0] ?? "");
  const running = opened.move();
  return {
    urls,
    summary: summarise({ urls, database: describe(database), mqtt: mqtt.status, version }),
    ...(setupLink === undefined ? {} : { setupLink }),
    kernel,
    close: async () => {
      health.drain();
      live.drain();
      // Nothing new comes in before the parts it needs go away; what came in is answered and acknowledged.
      await Promise.all([server.close(), mqtt[Symbol.asyncDispose]()]);
      await running.disposeAsync();
    },
  };
}

const describe = (database: Database): string => database.description;
