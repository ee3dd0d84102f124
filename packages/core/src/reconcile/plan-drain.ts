/**
 * What a drain does next: a pure function of its ledger, the guests and their migrations as they
 * are. Asked again whenever something changes, by whichever leader there is.
 *
 * D1 Begins at most so many migrations at a time.
 * D2 Ends when no entry is open, and says truthfully what each became (I6).
 * D3 A guest that appears on the node meanwhile, by a migration that was under way, is drained too.
 */
import { type Drain, type DrainEntry, isAway, isOpen } from "../domain/drain.js";
import type { Guest } from "../domain/guest.js";
import type { Operation } from "../domain/operation.js";
import { endOperation } from "./settle-operation.js";

export interface DrainView {
  readonly operation: Operation & { readonly drain: Drain };
  /** Guests that have, or are given, a place on the node. */
  readonly guestsThere: readonly Guest[];
  readonly guestByUid: (uid: string) => Guest | undefined;
  readonly operationById: (id: string) => Operation | undefined;
  /** Why it cannot move while it runs, whatever the target; undefined = it can. */
  readonly whyNot: (guest: Guest) => string | undefined;
  readonly nowMs: number;
}

export interface DrainPlan {
  /** The operation as it must be written; the same object when nothing has changed. */
  readonly operation: Operation;
  /** Guests whose migration is to be begun. */
  readonly moves: readonly DrainEntry[];
}

/** Migrations away from one node at a time. */
export const DRAIN_MOVES_MAX = 2;
/** A guest whose migrations failed that often stays. */
export const DRAIN_ATTEMPTS_MAX = 3;

export function planDrain(view: DrainView): DrainPlan {
  const { operation, nowMs } = view;
  const { drain } = operation;
  const known = new Set(drain.entries.map(({ guestUid }) => guestUid));
  const added = view.guestsThere.filter(({ uid }) => !known.has(uid)).map(newEntry);
  const entries = [...drain.entries, ...added].map((entry) => observed(entry, view));
  const isLate = drain.deadlineMs !== undefined && nowMs >= drain.deadlineMs;
  const isStopping = operation.isCancelRequested || isLate;
  const told = withLedger(operation, entries, nowMs);
  if (!entries.some((entry) => isStillOpen(entry, isStopping))) {
    return { operation: ended(told, entries, { isLate, nowMs }), moves: [] };
  }
  const movingCount = entries.filter(({ state }) => state === "moving").length;
  const mayBegin = isStopping ? 0 : Math.max(0, DRAIN_MOVES_MAX - movingCount);
  const ready = entries.filter((entry) => canBegin(entry, view));
  return { operation: told, moves: ready.slice(0, mayBegin) };
}

/** The ledger after a move was begun, or could not be; the same object when nothing is new. */
export function withEntry(operation: Operation, entry: DrainEntry): Operation {
  const { drain } = operation;
  if (drain === undefined) return operation;
  const known = drain.entries.find(({ guestUid }) => guestUid === entry.guestUid);
  if (JSON.stringify(known) === JSON.stringify(entry)) return operation;
  const entries = drain.entries.map((each) => (each === known ? entry : each));
  return { ...operation, drain: { ...drain, entries } };
}

function newEntry({ uid, id, projectId }: Guest): DrainEntry {
  const none = { toNodeId: "", operationId: "", attempts: 0, message: "" };
  return { guestUid: uid, guestId: id, projectId, state: "waiting", ...none };
}

function observed(entry: DrainEntry, view: DrainView): DrainEntry {
  if (!isOpen(entry) && entry.state !== "moved") return entry;
  const guest = view.guestByUid(entry.guestUid);
  if (guest === undefined) return { ...entry, state: "gone", message: "it was deleted" };
  if (!isOnNode(guest, view.operation.drain.nodeId)) return away(entry, guest);
  if (entry.state === "moving") return afterMigration(entry, view);
  const why = view.whyNot(guest);
  if (why !== undefined) return { ...entry, state: "skipped", message: why };
  return entry.state === "moved" ? { ...entry, state: "waiting", message: "it came back" } : entry;
}

/** One that moves is there until its migration has ended, whichever way it goes. */
function isOnNode({ status }: Guest, nodeId: string): boolean {
  return status.placement?.nodeId === nodeId || status.migration !== undefined;
}

function away(entry: DrainEntry, { status }: Guest): DrainEntry {
  const { placement } = status;
  if (placement === undefined) return { ...entry, state: "gone", message: "it has no place" };
  return { ...entry, state: "moved", toNodeId: placement.nodeId, message: "" };
}

function afterMigration(entry: DrainEntry, { operationById }: DrainView): DrainEntry {
  const migration = operationById(entry.operationId);
  if (migration?.state === "running") return entry;
  const message = migration?.message ?? "its migration is not known any more";
  const isOver = entry.attempts >= DRAIN_ATTEMPTS_MAX;
  return { ...entry, state: isOver ? "failed" : "waiting", toNodeId: "", message };
}

function canBegin({ state, guestUid }: DrainEntry, { guestByUid }: DrainView): boolean {
  const guest = guestByUid(guestUid);
  const isIdle = guest?.status.phase === "RUNNING" && guest.operationId === "";
  return state === "waiting" && isIdle;
}

/** What is moving is waited for; what has not begun is let go when it stops. */
function isStillOpen({ state }: DrainEntry, isStopping: boolean): boolean {
  return state === "moving" || (state === "waiting" && !isStopping);
}

function withLedger(operation: DrainView["operation"], entries: DrainEntry[], nowMs: number) {
  const { drain } = operation;
  const isSame = JSON.stringify(entries) === JSON.stringify(drain.entries);
  if (isSame) return operation;
  const message = `${entries.filter(isAway).length} of ${entries.length} away`;
  return { ...operation, drain: { ...drain, entries }, message, updatedAtMs: nowMs };
}

function ended(
  operation: Operation,
  entries: readonly DrainEntry[],
  { isLate, nowMs }: { isLate: boolean; nowMs: number },
): Operation {
  const left = entries.filter((entry) => !isAway(entry));
  const message = `${entries.length - left.length} of ${entries.length} guests are away`;
  if (left.length === 0) return endOperation(operation, { state: "succeeded", message, nowMs });
  const ending = operation.isCancelRequested
    ? ENDINGS.cancelled
    : ENDINGS[isLate ? "late" : "stuck"];
  const error = {
    ...ending,
    message: `${message}; still there: ${left.map(leftText).join(", ")}`,
    metadata: { node: operation.drain?.nodeId ?? "", left: String(left.length) },
  };
  const state = operation.isCancelRequested ? "cancelled" : "failed";
  return endOperation(operation, { state, error, nowMs });
}

const ENDINGS = {
  cancelled: { kind: "cancelled", reason: "DRAIN_CANCELLED" },
  late: { kind: "timeout", reason: "DRAIN_DEADLINE" },
  stuck: { kind: "precondition", reason: "GUESTS_LEFT" },
} as const;

function leftText({ projectId, guestId, message }: DrainEntry): string {
  return `${projectId}/${guestId}${message === "" ? "" : ` (${message})`}`;
}
