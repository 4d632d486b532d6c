import type { FastifyRequest } from "fastify";
import { invalidField, notFound, Problem } from "../../../kernel/errors.ts";
import { page } from "../../../kernel/http/paging.ts";
import { signedIn } from "../../../kernel/http/surface.ts";
import { may, type Principal } from "../../../kernel/identity/principal.ts";
import type { Kernel } from "../../../kernel/kernel.ts";
import type { MessageKind } from "../model.ts";
import { readCursor } from "../queries.ts";
import { shorten } from "../texts.ts";
import { commandResource } from "./events.ts";
import { type Command, type CommandState, commandStates, openStates } from "./model.ts";
import { type CommandQuery, commandList, commandObject, commandParams, commandQuery } from "./schemas.ts";
import { type CommandFilter, connectorNames, findCommand, listCommands } from "./store.ts";
import { commandView } from "./views.ts";

const defaultLimit = 100;

/** `/commands/`; `prefix` ends with a slash. Who may see a command is a matter of its datapoint. */
export function registerCommandRoutes({ http, database }: Kernel, prefix: string): void {
  http.get(
    `${prefix}commands/`,
    {
      config: { access: signedIn, surface: "datapoints" },
      schema: {
        summary: "What was written to actuators and what became of it, newest first",
        description:
          "100 at a time unless `limit` says otherwise; the Link header leads to the older ones. Needs the right " +
          "view_command, on all datapoints or on some.",
        querystring: commandQuery,
        response: { 200: commandList },
      },
    },
    async (request, reply) => {
      const visible = visibleDatapoints(callerOf(request));
      const { limit = defaultLimit } = request.query;
      const rows = await listCommands(database.read, filterOf(request.query, limit + 1, visible));
      const shown = page(request, reply, rows, limit, ({ id }) => [id]);
      const names = await namesOf(shown);
      return shown.map((command) => commandView(command, names.get(command.connectorId))) as never;
    },
  );

  http.get(
    `${prefix}commands/:id/`,
    {
      config: { access: signedIn, surface: "datapoints" },
      schema: {
        summary: "One command and its state",
        params: commandParams,
        response: { 200: commandObject },
      },
    },
    async (request) => {
      const visible = visibleDatapoints(callerOf(request));
      const { id } = request.params;
      const command = await findCommand(database.read, Number(id));
      if (!command || visible?.includes(command.datapoint) === false) throw notFound("command", id);
      const names = await namesOf([command]);
      return commandView(command, names.get(command.connectorId)) as never;
    },
  );

  const namesOf = (commands: readonly Command[]) =>
    connectorNames(
      database.read,
      commands.map(({ connectorId }) => connectorId),
    );
}

function callerOf({ principal }: FastifyRequest): Principal {
  if (!principal) throw new Problem("unauthenticated");
  return principal;
}

/**
 * Undefined: all.
 * @throws Problem `forbidden` for those who may see none
 */
function visibleDatapoints(principal: Principal): readonly number[] | undefined {
  if (may(principal, "view", commandResource)) return undefined;
  const objects = principal.grants
    .filter(({ object }) => may(principal, "view", commandResource, object))
    .map(({ object }) => Number(object))
    .filter((id) => Number.isSafeInteger(id));
  if (objects.length > 0) return [...new Set(objects)];
  throw new Problem("forbidden", {
    detail: `${principal.name} does not have the right view_command, which this needs.`,
  });
}

function filterOf(query: CommandQuery, limit: number, visible: readonly number[] | undefined): CommandFilter {
  const { datapoint, connector, kind, state, actor, from, to, cursor } = query;
  const [before] = readCursor(cursor);
  return {
    limit,
    ...(before === undefined ? {} : { before }),
    ...(visible === undefined ? {} : { datapoints: visible }),
    ...(datapoint === undefined ? {} : { datapoint }),
    ...(connector === undefined || connector === "" ? {} : { connector }),
    ...(kind === undefined || kind === "" ? {} : { kind: kind as MessageKind }),
    ...(state === undefined || state === "" ? {} : { states: readStates(state) }),
    ...(actor === undefined || actor === "" ? {} : { actor }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  };
}

function readStates(list: string): readonly CommandState[] {
  return list.split(",").flatMap((text): readonly CommandState[] => {
    const name = text.trim();
    if (name === "open") return openStates;
    const state = commandStates.find((known) => known === name);
    if (state) return [state];
    throw invalidField("state", `${shorten(name)} is not one of open, ${commandStates.join(", ")}.`);
  });
}
