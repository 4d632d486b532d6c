import { OperatorError } from "../kernel/errors.ts";
import type { Metadata } from "./catalogue.ts";
import type { Sample } from "./history.ts";

export interface Datapoint {
  readonly id: number;
  readonly connector: { readonly name: string };
  readonly key_in_connector: string;
  readonly type: string;
  readonly short_name: string | null;
}

export interface Message {
  readonly value: unknown;
  /** Milliseconds UTC. */
  readonly timestamp: number;
}

/** The values of one request; the server takes far more, but a small body keeps both sides quick. */
const perRequest = 10_000;

/** The server's HTTP interface, as far as the simulated site needs it. */
export class SiteApi {
  readonly #url: string;
  readonly #authorization: string;

  /** `url` without a final slash; `authorization` is the header's value. */
  constructor(url: string, authorization: string) {
    this.#url = url.replace(/\/+$/, "");
    this.#authorization = authorization;
  }

  async ensureConnector(name: string): Promise<void> {
    const connectors = await this.#call<readonly { readonly name: string }[]>("GET", "/connector/");
    if (connectors.some((connector) => connector.name === name)) return;
    await this.#call("POST", "/connector/", { name });
  }

  /** All of the connector's, or only those in use. */
  datapoints(connector: string, activity: "all" | "true"): Promise<readonly Datapoint[]> {
    const query = new URLSearchParams({ connector__name: connector, is_active: activity });
    return this.#call("GET", `/datapoint/?${query}`);
  }

  async describe(items: readonly (Metadata & Pick<Datapoint, "connector" | "key_in_connector" | "type">)[]) {
    await this.#call("PUT", "/datapoint/", items);
  }

  async activate(ids: readonly number[]): Promise<void> {
    await this.#call("POST", "/datapoint/activate/", { ids });
  }

  /** Ascending. */
  values(id: number, from: number): Promise<readonly Message[]> {
    return this.#call("GET", `/datapoint/${id}/value/?timestamp__gte=${from}&values=native`);
  }

  async putValues(id: number, samples: readonly Sample[]): Promise<void> {
    for (let from = 0; from < samples.length; from += perRequest) {
      const part = samples.slice(from, from + perRequest);
      const body = part.map(({ time, value }) => ({ value, timestamp: time }));
      await this.#call("PUT", `/datapoint/${id}/value/?values=native`, body);
    }
  }

  async #call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await this.#fetch(method, path, body);
    const text = await response.text();
    if (!response.ok) {
      const reason = text.slice(0, 300).replace(/\s+/g, " ");
      throw new OperatorError(`${method} ${this.#url}${path} answered ${response.status}: ${reason}`);
    }
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  async #fetch(method: string, path: string, body: unknown): Promise<Response> {
    try {
      return await fetch(`${this.#url}${path}`, {
        method,
        headers: { authorization: this.#authorization, "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (cause) {
      throw new OperatorError(`The server at ${this.#url} cannot be reached.`, { cause });
    }
  }
}
