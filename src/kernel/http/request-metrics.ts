import type { FastifyReply, FastifyRequest } from "fastify";
import type { Metric } from "prom-client";
import type { Metrics } from "../observe/metrics.ts";

/** Upper edges in seconds. */
const edges = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

interface RouteFigures {
  readonly method: string;
  readonly route: string;
  readonly byStatus: Map<number, number>;
  /** Counts per bucket, not yet cumulative; the last one is above all edges. */
  readonly buckets: Float64Array;
  seconds: number;
}

interface Sample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/**
 * Counts requests by route, method and status. Kept in plain numbers and turned into Prometheus samples when
 * scraped: the library's own label hashing costs more than the rest of this layer.
 */
export class RequestMetrics {
  readonly #figures = new Map<string, Map<string, RouteFigures>>();

  constructor(metrics: Metrics) {
    this.#register(metrics, "busbar_http_requests_total", "counter", "Requests answered.", (all) =>
      this.#counts(all),
    );
    this.#register(
      metrics,
      "busbar_http_request_duration_seconds",
      "histogram",
      "Time from the head of the request to the end of the answer.",
      (all) => this.#durations(all),
    );
  }

  observe(request: FastifyRequest, reply: FastifyReply): void {
    const figures = this.#of(request.routeOptions.url ?? "", request.method);
    const seconds = reply.elapsedTime / 1000;
    const status = reply.statusCode;
    figures.byStatus.set(status, (figures.byStatus.get(status) ?? 0) + 1);
    if (request.routeOptions.config.endless && status < 400) return;
    figures.seconds += seconds;
    let bucket = 0;
    while (bucket < edges.length && seconds > (edges[bucket] ?? 0)) bucket += 1;
    figures.buckets[bucket] = (figures.buckets[bucket] ?? 0) + 1;
  }

  #of(route: string, method: string): RouteFigures {
    const methods = this.#figures.get(route) ?? new Map<string, RouteFigures>();
    const present = methods.get(method);
    if (present) return present;
    const figures = {
      method,
      route,
      byStatus: new Map(),
      buckets: new Float64Array(edges.length + 1),
      seconds: 0,
    };
    this.#figures.set(route, methods.set(method, figures));
    return figures;
  }

  #register(
    metrics: Metrics,
    name: string,
    type: string,
    help: string,
    samples: (all: RouteFigures[]) => Sample[],
  ): void {
    const all = (): RouteFigures[] => [...this.#figures.values()].flatMap((methods) => [...methods.values()]);
    const metric = {
      name,
      help,
      aggregator: "sum",
      get: async () => ({ name, help, type, values: samples(all()) }),
    };
    metrics.registerMetric(metric as unknown as Metric);
  }

  #counts(all: readonly RouteFigures[]): Sample[] {
    return all.flatMap(({ method, route, byStatus }) =>
      [...byStatus].map(([status, value]) => ({
        metricName: "busbar_http_requests_total",
        labels: { method, route, status },
        value,
      })),
    );
  }

  #durations(all: readonly RouteFigures[]): Sample[] {
    const name = "busbar_http_request_duration_seconds";
    return all.flatMap(({ method, route, buckets, seconds }) => {
      let count = 0;
      const samples: Sample[] = [...buckets].map((own, index) => {
        count += own;
        const le = edges[index] ?? "+Inf";
        return { metricName: `${name}_bucket`, labels: { method, route, le }, value: count };
      });
      samples.push({ metricName: `${name}_sum`, labels: { method, route }, value: seconds });
      samples.push({ metricName: `${name}_count`, labels: { method, route }, value: count });
      return samples;
    });
  }
}
