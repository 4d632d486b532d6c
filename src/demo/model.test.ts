import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { batteryCapacity, batteryModes } from "./battery.ts";
import { actuators, sensors, stateFrom, type Value } from "./catalogue.ts";
import { beginningOf, continueHistory, historyStep, settledState } from "./history.ts";
import { type Controls, defaultControls, initialState, type Moment, Site } from "./site.ts";
import { sunHeight } from "./weather.ts";

const day = 86_400_000;
const seeds = fc.integer({ min: 1, max: 10_000 });
const times = fc.integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2030, 0, 1) });
const someControls: fc.Arbitrary<Controls> = fc.record({
  roomSetpoint: fc.double({ min: 15, max: 26, noNaN: true }),
  heatPumpEnabled: fc.boolean(),
  batteryMode: fc.constantFrom(...batteryModes),
  batteryMaxPower: fc.integer({ min: 0, max: 5000 }),
});

/** A run of steps with whatever controls and step widths. */
function walk(seed: number, start: number, controls: Controls, widths: readonly number[]): readonly Moment[] {
  const site = new Site(seed);
  let state = initialState(start);
  return widths.map((width) => {
    const moment = site.step(state, controls, state.time + width);
    state = moment.state;
    return moment;
  });
}

const steps = fc.array(fc.integer({ min: 1_000, max: 300_000 }), { minLength: 2, maxLength: 300 });

describe("the simulated site", () => {
  it("draws from the grid what it uses and does not make itself, to the watt", () => {
    fc.assert(
      fc.property(seeds, times, someControls, steps, (seed, start, controls, widths) => {
        for (const { powers } of walk(seed, start, controls, widths)) {
          const { grid, household, heatPump, battery, pv } = powers;
          expect(grid).toBe(household + heatPump + battery - pv);
          expect(Object.values(powers).every(Number.isInteger)).toBe(true);
        }
      }),
      { numRuns: 50 },
    );
  });

  it("counts energy as power over time, and no counter ever falls", () => {
    fc.assert(
      fc.property(seeds, times, someControls, steps, (seed, start, controls, widths) => {
        const moments = walk(seed, start, controls, widths);
        for (const [index, moment] of moments.entries()) {
          const before = (moments[index - 1]?.state ?? initialState(start)).counters;
          const hours = (widths[index] ?? 0) / 3_600_000;
          const { counters } = moment.state;
          const { grid, pv, household, heatPump } = moment.powers;
          const net = counters.imported - before.imported - (counters.exported - before.exported);
          expect(net).toBeCloseTo(grid * hours, 4);
          expect(counters.pv - before.pv).toBeCloseTo(pv * hours, 4);
          expect(counters.house - before.house).toBeCloseTo((household + heatPump) * hours, 4);
          for (const name of ["pv", "house", "heatPump", "imported", "exported"] as const)
            expect(counters[name]).toBeGreaterThanOrEqual(before[name]);
        }
      }),
      { numRuns: 50 },
    );
  });

  it("keeps the battery within its limits, whatever it is told", () => {
    fc.assert(
      fc.property(seeds, times, someControls, steps, (seed, start, controls, widths) => {
        for (const { powers, state } of walk(seed, start, controls, widths)) {
          expect(Math.abs(powers.battery)).toBeLessThanOrEqual(controls.batteryMaxPower);
          expect(state.stored).toBeGreaterThanOrEqual(0);
          expect(state.stored).toBeLessThanOrEqual(batteryCapacity);
          if (controls.batteryMode === "hold") expect(powers.battery).toBe(0);
        }
      }),
      { numRuns: 50 },
    );
  });

  it("is the same for the same seed and another for another", () => {
    const controls = defaultControls;
    const widths = Array.from({ length: 50 }, () => 60_000);
    const start = Date.UTC(2026, 5, 1, 9);
    expect(walk(7, start, controls, widths)).toEqual(walk(7, start, controls, widths));
    expect(walk(7, start, controls, widths)).not.toEqual(walk(8, start, controls, widths));
  });

  it("has the sun at its highest near noon, higher in summer, and none at night", () => {
    const noon = (month: number) => sunHeight(Date.UTC(2026, month, 21, 11, 15));
    expect(Math.asin(noon(5)) * (180 / Math.PI)).toBeCloseTo(90 - 48.1 + 23.44, 0);
    expect(Math.asin(noon(11)) * (180 / Math.PI)).toBeCloseTo(90 - 48.1 - 23.44, 0);
    expect(sunHeight(Date.UTC(2026, 5, 21, 23, 15))).toBeLessThan(0);
  });

  it("warms its rooms towards the setpoint, and lets them cool when the heat pump is off", () => {
    const start = Date.UTC(2026, 0, 10);
    const widths = Array.from({ length: 4 * 288 }, () => historyStep);
    const warmest = ({ state }: Moment) => state.rooms.living_room;
    const last = (controls: Controls) => warmest(walk(3, start, controls, widths).at(-1) as Moment);
    const warm = last({ ...defaultControls, roomSetpoint: 23 });
    const usual = last({ ...defaultControls, roomSetpoint: 18 });
    const off = last({ ...defaultControls, heatPumpEnabled: false });
    expect(warm).toBeGreaterThan(usual + 2);
    expect(usual).toBeGreaterThan(off);
  });
});

describe("the history", () => {
  const now = Date.UTC(2026, 4, 20, 13, 7);
  const site = new Site(1);
  const beginning = beginningOf(now, 30);
  const settled = settledState(site, defaultControls, beginning);
  const history = continueHistory(site, settled, defaultControls, now);
  const column = (key: string): readonly Value[] =>
    history.sensors.find(({ sensor }) => sensor.key === key)?.samples.map(({ value }) => value) ?? [];
  const numbers = (key: string) => column(key).map(Number);

  it("has each sensor every five minutes for 30 days", () => {
    expect(sensors.length).toBeGreaterThanOrEqual(28);
    expect(actuators).toHaveLength(4);
    const count = Math.floor((now - beginning) / historyStep);
    for (const { samples } of history.sensors) {
      expect(samples).toHaveLength(count);
      expect(samples.every(({ time }) => time % historyStep === 0 && time <= now)).toBe(true);
    }
  });

  it("stays within what its metadata say", () => {
    for (const { sensor, samples } of history.sensors) {
      const { min_value: least, max_value: most, allowed_values: allowed } = sensor;
      const strays = samples.filter(
        ({ value }) =>
          (least !== undefined && Number(value) < least) ||
          (most !== undefined && Number(value) > most) ||
          (allowed !== undefined && !allowed.includes(value)),
      );
      expect(strays).toEqual([]);
    }
  });

  it("adds up in what is published, too", () => {
    const battery = numbers("battery/power");
    const house = numbers("meter/house/power");
    const pv = numbers("pv/power");
    expect(numbers("meter/grid/power")).toEqual(
      house.map((loads, i) => loads + (battery[i] ?? 0) - (pv[i] ?? 0) + 0),
    );
    const energy = numbers("meter/house/energy");
    const used = house.slice(1).reduce((sum, power) => sum + power / 12_000, 0);
    expect((energy.at(-1) ?? 0) - (energy[0] ?? 0)).toBeCloseTo(used, 2);
  });

  it("looks like a house in May", () => {
    const range = (key: string) => [Math.min(...numbers(key)), Math.max(...numbers(key))] as const;
    expect(range("pv/power")[0]).toBe(0);
    expect(range("pv/power")[1]).toBeGreaterThan(5000);
    const [coldest, hottest] = range("weather/temperature");
    expect(coldest).toBeGreaterThan(-5);
    expect(hottest).toBeLessThan(38);
    expect(hottest - coldest).toBeGreaterThan(8);
    const [least, most] = range("room/living_room/temperature");
    expect(least).toBeGreaterThan(18);
    expect(most).toBeLessThan(29);
    expect(new Set(column("heat_pump/state")).size).toBeGreaterThanOrEqual(2);
    expect(range("battery/state_of_charge")[1]).toBeGreaterThan(80);
    const yearly =
      ((numbers("meter/house/energy").at(-1) ?? 0) - (numbers("meter/house/energy")[0] ?? 0)) * 12;
    expect(yearly).toBeGreaterThan(2000);
    expect(yearly).toBeLessThan(12_000);
  });

  it("goes on from the values which a former run left", () => {
    const values = new Map(history.sensors.map(({ sensor, samples }) => [sensor.key, samples.at(-1)?.value]));
    const { state } = history;
    const resumed = stateFrom(values, state.time);
    expect(resumed.heatPumpMode).toBe(state.heatPumpMode);
    expect(resumed.stored).toBeCloseTo(state.stored, 0);
    expect(resumed.counters.imported).toBeCloseTo(state.counters.imported, -1);
    expect(resumed.rooms.kitchen).toBeCloseTo(state.rooms.kitchen, 1);
    const one = continueHistory(site, resumed, defaultControls, state.time + day);
    const other = continueHistory(site, state, defaultControls, state.time + day);
    for (const [index, { sensor, samples }] of one.sensors.entries()) {
      expect(samples.map(({ time }) => time)).toEqual(other.sensors[index]?.samples.map(({ time }) => time));
      if (sensor.key.startsWith("weather/")) expect(samples).toEqual(other.sensors[index]?.samples);
    }
  });
});
