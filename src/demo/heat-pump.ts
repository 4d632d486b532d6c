import { clamp } from "./noise.ts";
import { localHour } from "./weather.ts";

export type HeatPumpMode = "off" | "standby" | "heating" | "hot water";

export const heatPumpModes: readonly HeatPumpMode[] = ["off", "standby", "heating", "hot water"];

export interface HeatPumpInput {
  readonly time: number;
  readonly enabled: boolean;
  readonly before: HeatPumpMode;
  /** Mean of the rooms, °C. */
  readonly indoor: number;
  readonly outdoor: number;
  readonly setpoint: number;
}

export interface HeatPumpOutput {
  readonly mode: HeatPumpMode;
  /** What the flow temperature tends to, °C. */
  readonly flowTarget: number;
  /** 0 while the compressor rests. */
  readonly cop: number;
  /** Electrical, whole watts. */
  readonly power: number;
  /** Thermal, whole watts. */
  readonly heat: number;
}

/** Kelvin below and above the setpoint at which it starts and stops. */
const hysteresis = 0.25;
const hotWaterTemperature = 52;
const standbyPower = 14;

export function runHeatPump(input: HeatPumpInput): HeatPumpOutput {
  const mode = nextMode(input);
  if (mode === "off" || mode === "standby")
    return { mode, flowTarget: input.indoor, cop: 0, power: mode === "off" ? 0 : standbyPower, heat: 0 };
  const cold = Math.max(0, 20 - input.outdoor);
  const flowTarget = mode === "heating" ? clamp(27 + 0.55 * cold, 27, 48) : hotWaterTemperature;
  const wanted = mode === "heating" ? clamp(2200 + 260 * cold, 2500, 9000) : 4500;
  const cop = copOf(flowTarget, input.outdoor);
  const power = Math.round(wanted / cop);
  return { mode, flowTarget, cop, power, heat: Math.round(power * cop) };
}

function nextMode({ time, enabled, before, indoor, setpoint }: HeatPumpInput): HeatPumpMode {
  if (!enabled) return "off";
  const clock = localHour(time);
  if (clock >= 12.5 && clock < 13.5) return "hot water";
  if (indoor < setpoint - hysteresis) return "heating";
  if (indoor > setpoint + hysteresis) return "standby";
  return before === "heating" ? "heating" : "standby";
}

/** 45 % of what Carnot allows between evaporator (8 K below the air) and condenser (4 K above the flow). */
function copOf(flow: number, outdoor: number): number {
  const hot = flow + 4 + 273.15;
  const lift = Math.max(15, hot - (outdoor - 8 + 273.15));
  return clamp((0.45 * hot) / lift, 1.5, 7);
}
