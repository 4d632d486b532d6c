import { invalidField } from "../../kernel/errors.ts";
import { linkNext } from "../../kernel/http/paging.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import {
  type AlignedDatapoint,
  type AlignedRow,
  alignedJson,
  alignedMeans,
  alignedPoints,
  firstRows,
} from "./aligned.ts";
import { sendJsonPieces } from "./answers.ts";
import { meanRows } from "./means.ts";
import { readIds, readInterval, readRange, restOfRange } from "./queries.ts";
import { routeConfig } from "./route-config.ts";
import { formOf } from "./routes.ts";
import { type AlignedQuery, alignedList, alignedQuery } from "./schemas.ts";
import { getDatapoint } from "./store.ts";

const maxDatapoints = 100;

/** `GET /datapoint/value/`: several datapoints on one axis of time. */
export function registerAlignedRoute({ http, database, timeseries }: Kernel, prefix: string): void {
  http.get(
    `${prefix}datapoint/value/`,
    {
      config: routeConfig("view", "datapointvalue"),
      schema: {
        summary: "Values of several datapoints by time: all of them, or the means of an interval",
        querystring: alignedQuery,
        response: { 200: alignedList },
      },
    },
    async (request, reply) => {
      const { interval, values, limit } = request.query;
      const range = restOfRange(readRange(request.query), request.query);
      const width = readInterval(interval);
      const ids = wantedIds(request.query);
      const datapoints: AlignedDatapoint[] = [];
      for (const id of ids) {
        const { value: stream } = (await getDatapoint(database.read, id)).streams;
        if (stream !== null) datapoints.push({ id, stream });
      }
      const streams = datapoints.map(({ stream }) => stream);
      const rows =
        width === undefined
          ? alignedPoints(timeseries, datapoints, range)
          : alignedMeans(meanRows(timeseries, streams, range, width), datapoints);
      const form = formOf(values);
      if (limit === undefined) return sendJsonPieces(reply, alignedJson(rows, ids, form));
      const page = await firstRows(rows, limit);
      // The cursor is the last instant of the page; for buckets that is just before the edge of the next.
      if (page.next !== undefined) linkNext(request, reply, [page.next - 1]);
      return sendJsonPieces(reply, alignedJson(once(page.rows), ids, form));
    },
  );
}

/** @throws Problem `invalid-request` */
function wantedIds({ ids }: AlignedQuery): readonly number[] {
  const wanted = [...new Set(readIds("ids", ids))];
  if (wanted.length === 0) throw invalidField("ids", "Name at least one datapoint by its id.");
  if (wanted.length > maxDatapoints)
    throw invalidField("ids", `At most ${maxDatapoints} datapoints at once, not ${wanted.length}.`);
  return wanted;
}

async function* once(rows: readonly AlignedRow[]): AsyncGenerator<readonly AlignedRow[]> {
  yield rows;
}
