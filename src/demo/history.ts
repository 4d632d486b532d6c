import { type Actuator, actuators, type Sensor, sensors, type Value } from "./catalogue.ts";
import { type Controls, initialState, type Site, type SiteState } from "./site.ts";

const minute = 60_000;
const day = 24 * 60 * minute;
/** Milliseconds between two points of the history. */
export const historyStep = 5 * minute;
/** The rooms and the battery forget where they began within some days. */
const settling = 4 * day;

export interface Sample {
  readonly time: number;
  readonly value: Value;
}

export interface History {
  readonly sensors: readonly { readonly sensor: Sensor; readonly samples: readonly Sample[] }[];
  /** Where the site stands at its end. */
  readonly state: SiteState;
}

/** The points on the five-minute grid after `state.time`, up to and including `until`. */
export function continueHistory(site: Site, from: SiteState, controls: Controls, until: number): History {
  const columns = sensors.map((sensor) => ({ sensor, samples: [] as Sample[] }));
  let state = from;
  for (let time = gridAfter(from.time); time <= until; time += historyStep) {
    const moment = site.step(state, controls, time);
    state = moment.state;
    for (const { sensor, samples } of columns) samples.push({ time, value: sensor.read(moment) });
  }
  return { sensors: columns, state };
}

const gridAfter = (time: number): number => (Math.floor(time / historyStep) + 1) * historyStep;

/** UTC midnight, so that an attempt which broke off and one soon after begin at the same point. */
export const beginningOf = (now: number, days: number): number => Math.floor(now / day) * day - days * day;

/** A state that has settled by `start`, with its counters as new as at the start. */
export function settledState(site: Site, controls: Controls, start: number): SiteState {
  let state = initialState(start - settling);
  while (state.time < start) state = site.step(state, controls, state.time + historyStep).state;
  return { ...state, counters: initialState(start).counters };
}

/** What the actuators were set to: the same value once a day. */
export const actuatorHistory = (
  controls: Controls,
  from: number,
  until: number,
): readonly { readonly actuator: Actuator; readonly samples: readonly Sample[] }[] =>
  actuators.map((actuator) => {
    const samples: Sample[] = [];
    for (let time = from; time <= until; time += day) samples.push({ time, value: actuator.read(controls) });
    return { actuator, samples };
  });
