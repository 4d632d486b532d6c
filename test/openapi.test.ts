import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { openApiText, writeOpenApi } from "../src/kernel/http/openapi.ts";
import { startTestApp } from "./app.ts";

const file = new URL("../docs/openapi.json", import.meta.url);

test("docs/openapi.json is what the server serves (npm run openapi writes it)", async () => {
  await using app = await startTestApp();
  if (process.env["UPDATE_OPENAPI"] === "true") await writeOpenApi(app.server.kernel.http, file.pathname);
  expect(await openApiText(app.server.kernel.http)).toBe(readFileSync(file, "utf8"));
});

type Operations = Readonly<Record<string, Readonly<Record<string, { summary?: string }>>>>;

test("every operation of the document has a summary", async () => {
  await using app = await startTestApp();
  const { paths } = await app.json<{ paths: Operations }>("GET", "/openapi.json");
  const silent = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations)
      .filter(([, operation]) => !operation.summary)
      .map(([method]) => `${method} ${path}`),
  );
  expect(silent).toEqual([]);
});
