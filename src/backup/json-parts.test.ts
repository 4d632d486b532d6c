import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { arrayItems } from "./array-items.ts";
import { Indenter } from "./indent.ts";

const itemsOf = async (bytes: Uint8Array, part: number): Promise<unknown[]> => {
  const items: unknown[] = [];
  const parts = (async function* () {
    for (let at = 0; at < bytes.length; at += part) yield bytes.subarray(at, at + part);
  })();
  for await (const item of arrayItems(parts)) items.push(item);
  return items;
};

const layout = (text: string, part: number): string => {
  const indenter = new Indenter();
  let result = "";
  for (let at = 0; at < text.length; at += part) result += indenter.push(text.slice(at, at + part));
  expect(indenter.isWhole).toBe(true);
  return result;
};

/** As a browser of JSON lays it out, in ASCII. */
const model = (value: unknown): string =>
  JSON.stringify(value, null, 4).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

describe("JSON in parts", () => {
  it("is laid out as a whole text is", () => {
    fc.assert(
      fc.property(
        fc.array(fc.jsonValue()),
        fc.integer({ min: 1, max: 50 }),
        fc.boolean(),
        (value, part, wide) => {
          expect(layout(JSON.stringify(value, null, wide ? 1 : 0), part)).toBe(model(value));
        },
      ),
    );
  });

  it("keeps each digit of a number", () => {
    expect(layout("[12345678901234567890, -0.10,1E5]", 3)).toBe(
      "[\n    12345678901234567890,\n    -0.10,\n    1E5\n]",
    );
  });

  it("knows that a text was cut", () => {
    const whole = '[{"value": "]"}]';
    for (let end = 0; end < whole.length; end += 1) {
      const indenter = new Indenter();
      indenter.push(whole.slice(0, end));
      expect(indenter.isWhole).toBe(false);
    }
  });

  it("falls into its items", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.jsonValue()), fc.integer({ min: 1, max: 50 }), async (value, part) => {
        const text = JSON.stringify(value, null, 4);
        expect(await itemsOf(Buffer.from(text), part)).toEqual(JSON.parse(text));
      }),
    );
  });

  it.each(["", "{}", "5", "[1,2", '["a]', "[1] [2]", "[1,]", "[1]]"])(
    "%s is refused as an array",
    async (text) => {
      await expect(itemsOf(Buffer.from(text), 2)).rejects.toThrow(SyntaxError);
    },
  );
});
