import { millisFromMicros } from "../../../kernel/time.ts";
import { nativeOfPoint, textOfPoint, type WireForm } from "../values.ts";
import type { Guard } from "./guard.ts";
import { type Command, isFinal } from "./model.ts";

export const commandView = (command: Command, connector: string | undefined) => ({
  id: command.id,
  datapoint: command.datapoint,
  connector: connector === undefined ? null : { name: connector },
  kind: command.kind,
  message: JSON.parse(command.payload) as unknown,
  state: command.state,
  final: isFinal(command.state),
  reason: command.reason,
  actor: { id: command.actor.principalId, name: command.actor.name, via: command.actor.via },
  safe_value: command.isSafeValue,
  accepted_at: command.acceptedAt,
  published_at: command.publishedAt,
  taken_at: command.takenAt,
  finished_at: command.finishedAt,
  deadline: command.deadline,
  feedback: command.feedback && {
    datapoint: command.feedback.datapoint,
    tolerance: command.feedback.tolerance,
    deadline: command.feedback.within / 1000,
    read_back: command.readBack && {
      value: nativeOfPoint(command.readBack.value),
      timestamp: millisFromMicros(command.readBack.time),
    },
  },
  superseded_by: command.supersededBy,
});

export const guardView = (guard: Guard, form: WireForm) => ({
  min: guard.min,
  max: guard.max,
  max_rate: guard.maxRate,
  min_interval: guard.minInterval === null ? null : guard.minInterval / 1000,
  feedback: guard.feedback && {
    datapoint: guard.feedback.datapoint,
    tolerance: guard.feedback.tolerance,
    deadline: guard.feedback.within / 1000,
  },
  expiry: guard.expiry && {
    after: guard.expiry.after / 1000,
    value: form === "native" ? nativeOfPoint(guard.expiry.value) : textOfPoint(guard.expiry.value),
  },
});
