import { describe, expect, inject, test } from "vitest";
import { startTestApp } from "../app.ts";
import { openBrowser } from "../browser.ts";

const executable = inject("chromium");

describe.skipIf(executable === null)("the first start in a browser", () => {
  test("the link makes a superuser, who can read and write on the page of the API", async () => {
    await using app = await startTestApp({
      env: { DJANGO_SUPERUSER_USERNAME: "", DJANGO_SUPERUSER_PASSWORD: "" },
    });
    await using browser = await openBrowser(executable ?? "");
    const page = await browser.newPage();
    const faults: string[] = [];
    page.on("pageerror", (error) => faults.push(error.message));
    page.on("console", (line) => line.type() === "error" && faults.push(line.text()));

    await page.goto(app.server.setupLink ?? "");
    await page.getByLabel("Name").fill("ada");
    await page.getByLabel("Password", { exact: true }).fill("short");
    await page.getByLabel("Password again").fill("short");
    await page.getByRole("button").click();
    await page.getByText("at least 8 characters").first().waitFor();
    expect(await page.getByLabel("Name").inputValue()).toBe("ada");
    faults.length = 0;

    await page.getByLabel("Password", { exact: true }).fill("a long sentence is fine");
    await page.getByLabel("Password again").fill("a long sentence is fine");
    await page.getByRole("button").click();
    await page.waitForURL("**/docs*");

    const operation = page.locator(".opblock-post").filter({ hasText: "/connector/" }).first();
    await operation.locator(".opblock-summary-control").click();
    await operation.getByRole("button", { name: "Try it out" }).click();
    await operation.locator("textarea").fill('{"name": "house"}');
    const answer = page.waitForResponse((response) => response.request().method() === "POST");
    await operation.getByRole("button", { name: "Execute" }).click();
    expect((await answer).status()).toBe(201);
    expect(faults).toEqual([]);

    await page.goto(app.server.setupLink ?? "");
    expect(await page.getByRole("button").count()).toBe(0);
  });
});
