import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { writePacked } from "./files.ts";
import { Indenter } from "./indent.ts";
import { Refused, type Target } from "./target.ts";

/** Bring what the path answers into the file. */
export interface Fetch {
  readonly task: "fetch";
  readonly path: string;
  readonly file: string;
}

/** The connection ended in the middle of an answer, or the answer is no whole JSON. */
class BrokenOff extends Error {
  override readonly name = "BrokenOff";
}

const attempts = 5;

/** @throws Refused when the answer is not 200 */
export async function fetchInto(target: Target, { path, file }: Fetch): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const { status, body } = await target.ask("GET", path);
    if (status !== 200) {
      body.resume();
      throw new Refused(`GET ${path}`, status, "");
    }
    try {
      return await writePacked(file, laidOut(body));
    } catch (error) {
      if (!(error instanceof BrokenOff) || attempt === attempts) throw error;
      await delay(500 * attempt);
    }
  }
}

async function* laidOut(body: Readable): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const indenter = new Indenter();
  const parts = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  for (;;) {
    const { value, done } = await parts.next().catch((cause: unknown) => {
      throw new BrokenOff("The connection ended in the middle of an answer.", { cause });
    });
    if (done === true) break;
    yield indenter.push(decoder.decode(value, { stream: true }));
  }
  if (!indenter.isWhole) throw new BrokenOff("The answer is no whole JSON document.");
}
