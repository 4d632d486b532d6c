import type { Tx } from "../../kernel/database/engine.ts";
import { may } from "../../kernel/identity/principal.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { StreamOwner } from "../../kernel/timeseries/owners.ts";
import type { TimeSeries } from "../../kernel/timeseries/store.ts";
import type { Stream } from "../../kernel/timeseries/types.ts";
import { updateDatapoints } from "./bulk-updates.ts";
import { lockConnectors } from "./connector-store.ts";
import type { Datapoint } from "./model.ts";
import { getDatapoint } from "./store.ts";
import { datapointChange } from "./views.ts";

/** The datapoint of a stream, whose key is `12/value`. */
const idOf = (stream: Stream): string => stream.key.split("/")[0] ?? "";

/** Who may see and change the streams of datapoints. Unit of stream and unit of datapoint are the same. */
export const datapointStreams = ({ changes }: Pick<Kernel, "changes">): StreamOwner => ({
  mayRead: (principal, stream) => may(principal, "view", "datapointvalue", idOf(stream)),
  mayChange: (principal, stream) => may(principal, "change", "datapoint", idOf(stream)),
  changed: async (tx, before, after, actor) => {
    if (before.unit === after.unit) return;
    const id = Number(idOf(after));
    await lockConnectors(tx, [(await getDatapoint(tx, id)).connectorId]);
    const datapoint = await getDatapoint(tx, id);
    const changed = { ...datapoint, unit: after.unit };
    await updateDatapoints(tx, [changed]);
    await changes.record(tx, [datapointChange(actor, datapoint, changed)]);
  },
});

/** Takes a datapoint's new unit over to its stream. */
export async function followUnits(
  tx: Tx,
  timeseries: TimeSeries,
  before: ReadonlyMap<number, Datapoint>,
  after: readonly Datapoint[],
): Promise<void> {
  for (const { id, unit, valueStream } of after)
    if (valueStream !== null && before.get(id)?.unit !== unit)
      await timeseries.streams.update(tx, valueStream, { unit });
}
