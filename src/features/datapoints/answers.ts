import type { FastifyReply } from "fastify";
import { sendPieces } from "../../kernel/http/pieces.ts";
import { type Micros, millisFromMicros } from "../../kernel/time.ts";
import type { PointPage } from "../../kernel/timeseries/types.ts";
import { numberText } from "./json-text.ts";
import type { MeanRow } from "./means.ts";
import { messageText } from "./message-texts.ts";
import type { MessageKind } from "./model.ts";
import { memberText, type WireForm } from "./values.ts";

const jsonType = "application/json; charset=utf-8";

/**
 * The pages as pieces of a JSON array of messages, written by hand: a day of a datapoint takes a millisecond or two.
 * @param limit ends after so many messages
 */
export async function* messagesJson(
  kind: MessageKind,
  pages: AsyncIterable<PointPage>,
  form: WireForm,
  limit = Number.POSITIVE_INFINITY,
): AsyncGenerator<string> {
  let left = limit;
  let separator = "[";
  for await (const page of pages) {
    const count = Math.min(left, page.times.length);
    if (count > 0) {
      yield separator + pageText(kind, page, form, count);
      separator = ",";
    }
    left -= count;
    if (left <= 0) break;
  }
  yield separator === "[" ? "[]" : "]";
}

function pageText(
  kind: MessageKind,
  { times, values, texts }: PointPage,
  form: WireForm,
  count: number,
): string {
  const open = form === "text" ? `{"${kind}":"` : `{"${kind}":`;
  const close = form === "text" ? '","timestamp":' : ',"timestamp":';
  let json = "";
  for (let index = 0; index < count; index += 1) {
    const time = times[index] as number;
    const text = texts?.get(index);
    if (index > 0) json += ",";
    if (text !== undefined) json += messageText(kind, { time, value: text }, form);
    else {
      const value = values[index] as number;
      // -0 needs its sign, and only 0 can be -0.
      const number = value === 0 ? numberText(value) : value;
      json += `${open}${number}${close}${millisFromMicros(time)}}`;
    }
  }
  return json;
}

/** Buckets of one datapoint as messages: the mean at the left edge, null where a bucket holds no number. */
export async function* meansJson(
  pages: AsyncIterable<readonly MeanRow[]>,
  form: WireForm,
  limit = Number.POSITIVE_INFINITY,
): AsyncGenerator<string> {
  let left = limit;
  let separator = "[";
  for await (const page of pages) {
    const rows = page.slice(0, left);
    if (rows.length > 0) {
      yield separator + rows.map(({ time, means }) => meanText(time, means[0] ?? null, form)).join(",");
      separator = ",";
    }
    left -= rows.length;
    if (left <= 0) break;
  }
  yield separator === "[" ? "[]" : "]";
}

const meanText = (time: Micros, mean: number | null, form: WireForm): string =>
  `{"value":${memberText(mean ?? "null", form)},"timestamp":${millisFromMicros(time)}}`;

/** Long answers go piece by piece. */
export const sendJsonPieces = (reply: FastifyReply, pieces: AsyncGenerator<string>): Promise<FastifyReply> =>
  sendPieces(reply, jsonType, pieces);

/** JSON text as it is. */
export const sendJson = (reply: FastifyReply, text: string): FastifyReply => reply.type(jsonType).send(text);
