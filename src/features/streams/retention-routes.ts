import { Type } from "typebox";
import { actorOf } from "../../kernel/changes/actor.ts";
import type { Actor } from "../../kernel/changes/changes.ts";
import { right } from "../../kernel/http/surface.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { acceptedIntervals } from "../../kernel/timeseries/buckets/interval.ts";
import type { RetentionRule } from "../../kernel/timeseries/retention-contract.ts";
import { callerOf } from "./catalogue-routes.ts";
import { rfc3339, utc } from "./instants.ts";
import { idParams, nullable, plainText } from "./schemas.ts";
import type { Streams } from "./streams.ts";
import { readRetention, retentionText } from "./views.ts";

const tags = ["Streams"];
/** The owner of the rule for all that have none. */
const everyOwner = "";

const keep = nullable(
  Type.String({
    maxLength: 100,
    description: `How long raw points are kept; null: for ever. ${acceptedIntervals}`,
  }),
);
const rules = {
  default: keep,
  owners: Type.Record(Type.String(), Type.String({ maxLength: 100 }), {
    propertyNames: { minLength: 1, maxLength: 200, pattern: plainText },
    maxProperties: 100,
    description: "By the feature that owns the streams; a stream's own retention goes before it.",
  }),
};
const rulesObject = Type.Object(rules);
const rulesBody = Type.Object(
  { ...rules, reason: Type.Optional(Type.String({ maxLength: 1000, pattern: plainText })) },
  {
    additionalProperties: false,
    examples: [{ default: "2 years", owners: {}, reason: "Raw values are of no use after that." }],
  },
);

const previewQuery = Type.Object({
  keep: Type.String({ maxLength: 100, description: `Such as 90d. ${acceptedIntervals}` }),
});
const previewObject = Type.Object({
  horizon: nullable(Type.String({ description: "Points before it would be deleted; null when none would." })),
  points: Type.Integer(),
  bytes: Type.Integer({ description: "Of the chunks that would be deleted as a whole." }),
  first: nullable(Type.String()),
  last: nullable(Type.String()),
});

const timeText = (time: number | null): string | null => (time === null ? null : rfc3339(time, utc));

/** `/streams/retention/` and the preview of a stream. */
export function registerRetentionRoutes(kernel: Kernel, streams: Streams): void {
  const { http, timeseries, database } = kernel;

  http.get(
    "/streams/retention/",
    {
      config: { access: right("view", "retention") },
      schema: {
        tags,
        summary: "How long raw points are kept where the stream does not say",
        response: { 200: rulesObject },
      },
    },
    async () => rulesView(await timeseries.retention.rules(database.read)),
  );

  http.put(
    "/streams/retention/",
    {
      config: { access: right("change", "retention") },
      schema: {
        tags,
        summary: "Say how long raw points are kept",
        description:
          "Replaces all rules. What has expired is deleted by the next run, within the hour. Needs a right of its own, " +
          "since a rule is for streams of all features, whoever may change them.",
        body: rulesBody,
        response: { 200: rulesObject },
      },
    },
    async (request) => putRules(kernel, request.body, actorOf(request)),
  );

  http.get(
    "/streams/:id/retention/preview",
    {
      config: { access: right("view", "stream", "id") },
      schema: {
        tags,
        summary: "What keeping raw points so long would delete",
        params: idParams,
        querystring: previewQuery,
        response: { 200: previewObject },
      },
    },
    async (request) => {
      const stream = await streams.get(callerOf(request), Number(request.params.id));
      const preview = await timeseries.retention.preview(stream, readRetention(request.query.keep, "keep"));
      const { points, bytes } = preview;
      const [horizon, first, last] = [preview.horizon, preview.first, preview.last].map(timeText);
      return { horizon: horizon ?? null, points, bytes, first: first ?? null, last: last ?? null };
    },
  );
}

const rulesView = (list: readonly RetentionRule[]) => {
  const texts = new Map(list.map(({ owner, keep: width }) => [owner, retentionText(width)]));
  const byDefault = texts.get(everyOwner) ?? null;
  texts.delete(everyOwner);
  return { default: byDefault, owners: Object.fromEntries(texts) };
};

interface RulesBody {
  readonly default: string | null;
  readonly owners: Readonly<Record<string, string>>;
  readonly reason?: string;
}

async function putRules({ database, timeseries, changes }: Kernel, body: RulesBody, actor: Actor) {
  const given = [[everyOwner, body.default, "default"] as const].concat(
    Object.entries(body.owners).map(([owner, text]) => [owner, text, `owners/${owner}`] as never),
  );
  const wanted = given.flatMap(([owner, text, field]) => {
    const width = readRetention(text, field);
    return width === null ? [] : [{ owner, keep: width }];
  });
  return database.write(async (tx) => {
    const before = rulesView(await timeseries.retention.rules(tx));
    await timeseries.retention.replaceRules(tx, wanted);
    const after = rulesView(await timeseries.retention.rules(tx));
    const reason = body.reason === undefined ? {} : { reason: body.reason };
    const change = {
      actor,
      action: "update",
      resource: "retention",
      object: "rules",
      before,
      after,
    } as const;
    if (JSON.stringify(before) !== JSON.stringify(after))
      await changes.record(tx, [{ ...change, ...reason }]);
    return after;
  });
}
