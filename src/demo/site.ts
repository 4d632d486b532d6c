import { type BatteryMode, batteryPower, storedAfter } from "./battery.ts";
import { type HeatPumpMode, type HeatPumpOutput, runHeatPump } from "./heat-pump.ts";
import { householdPower, occupancyAt } from "./house.ts";
import { clamp, Noise } from "./noise.ts";
import { type Weather, weatherAt } from "./weather.ts";

/** What the actuators are set to. */
export interface Controls {
  /** °C */
  readonly roomSetpoint: number;
  readonly heatPumpEnabled: boolean;
  readonly batteryMode: BatteryMode;
  /** Watts. */
  readonly batteryMaxPower: number;
}

export const defaultControls: Controls = {
  roomSetpoint: 21,
  heatPumpEnabled: true,
  batteryMode: "auto",
  batteryMaxPower: 5000,
};

export const roomNames = ["living_room", "kitchen", "bedroom", "office", "bathroom"] as const;
export type RoomName = (typeof roomNames)[number];

/** How a room differs from the others: its share of the heat, of the sun, and of what people give off. */
const rooms: Readonly<Record<RoomName, { heat: number; sun: number; people: number; loss: number }>> = {
  living_room: { heat: 0.3, sun: 1.9, people: 260, loss: 50 },
  kitchen: { heat: 0.18, sun: 1, people: 190, loss: 32 },
  bedroom: { heat: 0.15, sun: 0.6, people: 60, loss: 34 },
  office: { heat: 0.19, sun: 1.3, people: 120, loss: 36 },
  bathroom: { heat: 0.18, sun: 0.2, people: 70, loss: 26 },
};

/** Watt-hours per kelvin of one room, walls included. */
const roomCapacity = 2100;
/** Watts per kelvin between a room and the mean of all. */
const roomCoupling = 45;

/** What runs on from one moment to the next; every part of it is a datapoint, so that a restart can read it back. */
export interface SiteState {
  /** Milliseconds UTC. */
  readonly time: number;
  readonly rooms: Readonly<Record<RoomName, number>>;
  readonly flowTemperature: number;
  readonly heatPumpMode: HeatPumpMode;
  /** Watts which the floors give to the rooms; follows the heat pump with an hour's lag. */
  readonly floorHeat: number;
  /** Watt-hours in the battery. */
  readonly stored: number;
  readonly counters: Counters;
}

/** Watt-hours since the meters were fitted; never falling. */
export interface Counters {
  readonly pv: number;
  readonly house: number;
  readonly heatPump: number;
  readonly imported: number;
  readonly exported: number;
}

/** Whole watts in the interval that ends now; grid = household + heatPump + battery - pv. */
export interface Powers {
  readonly pv: number;
  readonly household: number;
  readonly heatPump: number;
  /** Positive while it charges. */
  readonly battery: number;
  /** Positive while energy is drawn from the grid. */
  readonly grid: number;
}

/** Everything there is to measure at one moment. */
export interface Moment {
  readonly state: SiteState;
  readonly weather: Weather;
  readonly powers: Powers;
  readonly heatPump: HeatPumpOutput;
  readonly moduleTemperature: number;
  /** ppm */
  readonly co2: number;
}

/** Peak power of the PV plant, watts. */
export const pvPeak = 9800;

export function initialState(time: number): SiteState {
  return {
    time,
    rooms: { living_room: 21.2, kitchen: 21, bedroom: 19.5, office: 20.6, bathroom: 21.8 },
    flowTemperature: 28,
    heatPumpMode: "standby",
    floorHeat: 1500,
    stored: 4000,
    counters: {
      pv: 8_412_000,
      house: 6_035_000,
      heatPump: 3_204_000,
      imported: 5_127_000,
      exported: 4_300_000,
    },
  };
}

/** The physics: a pure function of seed, state, controls and time. */
export class Site {
  readonly #noise: Noise;

  constructor(seed: number) {
    this.#noise = new Noise(seed);
  }

  /** What is measured at `time`, which is after `state.time`; steps of up to some minutes are exact enough. */
  step(state: SiteState, controls: Controls, time: number): Moment {
    const hours = (time - state.time) / 3_600_000;
    const weather = weatherAt(this.#noise, time);
    const indoor = mean(state.rooms);
    const heatPump = runHeatPump({
      time,
      enabled: controls.heatPumpEnabled,
      before: state.heatPumpMode,
      indoor,
      outdoor: weather.temperature,
      setpoint: controls.roomSetpoint,
    });
    const moduleTemperature = weather.temperature + (weather.irradiance / 800) * (24 - 0.8 * weather.wind);
    const powers = this.#balance(state, controls, weather, heatPump, moduleTemperature, hours);
    const floorSource = heatPump.mode === "heating" ? heatPump.heat : 0;
    const floorHeat = approach(state.floorHeat, floorSource, hours / 0.9);
    return {
      state: {
        time,
        rooms: this.#warm(state.rooms, indoor, weather, floorHeat, time, hours),
        flowTemperature: approach(state.flowTemperature, heatPump.flowTarget, hours / 0.2),
        heatPumpMode: heatPump.mode,
        floorHeat,
        stored: storedAfter(state.stored, powers.battery, hours),
        counters: count(state.counters, powers, hours),
      },
      weather,
      powers,
      heatPump,
      moduleTemperature,
      co2: 430 + 620 * occupancyAt(time) + 90 * this.#noise.smooth(30, time, 1_800_000),
    };
  }

  #balance(
    state: SiteState,
    controls: Controls,
    weather: Weather,
    heatPump: HeatPumpOutput,
    moduleTemperature: number,
    hours: number,
  ): Powers {
    const efficiency = 0.88 * (1 - 0.0038 * (moduleTemperature - 25));
    const pv = Math.round(clamp((pvPeak * weather.irradiance * efficiency) / 1000, 0, pvPeak));
    const household = householdPower(this.#noise, state.time + hours * 3_600_000);
    const surplus = pv - household - heatPump.power;
    const battery = batteryPower({
      mode: controls.batteryMode,
      maxPower: controls.batteryMaxPower,
      stored: state.stored,
      surplus,
      hours,
    });
    return { pv, household, heatPump: heatPump.power, battery, grid: battery - surplus };
  }

  #warm(
    before: SiteState["rooms"],
    indoor: number,
    weather: Weather,
    floorHeat: number,
    time: number,
    hours: number,
  ): SiteState["rooms"] {
    const occupancy = occupancyAt(time);
    const warmed = roomNames.map((name) => {
      const { heat, sun, people, loss } = rooms[name];
      const temperature = before[name];
      // Somebody opens a window when it is hot inside and cooler outside.
      const aired = temperature > 24.5 && weather.temperature < temperature ? loss * 4 : loss;
      const gain =
        floorHeat * heat +
        weather.irradiance * sun * 0.5 +
        occupancy * people +
        aired * (weather.temperature - temperature) +
        roomCoupling * (indoor - temperature);
      return [name, temperature + (gain * hours) / roomCapacity] as const;
    });
    return Object.fromEntries(warmed) as Record<RoomName, number>;
  }
}

const mean = (temperatures: SiteState["rooms"]): number =>
  roomNames.reduce((sum, name) => sum + temperatures[name], 0) / roomNames.length;

/** First-order lag: how far `value` has come to `target` after `elapsed` time constants. */
const approach = (value: number, target: number, elapsed: number): number =>
  target + (value - target) * Math.exp(-elapsed);

const count = (before: Counters, powers: Powers, hours: number): Counters => ({
  pv: before.pv + powers.pv * hours,
  house: before.house + (powers.household + powers.heatPump) * hours,
  heatPump: before.heatPump + powers.heatPump * hours,
  imported: before.imported + Math.max(0, powers.grid) * hours,
  exported: before.exported + Math.max(0, -powers.grid) * hours,
});
