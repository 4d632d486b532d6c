import type { Tx } from "../../kernel/database/engine.ts";
import { type FieldErrors, invalidField } from "../../kernel/errors.ts";
import { findConnectorsByName } from "./connector-store.ts";
import { combinedFaults, hasFaults, type ReadFields, readFields } from "./fields.ts";
import type { Connector, Datapoint, NewDatapoint } from "./model.ts";
import { refuseItems } from "./refusals.ts";
import type { DatapointInput, DatapointPatch } from "./schemas.ts";
import { listByKey, shortNameHolders } from "./store.ts";
import { shorten } from "./texts.ts";

/** One of the objects of a request, with what is found wrong about it on the way. */
export interface Item<Input extends DatapointPatch = DatapointInput> {
  readonly input: Input;
  readonly fields: ReadFields["fields"];
  faults: FieldErrors;
}

export const itemOf = <Input extends DatapointPatch>(input: Input): Item<Input> => ({
  input,
  ...readFields(input),
});

export const identityOf = (datapoint: Pick<Datapoint, "connector" | "key" | "type">): string =>
  JSON.stringify([datapoint.connector, datapoint.key, datapoint.type]);

export function addFault(item: Pick<Item, "faults">, field: string, rule: string): void {
  item.faults = { ...item.faults, [field]: [...(item.faults[field] ?? []), rule] };
}

export function refuseFaulty(
  items: readonly Item[],
  results: readonly (Datapoint | NewDatapoint | undefined)[],
): void {
  const faults = items.map((item, index) => ({ ...item.faults, ...combinedFaults(results[index] ?? {}) }));
  if (faults.some(hasFaults)) throw refuseItems(faults);
}

export async function findConnectors(
  tx: Tx,
  items: readonly Item[],
): Promise<ReadonlyMap<string, Connector>> {
  // A text with NUL names nothing, and PostgreSQL takes none.
  const names = new Set(
    items.map((item) => item.input.connector.name).filter((name) => !name.includes("\0")),
  );
  return new Map(
    (await findConnectorsByName(tx, [...names])).map((connector) => [connector.name, connector]),
  );
}

export async function findConnector(tx: Tx, name: string | undefined): Promise<Connector | undefined> {
  if (name === undefined) return undefined;
  const [connector] = name.includes("\0") ? [] : await findConnectorsByName(tx, [name]);
  if (!connector) throw invalidField("connector", `There is no connector ${shorten(name)}.`);
  return connector;
}

/** The stored datapoints with the keys that are asked for, by identity. */
export async function knownDatapoints(
  tx: Tx,
  items: readonly Item[],
  connectors: ReadonlyMap<string, Connector>,
): Promise<Map<string, Datapoint | NewDatapoint>> {
  const known = new Map<string, Datapoint | NewDatapoint>();
  const sound = items.filter((item) => !hasFaults(item.faults));
  for (const [name, own] of Map.groupBy(sound, (item) => item.input.connector.name)) {
    const connector = connectors.get(name);
    if (!connector) continue;
    const keys = own.map((item) => item.input.key_in_connector);
    for (const datapoint of await listByKey(tx, connector.id, keys))
      known.set(identityOf(datapoint), datapoint);
  }
  return known;
}

export function findTarget(
  item: Item,
  connectors: ReadonlyMap<string, Connector>,
  known: ReadonlyMap<string, Datapoint | NewDatapoint>,
): Datapoint | undefined {
  const {
    connector: { name: connector },
    key_in_connector: key,
    type,
  } = item.input;
  if (!connectors.has(connector)) {
    addFault(item, "connector", `There is no connector ${shorten(connector)}.`);
    return undefined;
  }
  if (hasFaults(item.faults)) return undefined;
  const types = type === undefined ? (["sensor", "actuator"] as const) : [type];
  const found = types.flatMap(
    (one) => known.get(identityOf({ connector, key, type: one })) ?? [],
  ) as Datapoint[];
  if (found.length === 1) return found[0];
  const what =
    found.length === 0 ? "There is no datapoint" : "There are a sensor and an actuator (give the type)";
  addFault(item, "datapoint", `${what} with the key ${shorten(key)} of connector ${shorten(connector)}.`);
  return undefined;
}

/** Adds a fault to each item whose short name belongs, in the end, to another datapoint as well. */
export async function checkShortNames(
  tx: Tx,
  items: readonly Item<DatapointPatch>[],
  results: readonly (Datapoint | NewDatapoint | undefined)[],
): Promise<void> {
  const idOf = (result: Datapoint | NewDatapoint | undefined, index: number): number =>
    result && "id" in result ? result.id : -1 - index;
  const finals = new Map(results.map((result, index) => [idOf(result, index), result?.shortName ?? null]));
  const names = [...finals.values()].filter((name) => name !== null && !name.includes("\0")) as string[];
  const holders = await shortNameHolders(tx, [...new Set(names)]);
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const [index, item] of items.entries()) {
    const name = results[index]?.shortName ?? null;
    if (name === null || item.fields.shortName !== name) continue;
    const holder = holders.get(name);
    const heldByAnother = holder !== undefined && !finals.has(holder);
    if (heldByAnother || (counts.get(name) ?? 0) > 1)
      addFault(item, "short_name", `Another datapoint has the short name ${shorten(name)} already.`);
  }
}

export async function checkIdentity(
  tx: Tx,
  item: Item<DatapointPatch>,
  before: Datapoint,
  after: Datapoint,
): Promise<void> {
  if (identityOf(before) === identityOf(after) || after.key.includes("\0")) return;
  const others = await listByKey(tx, after.connectorId, [after.key]);
  if (others.some((other) => other.id !== after.id && other.type === after.type))
    addFault(
      item,
      "datapoint",
      `The ${after.type} ${shorten(after.key)} of connector ${shorten(after.connector)} exists already.`,
    );
}
