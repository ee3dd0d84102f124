/**
 * Deletion: marks the guest; the leader removes every copy, then the record, and gives back quota
 * and allocations.
 */
import { endOperation, isDone, withNewIntent, withPhase } from "@innkeeper/core";
import { changeGuest, type GuestCommand, refuseIfBusy } from "./change-guest.js";
import type { CommandContext } from "./command-context.js";

/**
 * Ends a running operation as cancelled. Deleting a guest that is being deleted joins the running
 * deletion.
 * @returns the operation's id. @throws `not-found`.
 */
export function deleteGuest(context: CommandContext, input: GuestCommand): Promise<string> {
  const running = context.mirror.guest(input.projectId, input.guestId)?.value;
  if (running?.isDeleting && running.operationId !== "")
    return Promise.resolve(running.operationId);
  return changeGuest(context, { input: { ...input }, kind: "delete" }, ({ value: guest }) => {
    const nowMs = context.clock.nowMs();
    const found = context.mirror.operation(guest.operationId)?.value;
    const operation = found && !isDone(found) ? found : undefined;
    // What another guest's disks begin as stays until they are there.
    if (operation !== undefined && operation.guestUid !== guest.uid) refuseIfBusy(context, guest);
    const message = "superseded by deletion";
    const error = { kind: "cancelled" as const, reason: "SUPERSEDED", message, metadata: {} };
    const superseded = operation && endOperation(operation, { state: "cancelled", error, nowMs });
    const deleting = withPhase(guest, { phase: "DELETING", reason: "", message: "" });
    return { guest: withNewIntent({ ...deleting, isDeleting: true }), superseded };
  });
}
