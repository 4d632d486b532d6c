import { batteryCapacity, batteryModes } from "./battery.ts";
import { type HeatPumpMode, heatPumpModes } from "./heat-pump.ts";
import { clamp } from "./noise.ts";
import { type Controls, initialState, type Moment, pvPeak, roomNames, type SiteState } from "./site.ts";

export type Value = number | string | boolean | null;
export type DataFormat = "continuous_numeric" | "generic_numeric" | "discrete_text" | "bool";

/** What the user interface and the checks of setpoints want to know about a datapoint. */
export interface Metadata {
  readonly data_format: DataFormat;
  readonly short_name: string;
  readonly description: string;
  readonly unit: string;
  readonly min_value?: number;
  readonly max_value?: number;
  readonly allowed_values?: readonly Value[];
}

export interface Sensor extends Metadata {
  readonly key: string;
  read(moment: Moment): Value;
}

export interface Actuator extends Metadata {
  readonly key: string;
  read(controls: Controls): Value;
  /** The controls with the value in place, or undefined when the value does not fit. */
  apply(controls: Controls, value: unknown): Controls | undefined;
}

const round = (value: number, digits: number): number => {
  const factor = 10 ** digits;
  // Adding zero turns -0 into 0.
  return Math.round(value * factor) / factor + 0;
};

type Range = readonly [least: number, most: number];

const measured = (
  key: string,
  description: string,
  unit: string,
  range: Range,
  digits: number,
  read: (moment: Moment) => number,
): Sensor => ({
  key,
  description,
  unit,
  data_format: "continuous_numeric",
  short_name: key.replaceAll("/", "_"),
  min_value: range[0],
  max_value: range[1],
  read: (moment) => round(clamp(read(moment), ...range), digits),
});

/** A counter in kWh, fed by watt-hours. */
const counter = (key: string, description: string, read: (moment: Moment) => number): Sensor => ({
  key,
  description,
  unit: "kWh",
  data_format: "generic_numeric",
  short_name: key.replaceAll("/", "_"),
  read: (moment) => round(read(moment) / 1000, 3),
});

const roomSensors = roomNames.map((name) =>
  measured(
    `room/${name}/temperature`,
    `Temperature, ${name.replace("_", " ")}`,
    "°C",
    [-10, 50],
    2,
    ({ state }) => state.rooms[name],
  ),
);

export const sensors: readonly Sensor[] = [
  measured("weather/temperature", "Outdoor temperature", "°C", [-40, 60], 1, (m) => m.weather.temperature),
  measured("weather/irradiance", "Global irradiance", "W/m²", [0, 1500], 0, (m) => m.weather.irradiance),
  measured("weather/wind_speed", "Wind speed", "m/s", [0, 60], 1, (m) => m.weather.wind),
  measured("weather/humidity", "Relative humidity", "%", [0, 100], 0, (m) => m.weather.humidity),
  measured("weather/pressure", "Air pressure", "hPa", [850, 1100], 1, (m) => m.weather.pressure),
  measured("weather/cloud_cover", "Cloud cover", "%", [0, 100], 0, (m) => m.weather.cloudCover * 100),
  measured("pv/power", "PV plant, power", "W", [0, pvPeak], 0, (m) => m.powers.pv),
  counter("pv/energy", "PV plant, energy counter", (m) => m.state.counters.pv),
  measured(
    "pv/module_temperature",
    "PV modules, temperature",
    "°C",
    [-40, 100],
    1,
    (m) => m.moduleTemperature,
  ),
  measured("heat_pump/power", "Heat pump, electrical power", "W", [0, 6000], 0, (m) => m.powers.heatPump),
  measured("heat_pump/heat", "Heat pump, thermal power", "W", [0, 12_000], 0, (m) => m.heatPump.heat),
  measured("heat_pump/flow_temperature", "Heat pump, flow", "°C", [0, 80], 1, (m) => m.state.flowTemperature),
  measured("heat_pump/cop", "Heat pump, coefficient of performance", "", [0, 10], 2, (m) => m.heatPump.cop),
  measured(
    "heat_pump/floor_heat",
    "Heating, power given to rooms",
    "W",
    [0, 12_000],
    0,
    (m) => m.state.floorHeat,
  ),
  counter("heat_pump/energy", "Heat pump, energy counter", (m) => m.state.counters.heatPump),
  {
    key: "heat_pump/state",
    description: "Heat pump, mode of operation",
    unit: "",
    data_format: "discrete_text",
    short_name: "heat_pump_state",
    allowed_values: heatPumpModes,
    read: (moment) => moment.heatPump.mode,
  },
  {
    key: "heat_pump/running",
    description: "Heat pump, compressor runs",
    unit: "",
    data_format: "bool",
    short_name: "heat_pump_running",
    read: (moment) => moment.heatPump.cop > 0,
  },
  measured("meter/grid/power", "Grid meter, power drawn", "W", [-20_000, 30_000], 0, (m) => m.powers.grid),
  counter("meter/grid/energy_import", "Grid meter, energy drawn", (m) => m.state.counters.imported),
  counter("meter/grid/energy_export", "Grid meter, energy fed in", (m) => m.state.counters.exported),
  measured("meter/house/power", "House meter, power of all loads", "W", [0, 30_000], 0, ({ powers }) => {
    return powers.household + powers.heatPump;
  }),
  counter("meter/house/energy", "House meter, energy of all loads", (m) => m.state.counters.house),
  ...roomSensors,
  measured("room/living_room/co2", "Carbon dioxide, living room", "ppm", [300, 5000], 0, (m) => m.co2),
  measured("battery/state_of_charge", "Battery, state of charge", "%", [0, 100], 2, ({ state }) => {
    return (state.stored / batteryCapacity) * 100;
  }),
  measured(
    "battery/power",
    "Battery, power while charging",
    "W",
    [-10_000, 10_000],
    0,
    (m) => m.powers.battery,
  ),
];

export const actuators: readonly Actuator[] = [
  {
    key: "heat_pump/room_setpoint",
    description: "Heat pump, wanted room temperature",
    unit: "°C",
    data_format: "continuous_numeric",
    short_name: "room_setpoint",
    min_value: 15,
    max_value: 26,
    read: (controls) => controls.roomSetpoint,
    apply: (controls, value) => (isWithin(value, 15, 26) ? { ...controls, roomSetpoint: value } : undefined),
  },
  {
    key: "heat_pump/enable",
    description: "Heat pump, may run",
    unit: "",
    data_format: "bool",
    short_name: "heat_pump_enable",
    read: (controls) => controls.heatPumpEnabled,
    apply: (controls, value) =>
      typeof value === "boolean" ? { ...controls, heatPumpEnabled: value } : undefined,
  },
  {
    key: "battery/mode",
    description: "Battery, mode of operation",
    unit: "",
    data_format: "discrete_text",
    short_name: "battery_mode",
    allowed_values: batteryModes,
    read: (controls) => controls.batteryMode,
    apply: (controls, value) => {
      const mode = batteryModes.find((known) => known === value);
      return mode === undefined ? undefined : { ...controls, batteryMode: mode };
    },
  },
  {
    key: "battery/max_power",
    description: "Battery, limit of its power",
    unit: "W",
    data_format: "continuous_numeric",
    short_name: "battery_max_power",
    min_value: 0,
    max_value: 5000,
    read: (controls) => controls.batteryMaxPower,
    apply: (controls, value) =>
      isWithin(value, 0, 5000) ? { ...controls, batteryMaxPower: value } : undefined,
  },
];

const isWithin = (value: unknown, least: number, most: number): value is number =>
  typeof value === "number" && value >= least && value <= most;

/** The state as the last values of a former run tell it; what is missing is as at the very beginning. */
export function stateFrom(values: ReadonlyMap<string, unknown>, time: number): SiteState {
  const fresh = initialState(time);
  const number = (key: string, otherwise: number, factor = 1): number => {
    const value = values.get(key);
    return typeof value === "number" ? value * factor : otherwise;
  };
  const { counters } = fresh;
  const rooms = roomNames.map((name) => [name, number(`room/${name}/temperature`, fresh.rooms[name])]);
  return {
    time,
    rooms: Object.fromEntries(rooms) as SiteState["rooms"],
    flowTemperature: number("heat_pump/flow_temperature", fresh.flowTemperature),
    heatPumpMode: modeFrom(values.get("heat_pump/state")) ?? fresh.heatPumpMode,
    floorHeat: number("heat_pump/floor_heat", fresh.floorHeat),
    stored: number("battery/state_of_charge", fresh.stored, batteryCapacity / 100),
    counters: {
      pv: number("pv/energy", counters.pv, 1000),
      house: number("meter/house/energy", counters.house, 1000),
      heatPump: number("heat_pump/energy", counters.heatPump, 1000),
      imported: number("meter/grid/energy_import", counters.imported, 1000),
      exported: number("meter/grid/energy_export", counters.exported, 1000),
    },
  };
}

const modeFrom = (value: unknown): HeatPumpMode | undefined => heatPumpModes.find((mode) => mode === value);
