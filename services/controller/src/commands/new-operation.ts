/** The record with which every long-running piece of work begins. */
import type { Guest, Operation, OperationKind } from "@innkeeper/core";
import type { CommandContext } from "./command-context.js";

/** A running operation, not yet committed. @param guest undefined = it is about many */
export function newOperation(
  { clock, ids }: Pick<CommandContext, "clock" | "ids">,
  guest: Pick<Guest, "projectId" | "id" | "uid"> | undefined,
  kind: OperationKind,
): Operation {
  const nowMs = clock.nowMs();
  return {
    id: ids.uuid(),
    kind,
    projectId: guest?.projectId ?? "",
    guestId: guest?.id ?? "",
    guestUid: guest?.uid ?? "",
    state: "running",
    error: undefined,
    message: "",
    migration: undefined,
    isCancelRequested: false,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
  };
}
