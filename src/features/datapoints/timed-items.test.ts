import fc from "fast-check";
import { expect, test } from "vitest";
import { messageText, readMessageInput } from "./message-texts.ts";
import { type DataFormat, type Datapoint, dataFormats, noStreams } from "./model.ts";
import { Malformed, readMessage } from "./payloads.ts";
import type { MessageInput } from "./schemas.ts";
import type { TimedKind } from "./timed-items.ts";

const now = 1_700_000_000_000;

const actuator = (dataFormat: DataFormat): Datapoint => ({
  id: 1,
  connectorId: 1,
  connector: "c",
  key: "k",
  type: "actuator",
  isActive: true,
  dataFormat,
  shortName: null,
  description: "",
  unit: "",
  allowedValues: ["on", "off", 1, null],
  minValue: 0,
  maxValue: 30,
  exampleValue: null,
  streams: noStreams,
  commandStream: null,
});

/** What each format takes, in native form. */
const values: Readonly<Record<DataFormat, fc.Arbitrary<unknown>>> = {
  generic_numeric: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
  continuous_numeric: fc.option(fc.double({ noNaN: true, min: 0, max: 30 })),
  discrete_numeric: fc.constantFrom(1, null),
  generic_text: fc.option(fc.string({ unit: "grapheme" })),
  discrete_text: fc.constantFrom("on", "off", null),
  bool: fc.boolean(),
  unknown: fc.jsonValue(),
};

const number = fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }));
const times = fc
  .record({
    from_timestamp: fc.option(fc.integer({ min: now - 1e9, max: now })),
    to_timestamp: fc.option(fc.integer({ min: now + 1, max: now + 1e9 })),
  })
  .map((item): Record<string, unknown> => ({ ...item }));
const itemOf = (kind: TimedKind, value: fc.Arbitrary<unknown>): fc.Arbitrary<object> =>
  kind === "schedule"
    ? fc.record({ times, value }).map(({ times: own, value: v }) => ({ ...own, value: v }))
    : fc
        .record({
          times,
          preferred_value: value,
          acceptable_values: fc.option(fc.array(fc.option(fc.string()), { maxLength: 4 })),
          min_value: number,
          max_value: number,
        })
        .map(({ times: own, ...rest }) => ({ ...own, ...rest }));

const jsonOf = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test.each(dataFormats.flatMap((format) => [["setpoint", format] as const, ["schedule", format] as const]))(
  "a %s of a %s datapoint survives store and wire in either form",
  (kind, format) => {
    fc.assert(
      fc.property(fc.array(itemOf(kind, values[format]), { maxLength: 4 }), (items) => {
        const read = (content: unknown, form: "text" | "native") =>
          readMessageInput(kind, actuator(format), { [kind]: content, timestamp: now }, form, now);
        const point = read(jsonOf(items), "native");
        if (!("time" in point)) throw new Error(JSON.stringify(point.faults));
        expect(JSON.parse(String(point.value))).toEqual(jsonOf(items));
        const text = JSON.parse(messageText(kind, point, "text")) as MessageInput;
        expect(read(text[kind], "text")).toEqual(point);
        const native = messageText(kind, point, "native");
        expect(readMessage(Buffer.from(native), kind)).toEqual(point);
      }),
    );
  },
);

const member = fc.constantFrom(
  "from_timestamp",
  "to_timestamp",
  "preferred_value",
  "value",
  "acceptable_values",
  "min_value",
  "max_value",
  "__proto__",
);
const anyItem = fc.oneof(fc.dictionary(member, fc.jsonValue()), fc.jsonValue());
const anyContent = fc.oneof(fc.array(anyItem, { maxLength: 4 }), fc.jsonValue());

test.each(["setpoint", "schedule"] as const)("whatever is written as a %s is stored or named", (kind) => {
  fc.assert(
    fc.property(anyContent, fc.constantFrom(...dataFormats), (content, format) => {
      const input = { [kind]: content, timestamp: now };
      for (const form of ["text", "native"] as const) {
        const read = readMessageInput(kind, actuator(format), input, form, now);
        if ("time" in read) JSON.parse(messageText(kind, read, "text"));
        else expect(Object.keys(read.faults)).toEqual([kind]);
      }
    }),
  );
});

test.each(["setpoint", "schedule"] as const)("whatever is published as a %s can be shown", (kind) => {
  fc.assert(
    fc.property(anyContent, (content) => {
      try {
        const payload = Buffer.from(JSON.stringify({ [kind]: content, timestamp: now }));
        const point = { ...readMessage(payload, kind) };
        for (const form of ["text", "native"] as const)
          expect(JSON.parse(messageText(kind, point, form))).toHaveProperty(kind);
      } catch (error) {
        expect(error).toBeInstanceOf(Malformed);
      }
    }),
  );
});
