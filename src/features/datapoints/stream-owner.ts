import type { Tx } from "../../kernel/database/engine.ts";
import { may } from "../../kernel/identity/principal.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { StreamOwner } from "../../kernel/timeseries/owners.ts";
import type { TimeSeries } from "../../kernel/timeseries/store.ts";
import type { Stream } from "../../kernel/timeseries/types.ts";
import { updateDatapoints } from "./bulk-updates.ts";
import { lockConnectors } from "./connector-store.ts";
import { type Datapoint, viewedResource } from "./model.ts";
import { getDatapoint } from "./store.ts";
import { datapointChange } from "./views.ts";

/** The datapoint of a stream, and what it holds: its key is `12/value`. */
function partsOf(stream: Stream): { readonly id: string; readonly kind: string } {
  const [id = "", kind = ""] = stream.key.split("/");
  return { id, kind };
}

/** Who may see and change the streams of datapoints. The unit of a value stream is that of its datapoint. */
export const datapointStreams = ({ changes }: Pick<Kernel, "changes">): StreamOwner => ({
  mayRead: (principal, stream) => {
    const { id, kind } = partsOf(stream);
    return may(principal, "view", viewedResource(kind), id);
  },
  mayChange: (principal, stream) => {
    const { id, kind } = partsOf(stream);
    // What became of commands is for nobody to change.
    return kind !== "command" && may(principal, "change", "datapoint", id);
  },
  changed: async (tx, before, after, actor) => {
    const { id: text, kind } = partsOf(after);
    if (kind !== "value" || before.unit === after.unit) return;
    const id = Number(text);
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
  for (const { id, unit, streams } of after)
    if (streams.value !== null && before.get(id)?.unit !== unit)
      await timeseries.streams.update(tx, streams.value, { unit });
}
