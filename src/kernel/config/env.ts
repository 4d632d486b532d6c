import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseEnv } from "node:util";
import { messageOf, OperatorError } from "../errors.ts";
import { nearest } from "./nearest.ts";
import { describeVariable, isVariable, type VariableName, variableNames } from "./variables.ts";

/** The variables as given, before their values are understood. */
export interface Setting {
  readonly value: string;
  /** `environment`, `.env`, or the file that held it. */
  readonly origin: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Given {
  readonly settings: ReadonlyMap<VariableName, Setting>;
  /** Sentences about names that look misspelt. */
  readonly notices: readonly string[];
}

/**
 * What is set, from the environment and the `.env` file of the folder (the environment wins); a secret may stand in
 * a file that NAME_FILE names.
 * @throws OperatorError for an unknown BUSBAR_ variable, an unreadable file, a secret given twice
 */
export function readSettings(env: Environment, folder: string): Given {
  const given = new Map<string, Setting>();
  for (const [name, value] of Object.entries(readDotEnv(folder))) {
    if (value !== undefined) given.set(name, { value, origin: ".env" });
  }
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined) given.set(name, { value, origin: "environment" });
  }
  refuseUnknown(given);
  const settings = new Map<VariableName, Setting>();
  for (const name of variableNames) {
    const setting = given.get(name) ?? fromFile(name, given, folder);
    if (setting) settings.set(name, setting);
  }
  return { settings, notices: misspelt(given) };
}

function readDotEnv(folder: string): Environment {
  const file = resolve(folder, ".env");
  try {
    return parseEnv(readFileSync(file, "utf8"));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return {};
    throw new OperatorError(`The file ${file} cannot be read: ${messageOf(error)}`);
  }
}

function fromFile(
  name: VariableName,
  given: ReadonlyMap<string, Setting>,
  folder: string,
): Setting | undefined {
  const pointer = given.get(`${name}_FILE`);
  if (!describeVariable(name).secret || pointer === undefined || pointer.value === "") return undefined;
  const file = resolve(folder, pointer.value);
  try {
    return { value: readFileSync(file, "utf8").replace(/\r?\n$/, ""), origin: file };
  } catch (error) {
    throw new OperatorError(`${name}_FILE names a file that cannot be read: ${oneLine(messageOf(error))}`);
  }
}

/** What Kubernetes sets by itself in every pod beside a service named `busbar`. */
const serviceLink = /^BUSBAR_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_\w+)?)$/;

function refuseUnknown(given: ReadonlyMap<string, Setting>): void {
  for (const [name, { origin }] of given) {
    const known = isVariable(name) || isFileVariable(name) || serviceLink.test(name);
    if (!known && name.startsWith("BUSBAR_"))
      throw new OperatorError(
        `${oneLine(name)} (${origin}) is not a variable of Busbar; ${suggestion(name)}`,
      );
    if (isFileVariable(name) && given.get(name)?.value !== "" && has(given, name.slice(0, -5)))
      throw new OperatorError(`${name.slice(0, -5)} and ${name} are both set; give one of them.`);
  }
}

const has = (given: ReadonlyMap<string, Setting>, name: string) => (given.get(name)?.value ?? "") !== "";

function isFileVariable(name: string): boolean {
  const base = name.endsWith("_FILE") ? name.slice(0, -5) : "";
  return isVariable(base) && describeVariable(base).secret === true;
}

/** Names of other programs are none of our business, so this is a notice and no error. */
const ourFamilies = /^(MQTT_BROKER|DJANGOAPIDB|DJANGO_SUPERUSER|ACTIVATE)_/;

function misspelt(given: ReadonlyMap<string, Setting>): readonly string[] {
  return [...given].flatMap(([name, { origin }]) => {
    const near =
      ourFamilies.test(name) && !isVariable(name) && !isFileVariable(name) && nearest(name, variableNames);
    return near ? [`${oneLine(name)} (${origin}) is not a variable of Busbar; did you mean ${near}?`] : [];
  });
}

function suggestion(name: string): string {
  const near = nearest(name, variableNames);
  return near === undefined ? "`busbar config print` lists those that are." : `did you mean ${near}?`;
}

/** Keeps a message to one line whatever a name or value holds. */
export const oneLine = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not reach the terminal.
  text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ").slice(0, 300);
