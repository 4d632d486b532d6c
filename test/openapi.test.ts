import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import { expect, test } from "vitest";
import { openApiText, writeOpenApi } from "../src/kernel/http/openapi.ts";
import { startTestApp } from "./app.ts";

const file = new URL("../docs/openapi.json", import.meta.url);

test("docs/openapi.json is what the server serves (npm run openapi writes it)", async () => {
  await using app = await startTestApp();
  if (process.env["UPDATE_OPENAPI"] === "true") await writeOpenApi(app.server.kernel.http, file.pathname);
  expect(await openApiText(app.server.kernel.http)).toBe(readFileSync(file, "utf8"));
});

type Schema = Readonly<Record<string, unknown>>;
interface Media {
  readonly schema?: Schema;
  readonly example?: unknown;
  readonly examples?: Readonly<Record<string, { readonly value: unknown }>>;
}
type Content = Readonly<Record<string, Media>>;
interface Operation {
  readonly summary?: string;
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description?: string; readonly content?: Content }>>;
}
interface Described {
  /** Like `GET /datapoint/`. */
  readonly name: string;
  readonly operation: Operation;
}

async function operations(): Promise<readonly Described[]> {
  await using app = await startTestApp();
  type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  const { paths } = await app.json<{ paths: Paths }>("GET", "/openapi.json");
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, operation })),
  );
}

/** Those of the medium, else of its schema, else of the items of its list. */
function examplesOf({ schema, example, examples }: Media): readonly unknown[] {
  if (example !== undefined) return [example];
  if (examples !== undefined) return Object.values(examples).map(({ value }) => value);
  const own = schema?.["examples"];
  if (Array.isArray(own)) return own;
  const items = schema?.["items"];
  return items === undefined ? [] : examplesOf({ schema: items as Schema }).map((item) => [item]);
}

const jsonOf = (content: Content | undefined): Media | undefined => content?.["application/json"];

test("every operation has a summary, and says what each answer means and which problems there are", async () => {
  const all = await operations();
  expect(all.filter(({ operation }) => !operation.summary).map(({ name }) => name)).toEqual([]);
  const silent = all.filter(({ operation }) =>
    Object.values(operation.responses).some(
      ({ description = "Default Response" }) => description === "Default Response",
    ),
  );
  expect(silent.map(({ name }) => name)).toEqual([]);
  for (const { operation } of all)
    expect(operation.responses["default"]?.description).toMatch(/^Problem \(RFC 9457\): .*500 internal/);
});

test("every body has an example, and so has every answer of datapoints and connectors", async () => {
  const lacking = (await operations()).filter(({ name, operation }) => {
    const answers = Object.entries(operation.responses).filter(([status]) => status !== "default");
    const shown = /\/(datapoint|connector)\//.test(name)
      ? answers.map(([, { content }]) => jsonOf(content))
      : [];
    return [jsonOf(operation.requestBody?.content), ...shown].some(
      (media) =>
        media?.schema !== undefined && media.schema["type"] !== "null" && examplesOf(media).length === 0,
    );
  });
  expect(lacking.map(({ name }) => name)).toEqual([]);
});

test("every example is what its schema says", async () => {
  const ajv = new Ajv({ strict: false });
  const wrong = (await operations()).flatMap(({ name, operation }) => {
    const contents = [
      operation.requestBody?.content,
      ...Object.values(operation.responses).map((one) => one.content),
    ];
    return contents.map(jsonOf).flatMap((media) => {
      if (!media?.schema) return [];
      const check = ajv.compile(media.schema);
      return examplesOf(media).flatMap((example) =>
        check(example) ? [] : [`${name}: ${ajv.errorsText(check.errors)}`],
      );
    });
  });
  expect(wrong).toEqual([]);
});
