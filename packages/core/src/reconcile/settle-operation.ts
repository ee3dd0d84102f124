/**
 * Decides whether an operation has ended, from the guest as it is. An operation ends exactly once
 * (I6).
 */
import type { ErrorDetail } from "../domain/errors.js";
import type { Guest } from "../domain/guest.js";
import type { GuestPhase } from "../domain/guest-phase.js";
import type { Operation, OperationKind, OperationState } from "../domain/operation.js";

/**
 * Phases in which each kind of operation has done what it says. Deletion and migration end
 * elsewhere.
 */
const REACHED: Readonly<Partial<Record<OperationKind, readonly GuestPhase[]>>> = {
  create: ["RUNNING", "PAUSED", "STOPPED"],
  start: ["RUNNING", "STOPPED"],
  resume: ["RUNNING"],
  pause: ["PAUSED"],
  stop: ["STOPPED"],
};

/** The operation as it must be written with this guest, or undefined when it stays as it is. */
export function settleOperation(
  operation: Operation | undefined,
  guest: Guest,
  nowMs: number,
): Operation | undefined {
  if (operation === undefined || operation.state !== "running") return undefined;
  const reached = REACHED[operation.kind];
  if (reached === undefined) return undefined;
  const { phase } = guest.status;
  if (reached.includes(phase) && guest.status.observedGeneration === guest.generation) {
    return endOperation(operation, { state: "succeeded", message: outcome(guest), nowMs });
  }
  const hasFailed = phase === "FAILED" || (operation.kind !== "stop" && phase === "STOPPED");
  if (!hasFailed || guest.status.observedGeneration !== guest.generation) return undefined;
  return endOperation(operation, { state: "failed", error: failureOf(guest), nowMs });
}

export function endOperation(
  operation: Operation,
  end: { state: OperationState; message?: string; error?: ErrorDetail; nowMs: number },
): Operation {
  return {
    ...operation,
    state: end.state,
    error: end.error,
    message: end.message ?? end.error?.message ?? "",
    updatedAtMs: end.nowMs,
  };
}

/** The guest without its operation, when that operation has ended. */
export function releaseOperation(guest: Guest, operation: Operation | undefined): Guest {
  const hasEnded = operation !== undefined && operation.state !== "running";
  return hasEnded && guest.operationId === operation.id ? { ...guest, operationId: "" } : guest;
}

function outcome({ status }: Guest): string {
  const where = status.placement ? ` on ${status.placement.nodeId}` : "";
  return `${status.phase}${where}`;
}

function failureOf({ id, status }: Guest): ErrorDetail {
  return {
    kind: "precondition",
    reason: status.reason || status.phase,
    message: status.message || `guest ${id} is ${status.phase}`,
    metadata: { guest: id, phase: status.phase },
  };
}
