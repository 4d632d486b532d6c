import type { Actor } from "../../kernel/changes/changes.ts";
import type { Tx } from "../../kernel/database/engine.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { TimeSeries } from "../../kernel/timeseries/store.ts";
import type { StreamId } from "../../kernel/timeseries/types.ts";
import { setValueStreams } from "./bulk-updates.ts";
import type { Datapoint } from "./model.ts";
import { deleteDatapoints } from "./store.ts";
import { datapointChange } from "./views.ts";

/** Name of this feature's streams in the catalogue. */
export const streamOwner = "datapoints";

/** Makes the value streams of datapoints that have none: with their first activation, or the first value written. */
export async function ensureValueStreams(
  tx: Tx,
  timeseries: TimeSeries,
  history: boolean,
  datapoints: readonly Datapoint[],
): Promise<ReadonlyMap<number, StreamId>> {
  const without = datapoints.filter((datapoint) => datapoint.valueStream === null);
  const streams = await timeseries.streams.ensure(
    tx,
    without.map(({ id, unit }) => ({
      owner: streamOwner,
      key: `${id}/value`,
      mode: history ? "history" : "last",
      unit,
      labels: {},
    })),
  );
  const made = without.flatMap(({ id }, index) => {
    const stream = streams[index];
    return stream ? [{ id, stream: stream.id }] : [];
  });
  await setValueStreams(tx, made);
  return new Map(made.map(({ id, stream }) => [id, stream]));
}

/** Removes datapoints and whatever was stored of them; the caller holds the lock on their connectors. */
export async function removeDatapoints(
  tx: Tx,
  { timeseries, changes }: Pick<Kernel, "timeseries" | "changes">,
  datapoints: readonly Datapoint[],
  actor: Actor,
): Promise<void> {
  await timeseries.dropStreams(
    tx,
    datapoints.flatMap(({ valueStream }) => valueStream ?? []),
  );
  await deleteDatapoints(
    tx,
    datapoints.map(({ id }) => id),
  );
  await changes.record(
    tx,
    datapoints.map((datapoint) => datapointChange(actor, datapoint, undefined)),
  );
}
