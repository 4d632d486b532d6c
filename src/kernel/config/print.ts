import { oneLine } from "./env.ts";
import type { Loaded } from "./load.ts";
import { describeVariable, variableNames } from "./variables.ts";

/** Every variable with the value in force and where it came from, a line each; secrets masked. */
export function printConfig(loaded: Loaded): string {
  return variableNames
    .map((name) => {
      const value = loaded.values.get(name);
      const shown = value === undefined ? "" : describeVariable(name).secret ? "********" : oneLine(value);
      return `${name}=${shown}  # ${loaded.origins.get(name) ?? "default"}`;
    })
    .join("\n");
}
