import type { Actor } from "../../kernel/changes/changes.ts";
import type { Tx } from "../../kernel/database/engine.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { StreamId } from "../../kernel/timeseries/types.ts";
import { setStreams } from "./bulk-updates.ts";
import { lockConnectors } from "./connector-store.ts";
import { removePairsOf } from "./controllers/pairs.ts";
import { type Datapoint, kindsOf, type MessageKind, messageKinds, type StreamKind } from "./model.ts";
import { deleteDatapoints, listWithoutControl } from "./store.ts";
import { datapointChange } from "./views.ts";

/** Name of this feature's streams in the catalogue. */
export const streamOwner = "datapoints";

export const streamKey = (id: number, kind: StreamKind): string => `${id}/${kind}`;

type StreamParts = Pick<Kernel, "timeseries" | "config">;

/** Makes the streams of one kind for those datapoints that have none; gives the new ones by datapoint. */
export async function ensureStreams(
  tx: Tx,
  { timeseries, config }: StreamParts,
  kind: MessageKind,
  datapoints: readonly Datapoint[],
): Promise<ReadonlyMap<number, StreamId>> {
  const without = datapoints.filter(({ streams }) => streams[kind] === null);
  if (without.length === 0) return new Map();
  const streams = await timeseries.streams.ensure(
    tx,
    without.map(({ id, unit }) => ({
      owner: streamOwner,
      key: streamKey(id, kind),
      mode: config.extensions.history ? "history" : "last",
      // Setpoints and schedules are lists, whatever the unit of the values in them.
      unit: kind === "value" ? unit : "",
      labels: {},
    })),
  );
  const made = without.flatMap(({ id }, index) => {
    const stream = streams[index];
    return stream ? [{ id, stream: stream.id }] : [];
  });
  await setStreams(tx, kind, made);
  return new Map(made.map(({ id, stream }) => [id, stream]));
}

/** Makes those for the steps of commands that are missing; the caller holds the lock on their connectors. */
export async function ensureCommandStreams(
  tx: Tx,
  { timeseries }: Pick<StreamParts, "timeseries">,
  datapoints: readonly Datapoint[],
): Promise<void> {
  const without = datapoints.filter(({ commandStream }) => commandStream === null);
  const streams = await timeseries.streams.ensure(
    tx,
    without.map(({ id }) => ({
      owner: streamOwner,
      key: streamKey(id, "command"),
      // Commands have a history of their own.
      mode: "last",
      unit: "",
      labels: {},
    })),
  );
  const made = without.flatMap(({ id }, index) => {
    const stream = streams[index];
    return stream ? [{ id, stream: stream.id }] : [];
  });
  await setStreams(tx, "command", made);
}

/** Makes what active datapoints lack of the streams into which messages come. */
export async function ensureActiveStreams(
  tx: Tx,
  parts: StreamParts,
  datapoints: readonly Datapoint[],
): Promise<void> {
  for (const kind of messageKinds) {
    const having = datapoints.filter(({ type }) =>
      kindsOf(type, parts.config.extensions.control).includes(kind),
    );
    await ensureStreams(tx, parts, kind, having);
  }
}

/** What became active before the control extension was there lacks the streams of setpoints and schedules. */
export async function completeStreams({ database, timeseries, config }: Kernel): Promise<void> {
  if (!config.extensions.control || (await listWithoutControl(database.read)).length === 0) return;
  await database.write(async (tx) => {
    await lockConnectors(
      tx,
      (await listWithoutControl(tx)).map(({ connectorId }) => connectorId),
    );
    await ensureActiveStreams(tx, { timeseries, config }, await listWithoutControl(tx));
  });
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
    datapoints.flatMap(({ streams, commandStream }) => [
      ...messageKinds.flatMap((kind) => streams[kind] ?? []),
      ...(commandStream === null ? [] : [commandStream]),
    ]),
  );
  const ids = datapoints.map(({ id }) => id);
  await removePairsOf(tx, { changes }, ids, actor);
  await deleteDatapoints(tx, ids);
  await changes.record(
    tx,
    datapoints.map((datapoint) => datapointChange(actor, datapoint, undefined)),
  );
}
