import type { TestApp } from "./app.ts";
import type { TestConnector } from "./connector.ts";

export interface CommandJson {
  readonly id: number;
  readonly datapoint: number;
  readonly message: { readonly value?: unknown; readonly timestamp: number };
  readonly state: string;
  readonly final: boolean;
  readonly reason: string | null;
  readonly safe_value: boolean;
  readonly accepted_at: number;
  readonly published_at: number | null;
  readonly taken_at: number | null;
  readonly finished_at: number | null;
  readonly feedback: { readonly read_back: { readonly value: unknown } | null } | null;
  readonly superseded_by: number | null;
}

let count = 0;

/** An active datapoint of the connector, once the connector knows it. */
export async function fresh(
  app: TestApp,
  connector: TestConnector,
  type: "sensor" | "actuator",
  more: object = {},
): Promise<number> {
  const key = `k${++count}`;
  const body = [{ connector: { name: connector.name }, key_in_connector: key, type, ...more }];
  const [created] = await app.json<{ id: number }[]>("POST", "/datapoint/", { body, status: 201 });
  const id = created?.id ?? 0;
  await app.json("POST", "/datapoint/activate/", { body: { ids: [id] } });
  await connector.map(`${key} in the map`, (map) =>
    type === "sensor" ? key in map.sensor : Object.values(map.actuator).includes(key),
  );
  return id;
}

/** Writes a value, which must be taken. @returns the id of its command */
export async function write(
  app: TestApp,
  datapoint: number,
  value: unknown,
  timestamp = Date.now(),
): Promise<number> {
  const response = await app.request("POST", `/datapoint/${datapoint}/value/?values=native`, {
    body: { value, timestamp },
  });
  if (response.status !== 201) throw new Error(`refused with ${response.status}: ${await response.text()}`);
  return idOf(response);
}

/** Of the command that an answer leads to. */
export const idOf = (response: Response): number =>
  Number(/\/commands\/(\d+)\/$/.exec(response.headers.get("busbar-command") ?? "")?.[1]);

export const commandOf = (app: TestApp, id: number): Promise<CommandJson> =>
  app.json("GET", `/commands/${id}/`);

export const stateOf = async (app: TestApp, id: number): Promise<string> => (await commandOf(app, id)).state;
