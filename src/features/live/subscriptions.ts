import { invalidField, notFound, Problem } from "../../kernel/errors.ts";
import { may, type Principal } from "../../kernel/identity/principal.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Clause } from "../../kernel/live/clause.ts";
import { maxIds, type StreamQuery, type Subscription } from "./schemas.ts";

/** @throws Problem `invalid-request` for too many ids */
export function clauseOf({ datapoint, connector, stream, kind }: Subscription): Clause {
  const streams = listOf(stream);
  const kinds = listOf(kind);
  const datapoints = listOf(datapoint);
  const connectors = listOf(connector);
  for (const [field, list] of Object.entries({ datapoint: datapoints, stream: streams }))
    if ((list?.length ?? 0) > maxIds) throw invalidField(field, `There are more than ${maxIds} ids.`);
  return {
    ...(streams ? { streams } : {}),
    ...(kinds ? { kinds } : {}),
    members: {
      ...(datapoints ? { datapoint: datapoints } : {}),
      ...(connectors ? { connector: connectors } : {}),
    },
  };
}

/** Every id counts once, so that limits are about what is really asked for. */
const listOf = <T>(given: T | readonly T[] | undefined): readonly T[] | undefined =>
  given === undefined ? undefined : [...new Set([given].flat() as T[])];

/** The query of `/stream/` as a subscription. */
export const subscriptionOf = ({ datapoint, connector, stream, kind }: StreamQuery): Subscription => ({
  ...(datapoint && datapoint.length > 0 ? { datapoint: datapoint.flatMap(numbers) } : {}),
  ...(connector && connector.length > 0 ? { connector } : {}),
  ...(stream && stream.length > 0 ? { stream: stream.flatMap(numbers) } : {}),
  ...(kind && kind.length > 0 ? { kind } : {}),
});

const numbers = (list: string): number[] => list.split(",").map(Number);

/**
 * Whether the principal may ask for this. What it may not see of a broad subscription is left out later, point by point.
 * @throws Problem `not-found` for something named that is not there or not for its eyes, `forbidden`
 */
export async function checkClause(kernel: Kernel, principal: Principal, clause: Clause): Promise<void> {
  if (clause.streams) await checkStreams(kernel, principal, clause.streams);
  await kernel.live.check(principal, clause);
}

async function checkStreams(
  { timeseries, streamOwners }: Kernel,
  principal: Principal,
  ids: readonly number[],
): Promise<void> {
  const forbidden = ids.find((id) => !may(principal, "view", "stream", String(id)));
  if (forbidden !== undefined)
    throw new Problem("forbidden", {
      detail: `${principal.name} does not have the right view_stream, which subscribing by stream needs.`,
    });
  const possible = ids.filter((id) => id < 2 ** 32);
  const found = await timeseries.streams.list({ ids: possible, limit: possible.length });
  const visible = new Set(
    found.filter((stream) => streamOwners.mayRead(principal, stream)).map((stream) => stream.id),
  );
  const missing = ids.find((id) => !visible.has(id));
  if (missing !== undefined) throw notFound("stream", missing);
}
