import { clamp, type Noise } from "./noise.ts";

export interface Weather {
  /** °C */
  readonly temperature: number;
  /** Global horizontal irradiance, W/m². */
  readonly irradiance: number;
  /** Share of the sky, 0 to 1. */
  readonly cloudCover: number;
  /** m/s */
  readonly wind: number;
  /** Relative humidity, %. */
  readonly humidity: number;
  /** hPa */
  readonly pressure: number;
}

/** The site lies at 48.1° N, 11.6° E; its clocks show UTC+1 all year. */
const latitude = (48.1 * Math.PI) / 180;
const longitude = 11.6;
export const clockOffsetHours = 1;

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const year = 365.25 * day;

/** Hours since local midnight, 0 to 24. */
export const localHour = (time: number): number =>
  ((((time + clockOffsetHours * hour) % day) + day) % day) / hour;

/** 0 to 1 from one 1 January to the next. */
const yearPart = (time: number): number => (((time - Date.UTC(2024, 0, 1)) / year) % 1) + 0;

/** Sine of the sun's height over the horizon; negative at night. The equation of time (16 minutes at most) is left out. */
export function sunHeight(time: number): number {
  const declination = -0.4091 * Math.cos(2 * Math.PI * (yearPart(time) + 10 / 365.25));
  const solarHour = (((time % day) + day) % day) / hour + longitude / 15;
  const hourAngle = ((solarHour - 12) * Math.PI) / 12;
  return (
    Math.sin(latitude) * Math.sin(declination) +
    Math.cos(latitude) * Math.cos(declination) * Math.cos(hourAngle)
  );
}

/** Clear sky after Haurwitz (1945), the clouds' share after Kasten and Czeplak (1980). */
function irradianceOf(height: number, cloudCover: number): number {
  if (height <= 0) return 0;
  return 1098 * height * Math.exp(-0.057 / height) * (1 - 0.75 * cloudCover ** 3.4);
}

/** Weather at the site; a pure function of seed and time (milliseconds UTC). */
export function weatherAt(noise: Noise, time: number): Weather {
  const front = noise.smooth(1, time, 34 * hour);
  const cloudCover = clamp(
    0.5 + 0.75 * front + 0.25 * noise.smooth(2, time, 3 * hour) + 0.15 * noise.smooth(3, time, 9 * minute),
    0,
    1,
  );
  const clearness = 1 - clamp(0.5 + 0.75 * front, 0, 1);
  const warmth = Math.cos((2 * Math.PI * (localHour(time) - 15)) / 24) * (1.5 + 4 * clearness);
  const seasonal = 9.5 - 10 * Math.cos(2 * Math.PI * (yearPart(time) - 20 / 365.25));
  const drift = 4.5 * noise.smooth(4, time, 4 * day) + 0.4 * noise.smooth(5, time, 40 * minute);
  const wind =
    3.2 * Math.exp(0.8 * noise.smooth(6, time, 9 * hour) + 0.35 * noise.smooth(7, time, 6 * minute));
  const humidity = 74 - 3.6 * warmth + 16 * (cloudCover - 0.5) + 8 * noise.smooth(8, time, 11 * hour);
  return {
    temperature: seasonal + drift + warmth,
    irradiance: irradianceOf(sunHeight(time), cloudCover),
    cloudCover,
    wind,
    humidity: clamp(humidity, 15, 100),
    pressure: 1016 - 9 * front + 6 * noise.smooth(9, time, 5 * day),
  };
}
