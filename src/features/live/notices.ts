import type { Notice } from "../../kernel/live/transport.ts";

/** A notice as JSON: its members besides the kind. */
export function noticeBody(notice: Notice): Readonly<Record<string, unknown>> {
  switch (notice.kind) {
    case "subscribed":
      return { id: notice.subscription, last_event_id: notice.position };
    case "unsubscribed":
      return { id: notice.subscription };
    case "reset":
      return {
        reason: notice.reason,
        ...(notice.subscription === undefined ? {} : { id: notice.subscription }),
        ...(notice.since === undefined ? {} : { since: notice.since }),
        last_event_id: notice.position,
      };
    case "gone":
      return { [notice.member]: notice.value };
    case "position":
      return { last_event_id: notice.position };
  }
}
