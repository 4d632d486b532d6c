import type { Micros } from "../../time.ts";
import { mergePoints } from "../merge.ts";
import type { PointPage, PointValue } from "../types.ts";

export interface Differences {
  readonly count: number;
  /** The first few times. */
  readonly times: readonly Micros[];
}

const named = 5;

/** The times at which only one of both has a point, or another value. */
export async function differences(
  a: AsyncIterable<PointPage>,
  b: AsyncIterable<PointPage>,
): Promise<Differences> {
  let count = 0;
  const times: Micros[] = [];
  let open: { readonly time: Micros; readonly value: PointValue } | undefined;
  const differ = (time: Micros): void => {
    if (count++ < named) times.push(time);
  };
  for await (const page of mergePoints([a, b]))
    for (let i = 0; i < page.times.length; i++) {
      const time = page.times[i] as number;
      const value = page.texts?.get(i) ?? (page.values[i] as number);
      if (open?.time === time) {
        if (!Object.is(open.value, value)) differ(time);
        open = undefined;
        continue;
      }
      if (open) differ(open.time);
      open = { time, value };
    }
  if (open) differ(open.time);
  return { count, times };
}
