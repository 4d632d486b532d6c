import { loadConfig } from "../kernel/config/load.ts";
import { printConfig } from "../kernel/config/print.ts";
import { configurationTable } from "../kernel/config/variables.ts";
import { defineCommand } from "./command.ts";

export const configPrint = defineCommand({
  name: "config print",
  summary: "Shows every variable with its value and origin, secrets masked, after checking them.",
  options: {},
  run: async (_values, _positionals, io) => {
    const loaded = loadConfig(io.env, io.folder);
    io.out(printConfig(loaded));
    for (const notice of loaded.notices) io.note(notice);
    return 0;
  },
});

export const configTable = defineCommand({
  name: "config table",
  summary: "Prints the README's table of all variables.",
  options: {},
  run: async (_values, _positionals, io) => {
    io.out(configurationTable());
    return 0;
  },
});
