import { OperatorError } from "../kernel/errors.ts";
import type { Millis } from "../kernel/time.ts";

const unitMs = { h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000, y: 365 * 86_400_000 } as const;

/**
 * `12h`, `30d`, `8w`, `1y` from now, or an ISO 8601 date or time (a date ends at midnight UTC).
 * @throws OperatorError for anything else, and for what is over
 */
export function parseExpiry(text: string, now: Millis): Millis {
  const [, count, unit] = /^(\d{1,4})([hdwy])$/.exec(text) ?? [];
  const end = count === undefined ? instant(text) : now + Number(count) * unitMs[unit as keyof typeof unitMs];
  if (end === undefined)
    throw new OperatorError(
      `--expires ${text}: must be like 12h, 30d, 8w, 1y, 2030-12-31 or 2030-12-31T18:00:00Z.`,
    );
  if (end <= now) throw new OperatorError(`--expires ${text}: that is not in the future.`);
  return end;
}

function instant(text: string): Millis | undefined {
  const full = /^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text;
  try {
    return Temporal.Instant.from(full).epochMilliseconds;
  } catch {
    return undefined;
  }
}
