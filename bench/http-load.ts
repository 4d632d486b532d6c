/** The load generator for HTTP, a process of its own. */
import { answer, taskOf } from "./child.ts";
import { median, percentile } from "./figures.ts";
import { RawConnection, requestOf } from "./raw-http.ts";

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Requests one after another, each timed; or the same one over several connections for a while. */
export type HttpTask =
  | {
      readonly kind: "timed";
      readonly port: number;
      readonly requests: readonly TimedRequest[];
      /** How often all of them are sent; default once. */
      readonly rounds?: number;
    }
  | {
      readonly kind: "rate";
      readonly port: number;
      readonly request: HttpRequest;
      readonly connections: number;
      readonly seconds: number;
    };

export interface TimedRequest extends HttpRequest {
  /** Made by the generator: values of a day for a bulk PUT, since a task's text would be too long. */
  readonly day?: { readonly from: number; readonly count: number };
}

export interface TimedResult {
  /** Milliseconds. */
  readonly median: number;
  readonly p99: number;
  readonly bytes: number;
}

export interface RateResult {
  readonly perSecond: number;
  readonly p99: number;
}

const task = taskOf<HttpTask>();
answer(task.kind === "timed" ? await timed(task) : await rate(task));
process.disconnect?.();

async function timed({
  port,
  requests,
  rounds = 1,
}: HttpTask & { readonly kind: "timed" }): Promise<TimedResult> {
  const connection = await RawConnection.open(port);
  const times: number[] = [];
  let bytes = 0;
  for (const request of Array.from({ length: rounds }, () => requests).flat()) {
    const message = messageOf(request);
    const from = performance.now();
    const { status, bytes: size } = await connection.request(message);
    times.push(performance.now() - from);
    if (status !== 200) throw new Error(`${request.method} ${request.path} answered ${status}`);
    bytes = size;
  }
  connection.close();
  // The first ones warm up.
  const warm = times.slice(Math.min(3, times.length - 1));
  return { median: median(warm), p99: percentile(warm, 0.99), bytes };
}

function messageOf({ method, path, headers, body, day }: TimedRequest): Buffer {
  return requestOf(method, path, headers, day === undefined ? body : dayBody(day));
}

/** Every ten seconds a value with two decimals, written as documented: JSON text in a string. */
function dayBody({ from, count }: { readonly from: number; readonly count: number }): string {
  const items = Array.from({ length: count }, (_, index) => ({
    value: (2000 + 500 * Math.sin(index / 1000) + (index % 97) / 100).toFixed(2),
    timestamp: from + index * 10_000,
  }));
  return JSON.stringify(items);
}

async function rate(work: HttpTask & { readonly kind: "rate" }): Promise<RateResult> {
  const message = messageOf(work.request);
  const times: number[] = [];
  let running = false;
  let counted = 0;
  const end = performance.now() + work.seconds * 1000;
  const warmUntil = performance.now() + 1000;
  const client = async (connection: RawConnection) => {
    while (performance.now() < end) {
      const from = performance.now();
      const { status } = await connection.request(message);
      if (status !== 200) throw new Error(`${work.request.path} answered ${status}`);
      running ||= performance.now() > warmUntil;
      if (!running) continue;
      counted += 1;
      if (counted % 16 === 0) times.push(performance.now() - from);
    }
    connection.close();
  };
  const connections = await Promise.all(
    Array.from({ length: work.connections }, () => RawConnection.open(work.port)),
  );
  await Promise.all(connections.map(client));
  return { perSecond: counted / ((performance.now() - warmUntil) / 1000), p99: percentile(times, 0.99) };
}
