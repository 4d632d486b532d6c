import type { FieldFault, NestedErrors } from "../../kernel/errors.ts";
import { type Millis, microsFromMillis, millisFromMicros } from "../../kernel/time.ts";
import type { Point, PointValue } from "../../kernel/timeseries/types.ts";
import { hasFaults } from "./fields.ts";
import { type Datapoint, type MessageKind, timestampFault, valueFault } from "./model.ts";
import type { MessageInput } from "./schemas.ts";
import { shorten } from "./texts.ts";
import { readTimedItems, timedItemsText } from "./timed-items.ts";
import {
  type Content,
  decodeWritten,
  memberText,
  pointOf,
  readMillis,
  sizeFault,
  type WireForm,
} from "./values.ts";

/** Messages of each kind between the wire and the store. */

/** JSON text of a message, `{"value":"22.5","timestamp":1596240000000}`. */
export const messageText = (kind: MessageKind, point: Point, form: WireForm): string =>
  `{"${kind}":${contentText(kind, point.value, form)},"timestamp":${millisFromMicros(point.time)}}`;

const contentText = (kind: MessageKind, value: PointValue, form: WireForm): string =>
  kind === "value" || form === "native" || typeof value === "number"
    ? memberText(value, form)
    : timedItemsText(kind, value);

/** What was written over HTTP, as a point of the kind's stream, or what is wrong with it by field. */
export function readMessageInput(
  kind: MessageKind,
  datapoint: Datapoint,
  input: MessageInput,
  form: WireForm,
  now: Millis,
): Point | { readonly faults: NestedErrors } {
  const faults: Record<string, FieldFault> = {};
  const timestamp = readMillis(input.timestamp);
  const timeFault =
    timestamp === undefined
      ? `A valid integer is required, not ${shorten(input.timestamp)}.`
      : timestampFault(timestamp, now);
  if (timeFault !== undefined) faults["timestamp"] = [timeFault];
  const content = readContent(kind, datapoint, input[kind], form, now);
  if ("fault" in content) faults[kind] = content.fault;
  if ("fault" in content || hasFaults(faults)) return { faults };
  return { time: microsFromMillis(timestamp ?? 0), value: pointOf(content.value) };
}

function readContent(
  kind: MessageKind,
  datapoint: Datapoint,
  written: unknown,
  form: WireForm,
  now: Millis,
): Content {
  const content =
    kind === "value"
      ? readValue(datapoint, written, form)
      : readTimedItems(kind, datapoint, written, form, now);
  const fault = "fault" in content ? undefined : sizeFault(content.value);
  return fault === undefined ? content : { fault: [fault] };
}

function readValue(datapoint: Datapoint, written: unknown, form: WireForm): Content {
  const decoded = decodeWritten(written, form);
  if ("fault" in decoded) return { fault: [decoded.fault] };
  const fault = valueFault(datapoint, decoded.value);
  return fault === undefined ? decoded : { fault: [fault] };
}
