import { type ParseArgsOptionDescriptor, parseArgs } from "node:util";
import { messageOf, OperatorError } from "../kernel/errors.ts";
import type { Io } from "./io.ts";

/** One option; `value` names its value in the help text, `true or false` options have none. */
export interface Option extends ParseArgsOptionDescriptor {
  readonly type: "string" | "boolean";
  readonly value?: string;
  readonly description: string;
}

export type Options = Readonly<Record<string, Option>>;

type ValueOf<O extends Option> = O extends { multiple: true }
  ? readonly string[]
  : O["type"] extends "boolean"
    ? boolean
    : string;

export type Values<T extends Options> = { readonly [Name in keyof T]?: ValueOf<T[Name]> };

interface Definition<T extends Options> {
  /** The words that call it, like `user add`. */
  readonly name: string;
  /** The positional arguments, as the help shows them; their number is checked. */
  readonly arguments?: readonly string[];
  readonly summary: string;
  readonly options: T;
  /** Lines at the end of the help. */
  readonly notes?: readonly string[];
  /** @returns the exit code */
  run(values: Values<T>, positionals: readonly string[], io: Io): Promise<number>;
}

export interface Command {
  readonly name: string;
  readonly summary: string;
  readonly help: string;
  run(args: readonly string[], io: Io): Promise<number>;
}

/** Builds a command whose `run` gets its options checked and typed. */
export function defineCommand<const T extends Options>(definition: Definition<T>): Command {
  const help = helpText(definition);
  return {
    name: definition.name,
    summary: definition.summary,
    help,
    run: async (args, io) => {
      if (args.includes("--help") || args.includes("-h")) {
        io.out(help);
        return 0;
      }
      const { values, positionals } = parse(definition, args);
      return definition.run(values, positionals, io);
    },
  };
}

function parse<T extends Options>(definition: Definition<T>, args: readonly string[]) {
  const expected = definition.arguments ?? [];
  try {
    const parsed = parseArgs({ args: [...args], options: definition.options, allowPositionals: true });
    if (parsed.positionals.length !== expected.length)
      throw new Error(
        expected.length === 0
          ? "it takes no arguments"
          : `it takes ${expected.length}: ${expected.join(" ")}`,
      );
    return { values: parsed.values as Values<T>, positionals: parsed.positionals };
  } catch (error) {
    const reason = messageOf(error).replace(/\s+/g, " ");
    throw new OperatorError(`busbar ${definition.name}: ${reason}. Try: busbar ${definition.name} --help`);
  }
}

function helpText(definition: Definition<Options>): string {
  const options = Object.entries(definition.options).map(([name, option]) => {
    const short = option.short === undefined ? "" : `-${option.short}, `;
    const term = `  ${short}--${name}${option.value === undefined ? "" : ` ${option.value}`}`;
    return `${term.padEnd(28)} ${option.description}`;
  });
  const usage = ["busbar", definition.name, ...(definition.arguments ?? [])].join(" ");
  const heading = [`Usage: ${usage}${options.length > 0 ? " [options]" : ""}`, "", definition.summary];
  const notes = definition.notes ?? [];
  return [
    ...heading,
    ...(options.length > 0 ? ["", "Options:", ...options] : []),
    ...(notes.length > 0 ? ["", ...notes] : []),
  ].join("\n");
}

/** Finds the command by its words and runs it. */
export async function dispatch(
  commands: readonly Command[],
  args: readonly string[],
  io: Io,
): Promise<number> {
  const command = commands.find(({ name }) => name === args.slice(0, name.split(" ").length).join(" "));
  if (command) return command.run(args.slice(command.name.split(" ").length), io);
  const overview = overviewText(commands);
  if (args.length === 0 || ["help", "--help", "-h"].includes(args[0] ?? "")) {
    io.out(overview);
    return args.length === 0 ? 2 : 0;
  }
  const words = args
    .filter((word) => !word.startsWith("-"))
    .slice(0, 2)
    .join(" ");
  throw new OperatorError(`busbar ${words}: there is no such command. Try: busbar --help`);
}

function overviewText(commands: readonly Command[]): string {
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(16)} ${summary}`);
  return ["Usage: busbar COMMAND [options]", "", ...lines, "", "busbar COMMAND --help tells more."].join(
    "\n",
  );
}
