import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Problem } from "../errors.ts";
import { parseJsonBody } from "./json-body.ts";
import { findJsonFault } from "./json-syntax.ts";

const parse = (text: string): unknown => parseJsonBody(Buffer.from(text));

function refused(text: string | Buffer): Problem {
  try {
    parseJsonBody(Buffer.from(text));
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error(`${text} was accepted`);
}

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

describe("parseJsonBody", () => {
  it("reads what JSON.stringify writes", () => {
    const value = fc
      .jsonValue({ maxDepth: 6 })
      .filter((json) => !JSON.stringify(json).includes('"__proto__"'));
    fc.assert(
      fc.property(value, (json) => {
        expect(parse(JSON.stringify(json))).toEqual(JSON.parse(JSON.stringify(json)));
      }),
    );
  });

  it("takes a byte order mark and spaces", () => {
    expect(parse('\ufeff {"a": 1}\n')).toEqual({ a: 1 });
  });

  it.each([
    ["", "empty"],
    ["{", "line 1 column 2: the text ends where a member name in double quotes should be"],
    ['{"a":\n 1,}', "line 2 column 4: a member name in double quotes should be here"],
    ['{"value": NaN}', "line 1 column 11: NaN and Infinity are not JSON"],
    ["[-Infinity]", "NaN and Infinity are not JSON"],
    ["[01]", "a value should be here"],
    ["[1 2]", "a comma or ] should be here"],
    ['{"a" 1}', "a colon should be here"],
    ["{} x", "the end should be here"],
    ['["\\x"]', "bad escape"],
  ])("says where %j breaks", (text, expected) => {
    const problem = refused(text);
    expect(problem.code).toBe("invalid-json");
    expect(problem.message).toContain(expected);
  });

  it("refuses bytes that are not UTF-8", () => {
    expect(refused(Buffer.from([0x22, 0xff, 0x22])).message).toContain("UTF-8");
  });

  it.each([
    ["[12345678901234567890]", "12345678901234567890"],
    ['{"id": 9007199254740993}', "id: the integer 9007199254740993"],
    ["-9007199254740993", "-9007199254740993"],
  ])("refuses %s, which a double cannot hold", (text, expected) => {
    expect(refused(text).code).toBe("invalid-request");
    expect(refused(text).message).toContain(expected);
  });

  it("takes long integers that a double holds, and long digits elsewhere", () => {
    expect(parse("[9007199254740992, 12345678901234567168]")).toEqual([
      2 ** 53,
      Number(12345678901234567168n),
    ]);
    expect(parse('["12345678901234567890", 0.12345678901234567890]')).toHaveLength(2);
  });

  it("finds every integer that would change, wherever it stands", () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 1n << 70n), fc.nat(40), (integer, pad) => {
        const text = `${" ".repeat(pad)}{"n": ${integer}}`;
        const isKept = BigInt(Number(integer)) === integer || String(Number(integer)) === String(integer);
        if (isKept) expect(parse(text)).toEqual({ n: Number(integer) });
        else expect(refused(text).message).toContain(String(integer));
      }),
    );
  });

  it.each([
    ['{"__proto__": {"x": 1}}', "/__proto__"],
    ['{"a": [{"\\u005f_proto__": 1}]}', "/a/0/__proto__"],
    ['{"constructor": {"prototype": {}}}', "/constructor"],
    ["[1e999]", "/0"],
  ])("refuses %s and points at it", (text, pointer) => {
    expect(refused(text).errors).toEqual([{ pointer, detail: expect.any(String) }]);
  });

  it("takes the word constructor as a name", () => {
    expect(parse('{"constructor": "Smith"}')).toEqual({ constructor: "Smith" });
  });

  it("refuses nesting that could exhaust the stack", () => {
    expect(parse("[".repeat(200) + "]".repeat(200))).toBeInstanceOf(Array);
    expect(refused("[".repeat(300_000) + "]".repeat(300_000)).message).toContain("nested deeper");
  });
});

describe("findJsonFault", () => {
  it("agrees with JSON.parse on what is JSON", () => {
    const pieces = [
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"a"',
      '"\\n"',
      '"',
      "1",
      "-0.5e3",
      "01",
      "true",
      "nul",
      " ",
      "\n",
      "\\",
    ];
    const text = fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(text, (source) => {
        expect(findJsonFault(source) === undefined).toBe(isJson(source));
      }),
      { numRuns: 2000 },
    );
  });

  it("survives megabytes", () => {
    expect(findJsonFault(`["${"x".repeat(2_000_000)}`)?.reason).toContain("not closed");
    expect(findJsonFault(`[${"1,".repeat(500_000)}]`)?.column).toBe(1_000_002);
  });
});
