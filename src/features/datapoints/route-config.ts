import { right } from "../../kernel/http/surface.ts";
import type { Action } from "../../kernel/identity/principal.ts";

/** Resource types of this feature, on which rights are given. */
export const resources = [
  "connector",
  "connectorlogentry",
  "datapoint",
  "datapointvalue",
  "datapointlastvalue",
  "datapointsetpoint",
  "datapointlastsetpoint",
  "datapointschedule",
  "datapointlastschedule",
  "datapointguard",
  "command",
  "controller",
  "controlleddatapoint",
] as const;

/** Configuration of a route of this surface. `object` names the path parameter with the object's id. */
export const routeConfig = (action: Action, resource: (typeof resources)[number], object?: string) => ({
  access: right(action, resource, object),
  surface: "datapoints" as const,
});

/** The level of a path that holds an id: a name there is another path, or none, with methods of its own. */
export const idLevel = ":id(^\\d+$)";

/** Bodies of many objects or messages. */
export const bulkBodyLimit = 64 * 1024 * 1024;
