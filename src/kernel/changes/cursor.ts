import { invalidField } from "../errors.ts";
import { decodeCursor } from "../http/paging.ts";

/**
 * The id a page goes on from, in lists that are ordered by id.
 * @throws Problem `invalid-request`
 */
export function decodeIdCursor(cursor: string): number {
  const id = Number(decodeCursor(cursor, ["number"])[0]);
  if (!Number.isSafeInteger(id)) throw invalidField("cursor", `${id} is no id of this list.`);
  return id;
}
