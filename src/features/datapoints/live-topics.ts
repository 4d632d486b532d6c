import type { RecordedChange } from "../../kernel/changes/changes.ts";
import { notFound, Problem } from "../../kernel/errors.ts";
import { may, type Principal } from "../../kernel/identity/principal.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Member, Topic } from "../../kernel/live/topic.ts";
import type { TopicSource } from "../../kernel/live/topic-source.ts";
import type { Stream, StreamId } from "../../kernel/timeseries/types.ts";
import { streamKinds, viewedResource } from "./model.ts";
import { connectorNamesOf } from "./store.ts";

/** What the points of datapoints' streams, whose keys are like `12/value`, are to those who listen. */
export const datapointTopics = ({ database }: Pick<Kernel, "database">): TopicSource => ({
  topics: async (streams) => {
    const keys = new Map(streams.map((stream) => [stream.id, keyOf(stream)]));
    const ids = [...new Set([...keys.values()].map(({ datapoint }) => datapoint))];
    const connectors = await connectorNamesOf(database.read, ids);
    const topics = new Map<StreamId, Topic>();
    for (const [id, { datapoint, kind }] of keys) {
      const connector = connectors.get(datapoint);
      if (connector !== undefined) topics.set(id, { kind, members: { datapoint, connector } });
    }
    return topics;
  },
  check: async (principal, clause) => {
    const datapoints = clause.members["datapoint"];
    if (datapoints === undefined) {
      if (!clause.streams) checkSeesSome(principal);
      return;
    }
    const there = await connectorNamesOf(database.read, datapoints.map(Number));
    for (const id of datapoints)
      if (!there.has(Number(id)) || !maySee(principal, id)) throw notFound("datapoint", id);
  },
  touched,
});

function keyOf({ key }: Stream): { readonly datapoint: number; readonly kind: string } {
  const [id, kind = "value"] = key.split("/");
  return { datapoint: Number(id), kind };
}

/** Rights of which one lets see some of what datapoints bring. */
const viewed = streamKinds.map(viewedResource);

const maySee = (principal: Principal, id: string | number): boolean =>
  viewed.some((resource) => may(principal, "view", resource, String(id)));

function checkSeesSome(principal: Principal): void {
  const sees = principal.grants.some(
    ({ action, resource }) =>
      (action === "view" || (action as string) === "*") && (resource === "*" || viewed.includes(resource)),
  );
  if (sees || principal.isSuperuser) return;
  throw new Problem("forbidden", {
    detail: `${principal.name} does not have the right view_datapointvalue or view_command, of which this needs one.`,
  });
}

function touched({ resource, object, action, before, after }: RecordedChange): Member | undefined {
  if (resource === "datapoint" && action === "delete") return { name: "datapoint", value: Number(object) };
  if (resource !== "connector" || action === "create") return undefined;
  const [old, now] = [before, after] as ({ readonly name?: string } | null)[];
  return old?.name === undefined || old.name === now?.name
    ? undefined
    : { name: "connector", value: old.name };
}
