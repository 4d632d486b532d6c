import type { RecordedChange } from "../changes/changes.ts";
import type { Principal } from "../identity/principal.ts";
import type { Stream, StreamId } from "../timeseries/types.ts";
import type { Clause } from "./clause.ts";
import type { Member, Topic } from "./topic.ts";

/** What the feature that owns streams says about their points. */
export interface TopicSource {
  /** Streams that are gone are left out. */
  topics(streams: readonly Stream[]): Promise<ReadonlyMap<StreamId, Topic>>;
  /**
   * Whether the principal may ask for this; what it may not see of it is left out in any case.
   * @throws Problem `not-found` for what is named and not there, or not for its eyes; `forbidden`
   */
  check(principal: Principal, clause: Clause): Promise<void>;
  /** Which topics may have changed, or who may see them: those with this member, or all of the feature. */
  touched(change: RecordedChange): Member | "all" | undefined;
}
