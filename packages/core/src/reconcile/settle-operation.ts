/**
 * Decides whether an operation has ended, from the guest as it is. An operation ends exactly once
 * (I6).
 */
import type { ErrorDetail } from "../domain/errors.js";
import type { Guest } from "../domain/guest.js";
import type { GuestPhase } from "../domain/guest-phase.js";
import { limitTexts } from "../domain/limits.js";
import type { Operation, OperationKind, OperationState } from "../domain/operation.js";

interface Ends {
  /** Phases in which the operation has done what it says. */
  readonly reached: readonly GuestPhase[];
  /** Phases in which it can no longer do it. */
  readonly failed: readonly GuestPhase[];
}

/**
 * How each kind of operation ends; deletion and migration end elsewhere. A guest that started and
 * then powered itself off, all between two reports, was started: its message says STOPPED.
 */
const ENDS: Readonly<Partial<Record<OperationKind, Ends>>> = {
  create: { reached: ["RUNNING", "PAUSED", "STOPPED"], failed: ["FAILED"] },
  clone: { reached: ["RUNNING", "PAUSED", "STOPPED"], failed: ["FAILED"] },
  start: { reached: ["RUNNING", "STOPPED"], failed: ["FAILED"] },
  resume: { reached: ["RUNNING"], failed: ["FAILED", "STOPPED"] },
  pause: { reached: ["PAUSED"], failed: ["FAILED", "STOPPED"] },
  resize: { reached: ["RUNNING", "STOPPED", "FAILED", "STARTING"], failed: [] },
  "take-snapshot": { reached: ["RUNNING", "STOPPED", "FAILED", "STARTING"], failed: [] },
  "remove-snapshot": { reached: ["RUNNING", "STOPPED", "FAILED", "STARTING"], failed: [] },
  restore: { reached: ["RUNNING", "STOPPED"], failed: ["FAILED"] },
  stop: { reached: ["STOPPED"], failed: ["FAILED"] },
};

/** Kinds that are done when the node has confirmed a change of what the guest has. */
const CHANGES: readonly OperationKind[] = ["resize", "take-snapshot", "remove-snapshot"];

/** The operation as it must be written with this guest, or undefined when it stays as it is. */
export function settleOperation(
  operation: Operation | undefined,
  guest: Guest,
  nowMs: number,
): Operation | undefined {
  if (operation === undefined || operation.state !== "running") return undefined;
  const ends = ENDS[operation.kind];
  const isObserved = guest.status.observedGeneration === guest.generation;
  const isApplied = !CHANGES.includes(operation.kind) || guest.status.resize === undefined;
  if (ends === undefined || !isObserved || !isApplied) return undefined;
  const { phase } = guest.status;
  if (ends.reached.includes(phase)) {
    const message = outcome(guest, operation.kind);
    return endOperation(operation, { state: "succeeded", message, nowMs });
  }
  if (!ends.failed.includes(phase)) return undefined;
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

function outcome({ spec, status }: Guest, kind: OperationKind): string {
  const { cpuMillis, memoryMib } = spec.resources;
  if (kind === "resize") {
    const disks = (spec.dataDisks ?? []).map(({ name, sizeMib }) => `disk ${name} ${sizeMib} MiB`);
    const amounts = [`${cpuMillis}m CPU`, `${memoryMib} MiB`, ...limitTexts(spec.limits)];
    return [...amounts, ...disks, status.phase].join(", ");
  }
  if (kind === "take-snapshot" || kind === "remove-snapshot") {
    const names = (spec.snapshots ?? []).map(({ name }) => name).join(", ");
    return `snapshots: ${names || "none"}`;
  }
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
