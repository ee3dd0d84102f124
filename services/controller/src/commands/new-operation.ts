/** The record with which every long-running piece of work begins. */
import type { Guest, Operation, OperationKind } from "@innkeeper/core";
import type { CommandContext } from "./command-context.js";

/** A running operation on a guest, not yet committed. */
export function newOperation(
  { clock, ids }: Pick<CommandContext, "clock" | "ids">,
  guest: Guest,
  kind: OperationKind,
): Operation {
  const nowMs = clock.nowMs();
  return {
    id: ids.uuid(),
    kind,
    projectId: guest.projectId,
    guestId: guest.id,
    guestUid: guest.uid,
    state: "running",
    error: undefined,
    message: "",
    migration: undefined,
    isCancelRequested: false,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
  };
}
