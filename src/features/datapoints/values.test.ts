import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseDeviceJson, parseJson } from "./json-text.ts";
import { messageText } from "./message-texts.ts";
import { decodeWritten, nativeOfPoint, pointOf, textOfPoint } from "./values.ts";

describe("value text", () => {
  test.each([
    [1, "1"],
    [2.2, "2.2"],
    [-0, "-0"],
    [1e21, "1e+21"],
    ["text", '"text"'],
    ["21.5", '"21.5"'],
    [null, "null"],
    [true, "true"],
    [false, "false"],
    [[1, "a"], '[1,"a"]'],
    [{ a: null }, '{"a":null}'],
  ])("%j is %s", (value, text) => {
    expect(textOfPoint(pointOf(value))).toBe(text);
    expect(nativeOfPoint(pointOf(value))).toEqual(value);
  });

  test("a value survives store and wire in either form", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.integer({ min: -9e12, max: 9e12 }), (given, timestamp) => {
        const value = Object.is(given, -0) ? given : (JSON.parse(JSON.stringify(given)) as unknown);
        const point = { time: timestamp * 1000, value: pointOf(given) };
        const text = JSON.parse(messageText("value", point, "text")) as { value: string; timestamp: number };
        expect(text.timestamp).toBe(timestamp);
        const decoded = decodeWritten(text.value, "text");
        expect(decoded).toEqual({ value });
        expect("value" in decoded && pointOf(decoded.value)).toEqual(point.value);
        const native = JSON.parse(messageText("value", point, "native")) as { value: unknown };
        expect(decodeWritten(native.value, "native")).toEqual({ value });
      }),
    );
  });

  test("a double survives bit by bit", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const decoded = decodeWritten(textOfPoint(pointOf(value)), "text");
        expect("value" in decoded && Object.is(decoded.value, value)).toBe(true);
      }),
    );
  });

  test.each([
    "",
    "abc",
    "NaN",
    "Infinity",
    "-Infinity",
    "{",
    "1 2",
    "'a'",
    "9007199254740993",
    "1e400",
    "[1e999]",
  ])("the text %j is refused", (text) => {
    expect(decodeWritten(text, "text")).toHaveProperty("fault");
  });

  test("what is no text is taken as it is, and in native form a text as well", () => {
    for (const value of [1, true, null, [1], { a: 1 }])
      expect(decodeWritten(value, "text")).toEqual({ value });
    expect(decodeWritten("abc", "native")).toEqual({ value: "abc" });
    expect(decodeWritten("", "native")).toEqual({ value: "" });
  });
});

describe("JSON of devices", () => {
  test.each([
    ['{"v":NaN}', { v: "NaN" }],
    ['{"v":-Infinity,"w":[Infinity, NaN]}', { v: "-Infinity", w: ["Infinity", "NaN"] }],
    ['{"NaN":"NaN \\" Infinity","v":NaN}', { NaN: 'NaN " Infinity', v: "NaN" }],
    ['{"v":"\\\\","w":NaN}', { v: "\\", w: "NaN" }],
  ])("%s", (text, value) => {
    expect(parseDeviceJson(text)).toEqual(value);
  });

  test.each(["", "{", "NaN}", "--Infinity", "+NaN", "nan", "[NaN,]"])("%j is no JSON", (text) => {
    expect(() => parseDeviceJson(text)).toThrow(SyntaxError);
  });

  test.each(["9007199254740993", "[12345678901234567891]", "1e309", '{"a":-1e400}'])("%s changes", (text) => {
    expect(() => parseJson(text)).toThrow(/exactly|beyond/);
  });

  test.each([
    "9007199254740992",
    "37268399615169770",
    "0.1234567890123456789",
    '"9007199254740993"',
    "1e-400",
    "1.5e300",
  ])("%s does not", (text) => {
    expect(parseJson(text)).toEqual(JSON.parse(text));
  });

  test("agrees with JSON.parse on whatever JSON.stringify writes, bare numbers aside", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        expect(parseJson(text)).toEqual(JSON.parse(text));
        expect(parseDeviceJson(`[NaN,${text}]`)).toEqual(["NaN", JSON.parse(text)]);
      }),
    );
  });
});
