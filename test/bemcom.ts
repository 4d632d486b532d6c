import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { gzipSync } from "node:zlib";

type BemcomMessage = Readonly<Record<string, unknown>> & { readonly timestamp: number };

/** A datapoint and its messages as the existing system holds them. */
export interface BemcomDatapoint {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly messages: Readonly<Record<string, readonly BemcomMessage[]>>;
}

export interface BemcomOptions {
  /** `head` gives values as JSON text and connectors as objects; `0.3.0` gives both as they are, and takes nothing. */
  readonly version: "head" | "0.3.0";
  readonly datapoints?: readonly BemcomDatapoint[];
}

/** In place of an answer: a status with headers, or the connection's end after half a body. */
type Fault =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  | { readonly breakOff: true };

/** Status and body. */
type Routed = readonly [number, unknown];

export const bemcomUser = { name: "ems", password: "Very-secret-7" };
const expectedAuthorization = `Basic ${Buffer.from(`${bemcomUser.name}:${bemcomUser.password}`).toString("base64")}`;

/**
 * Answers as the existing system does, by its documented contract: status codes, shapes and slips of its lists, and nothing
 * of ours. It can be told to fail.
 */
export class Bemcom implements AsyncDisposable {
  /** What was asked, oldest first, like `GET /datapoint/`. */
  readonly requests: string[] = [];
  /** Faults to answer with, by a part of the request's text; each is used once. */
  readonly faults: (readonly [string, Fault])[] = [];
  /** Requests with this text are not answered while it is set. */
  hold: string | undefined;
  readonly stored = new Map<
    number,
    { fields: Record<string, unknown>; messages: Map<string, Map<number, unknown>> }
  >();
  readonly #server: Server;
  readonly #version: BemcomOptions["version"];

  private constructor(server: Server, options: BemcomOptions) {
    this.#server = server;
    this.#version = options.version;
    for (const { fields, messages } of options.datapoints ?? []) {
      const kinds = Object.entries(messages).map(
        ([kind, list]) => [kind, new Map(list.map((message) => [message.timestamp, message]))] as const,
      );
      this.stored.set(Number(fields["id"]), { fields: { ...fields }, messages: new Map(kinds) });
    }
  }

  static async start(options: BemcomOptions): Promise<Bemcom> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const bemcom = new Bemcom(server, options);
    server.on("request", (request, response) => void bemcom.#answer(request, response));
    return bemcom;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  messages(id: number, kind: string): readonly unknown[] {
    return [...(this.stored.get(id)?.messages.get(kind)?.values() ?? [])];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = `${request.method} ${request.url}`;
    this.requests.push(text);
    if (this.hold !== undefined && text.includes(this.hold)) return;
    const index = this.faults.findIndex(([part]) => text.includes(part));
    const [, fault] = index < 0 ? [] : (this.faults.splice(index, 1)[0] ?? []);
    if (fault && "status" in fault) {
      response.writeHead(fault.status, fault.headers).end("busy");
      return;
    }
    const [status, body] = await this.#route(request);
    const content = gzipSync(typeof body === "string" ? body : JSON.stringify(body));
    response.writeHead(status, { "content-type": "application/json", "content-encoding": "gzip" });
    if (fault) response.write(content.subarray(0, 12), () => response.destroy());
    else response.end(content);
  }

  #route(request: IncomingMessage): Promise<Routed> {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://x");
    if (pathname === "/") return Promise.resolve([200, "<html>Swagger UI</html>"]);
    if (request.headers.authorization !== expectedAuthorization)
      return Promise.resolve([401, { detail: "Authentication credentials were not provided." }]);
    const [, id, kind] = /^\/datapoint\/(\d+)\/(value|setpoint|schedule)\/$/.exec(pathname) ?? [];
    if (pathname === "/datapoint/") return this.#datapoints(request);
    if (id !== undefined && kind !== undefined)
      return this.#messages(request, Number(id), kind, searchParams);
    return Promise.resolve([404, "<h1>Not Found</h1>"]);
  }

  async #datapoints(request: IncomingMessage): Promise<Routed> {
    if (request.method === "GET") return [200, [...this.stored.values()].map(({ fields }) => fields)];
    if (this.#version === "0.3.0") return [405, { detail: "Method not allowed." }];
    const items = (await json(request)) as Record<string, unknown>[];
    return request.method === "POST" ? this.#create(items) : this.#update(items);
  }

  /** Good items of a failed request stay, and the type is no part of a datapoint's identity. */
  #create(items: readonly Record<string, unknown>[]): Routed {
    const results = items.map((item) => {
      if (this.#find(item).length > 0) return { datapoint: "Datapoint already exists." };
      const id = 100 + this.stored.size;
      this.stored.set(id, { fields: { ...item, id }, messages: new Map() });
      return { id };
    });
    if (results.some((result) => "datapoint" in result))
      return [400, results.map((result) => ("datapoint" in result ? result : {}))];
    return [201, results.map(({ id }) => this.stored.get(id as number)?.fields)];
  }

  #update(items: readonly Record<string, unknown>[]): Routed {
    const found = items.map((item) => this.#find(item));
    if (found.some((own) => own.length !== 1))
      return [400, found.map((own) => (own.length === 1 ? {} : { datapoint: "not exactly one" }))];
    return [
      200,
      items.map((item, index) =>
        Object.assign(found[index]?.[0] ?? {}, item, { id: found[index]?.[0]?.["id"] }),
      ),
    ];
  }

  #find(item: Readonly<Record<string, unknown>>): Record<string, unknown>[] {
    const same = (fields: Readonly<Record<string, unknown>>) =>
      JSON.stringify(fields["connector"]) === JSON.stringify(item["connector"]) &&
      fields["key_in_connector"] === item["key_in_connector"];
    return [...this.stored.values()].map(({ fields }) => fields).filter(same);
  }

  async #messages(
    request: IncomingMessage,
    id: number,
    kind: string,
    query: URLSearchParams,
  ): Promise<Routed> {
    const datapoint = this.stored.get(id);
    if (!datapoint) return [404, { detail: "Not found." }];
    const own = datapoint.messages.get(kind) ?? new Map<number, unknown>();
    if (request.method === "GET") {
      const from = Number(query.get("timestamp__gte"));
      const to = Number(query.get("timestamp__lt"));
      return [200, [...own].filter(([time]) => time >= from && time < to).map(([, message]) => message)];
    }
    if (this.#version === "0.3.0") return [405, { detail: "Method not allowed." }];
    const sent = (await json(request)) as { readonly timestamp: number }[];
    const faults = sent.map((message) => ruleBroken(datapoint.fields, kind, message));
    if (faults.some((fault) => Object.keys(fault).length > 0)) return [400, faults];
    datapoint.messages.set(kind, own);
    const created = sent.filter(({ timestamp }) => !own.has(timestamp)).length;
    for (const message of sent) own.set(message.timestamp, message);
    return [200, { msgs_created: created, msgs_updated: sent.length - created }];
  }
}

/** As far as the tests need it: a value is JSON text, and texts are no numbers. */
function ruleBroken(
  { data_format: format }: Readonly<Record<string, unknown>>,
  kind: string,
  message: Readonly<Record<string, unknown>>,
): Readonly<Record<string, readonly string[]>> {
  if (kind !== "value") return {};
  const written = message["value"];
  if (typeof written !== "string") return { value: ["Not a valid string."] };
  try {
    const value = JSON.parse(written) as unknown;
    const wanted = String(format).endsWith("_text") ? "string" : "number";
    const fits = format === "unknown" || value === null || typeof value === wanted;
    return fits ? {} : { value: [`${written} does not fit ${String(format)}.`] };
  } catch {
    return { value: [`${written} cannot be parsed as JSON.`] };
  }
}
