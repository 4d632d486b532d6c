import { setTimeout as delay, setInterval as ticks } from "node:timers/promises";
import { messageOf } from "../kernel/errors.ts";
import { type Datapoint, type Message, SiteApi } from "./api.ts";
import { actuators, type Sensor, sensors, stateFrom } from "./catalogue.ts";
import { Connector } from "./connector.ts";
import { actuatorHistory, beginningOf, continueHistory, settledState } from "./history.ts";
import { labelOf, setUp } from "./setup.ts";
import { type Controls, defaultControls, type Moment, Site, type SiteState } from "./site.ts";

export interface SiteOptions {
  /** Base URL of the server. */
  readonly url: string;
  /** Value of the Authorization header. */
  readonly authorization: string;
  readonly mqttUrl: string;
  readonly mqttUser?: { readonly name: string; readonly password: string };
  /** Default `demo-site`. */
  readonly name?: string;
  /** Default 1. */
  readonly seed?: number;
  /** Of history; default 30. */
  readonly days?: number;
  /** Milliseconds between two rounds of values; default 10 000. */
  readonly every?: number;
  /** What a person may want to know. */
  report(line: string): void;
}

export interface RunningSite extends AsyncDisposable {
  readonly name: string;
  /** Values put into the history by this start. */
  readonly imported: number;
  readonly controls: Controls;
  /** The server's id of the datapoint. */
  idOf(key: string): number | undefined;
}

/** How long a round of values that is under way may take at the end. */
const lastRoundMs = 2_000;
/** How far back a former run is looked for, step by step: it may have left far more values than one wants to read. */
const lookBacks = [3_600_000, 86_400_000, 31 * 86_400_000, 400 * 86_400_000];

/**
 * Sets the site up on the server where that is missing, fills its history up to now and publishes from then on.
 * @throws OperatorError when server or broker cannot be reached or refuse
 */
export async function startSite(options: SiteOptions): Promise<RunningSite> {
  const name = options.name ?? "demo-site";
  const site = new Site(options.seed ?? 1);
  const run = new SiteRun(site, options.report);
  await using opened = new AsyncDisposableStack();
  const { mqttUrl: url, mqttUser } = options;
  const connector = opened.use(
    await Connector.connect({
      name,
      url,
      ...(mqttUser === undefined ? {} : { username: mqttUser.name, password: mqttUser.password }),
      onActuator: (key, value) => run.obey(key, value),
      onFault: options.report,
    }),
  );
  const api = new SiteApi(options.url, options.authorization);
  const datapoints = await setUp(api, connector, name, site);
  const imported = await run.fill(api, datapoints, options.days ?? 30);
  const stop = new AbortController();
  const live = run.live(connector, options.every ?? 10_000, stop.signal);
  const parts = opened.move();
  return {
    name,
    imported,
    get controls() {
      return run.controls;
    },
    idOf: (key) => datapoints.find((datapoint) => datapoint.key_in_connector === key)?.id,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await Promise.race([live, delay(lastRoundMs, undefined, { ref: false })]);
      await parts.disposeAsync();
    },
  };
}

class SiteRun {
  readonly #site: Site;
  readonly #report: (line: string) => void;
  #controls: Controls = defaultControls;
  #state: SiteState | undefined;

  constructor(site: Site, report: (line: string) => void) {
    this.#site = site;
    this.#report = report;
  }

  get controls(): Controls {
    return this.#controls;
  }

  /** Takes the value of an actuator, if it makes sense. */
  obey(key: string, value: unknown): void {
    const actuator = actuators.find((candidate) => candidate.key === key);
    const next = actuator?.apply(this.#controls, value);
    if (next === undefined) {
      this.#report(`${key} was sent ${JSON.stringify(value)}, which does not fit; it stays as it is.`);
      return;
    }
    this.#controls = next;
    this.#report(`${key} is now ${JSON.stringify(value)}.`);
  }

  /** Puts what is missing up to now; returns how many values. */
  async fill(api: SiteApi, datapoints: readonly Datapoint[], days: number): Promise<number> {
    const ids = new Map(datapoints.map((datapoint) => [labelOf(datapoint), datapoint.id]));
    const now = Date.now();
    const former = await formerRun(api, ids, now);
    for (const [key, { value }] of former.actuators) {
      const next = actuators.find((candidate) => candidate.key === key)?.apply(this.#controls, value);
      if (next !== undefined) this.#controls = next;
    }
    const beginning = beginningOf(now, days);
    const state = former.state ?? settledState(this.#site, this.#controls, beginning);
    const history = continueHistory(this.#site, state, this.#controls, now);
    this.#state = history.state;
    let imported = 0;
    const put = async (label: string, samples: Parameters<SiteApi["putValues"]>[1]) => {
      const id = ids.get(label);
      if (id === undefined || samples.length === 0) return;
      await api.putValues(id, samples);
      imported += samples.length;
    };
    if (former.actuators.size === 0)
      for (const { actuator, samples } of actuatorHistory(this.#controls, beginning, now))
        await put(`actuator ${actuator.key}`, samples);
    for (const { sensor, samples } of history.sensors) await put(`sensor ${sensor.key}`, samples);
    return imported;
  }

  /** Publishes a round of values every `every` milliseconds, until the signal. */
  async live(connector: Connector, every: number, signal: AbortSignal): Promise<void> {
    try {
      for await (const _ of ticks(every, undefined, { signal })) await this.#round(connector);
    } catch (error) {
      if (!signal.aborted) this.#report(`The simulated site has stopped: ${messageOf(error)}`);
    }
  }

  async #round(connector: Connector): Promise<void> {
    const now = Date.now();
    const before = this.#state;
    // The clock may have been set back.
    if (before === undefined || now <= before.time) return;
    const moment = this.#site.step(before, this.#controls, now);
    this.#state = moment.state;
    try {
      await Promise.all(sensors.map((sensor) => publish(connector, sensor, moment, now)));
    } catch (error) {
      this.#report(`A round of values was not delivered: ${messageOf(error)}`);
    }
  }
}

const publish = (connector: Connector, sensor: Sensor, moment: Moment, now: number): Promise<void> =>
  connector.publish(sensor.key, sensor.read(moment), now);

interface FormerRun {
  /** Undefined when some sensor has no values: there was none, or it broke off. */
  readonly state: SiteState | undefined;
  readonly actuators: ReadonlyMap<string, Message>;
}

/** How a former run left the site, read from the newest values of all datapoints. */
async function formerRun(api: SiteApi, ids: ReadonlyMap<string, number>, now: number): Promise<FormerRun> {
  const newest = async (label: string): Promise<Message | undefined> => {
    const id = ids.get(label);
    for (const lookBack of id === undefined ? [] : lookBacks) {
      const message = (await api.values(id ?? 0, now - lookBack)).at(-1);
      if (message !== undefined) return message;
    }
    return undefined;
  };
  const read = async (type: string, keys: readonly string[]) => {
    const found = new Map<string, Message>();
    for (const key of keys) {
      const message = await newest(`${type} ${key}`);
      if (message === undefined) break;
      found.set(key, message);
    }
    return found;
  };
  const known = await read(
    "sensor",
    sensors.map(({ key }) => key),
  );
  const set = await read(
    "actuator",
    actuators.map(({ key }) => key),
  );
  if (known.size < sensors.length) return { state: undefined, actuators: set };
  const values = new Map([...known].map(([key, { value }]) => [key, value]));
  // The newest of all: a sensor which was switched off has stopped long before.
  const time = Math.max(...[...known.values()].map(({ timestamp }) => timestamp));
  return { state: stateFrom(values, time), actuators: set };
}
