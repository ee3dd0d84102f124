/**
 * What a drain does next: a pure function of its ledger, the guests and their migrations as they
 * are. Asked again whenever something changes, by whichever leader there is.
 *
 * D1 Begins at most so many migrations at a time.
 * D2 Ends when no entry is open, and says truthfully what each became (I6).
 * D3 A guest that appears on the node meanwhile, by a migration that was under way, is drained too.
 * D4 Guests of other nodes that make room for it are moved too, and stand in the ledger.
 * D5 No more guests of a group move or are down than their budgets allow.
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
  /** Why it must not move yet; undefined = it may. */
  readonly whyWait: (guest: Guest) => string | undefined;
  /** The moves that bring these away, in their order; also of guests on other nodes (D4). */
  readonly route: (guestUids: ReadonlySet<string>) => readonly DrainMove[];
  readonly nowMs: number;
}

export interface DrainMove {
  readonly guest: Guest;
  /** Empty = the scheduler chooses. */
  readonly toNodeId: string;
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
  const entries = [...drain.entries, ...added]
    .map((entry) => (entry.isAside ? observedAside(entry, view) : observed(entry, view)))
    .map((entry) => withBudget(entry, view));
  const isLate = drain.deadlineMs !== undefined && nowMs >= drain.deadlineMs;
  const isStopping = operation.isCancelRequested || isLate;
  const told = withLedger(operation, entries, nowMs);
  if (!entries.some((entry) => isStillOpen(entry, isStopping))) {
    return { operation: ended(told, entries, { isLate, nowMs }), moves: [] };
  }
  return { operation: told, moves: isStopping ? [] : nextMoves(entries, view) };
}

function nextMoves(entries: readonly DrainEntry[], view: DrainView): readonly DrainEntry[] {
  const movingCount = entries.filter(({ state }) => state === "moving").length;
  const mayBegin = Math.max(0, DRAIN_MOVES_MAX - movingCount);
  const ready = entries.filter((entry) => canBegin(entry, view));
  if (mayBegin === 0 || ready.length === 0) return [];
  const route = view.route(new Set(ready.map(({ guestUid }) => guestUid)));
  return route.slice(0, mayBegin).map(({ guest, toNodeId }) => {
    const known = entries.find(({ guestUid }) => guestUid === guest.uid);
    return { ...(known ?? { ...newEntry(guest), isAside: true as const }), toNodeId };
  });
}

/** The ledger after a move was begun, or could not be; the same object when nothing is new. */
export function withEntry(operation: Operation, entry: DrainEntry): Operation {
  const { drain } = operation;
  if (drain === undefined) return operation;
  const known = drain.entries.find(({ guestUid }) => guestUid === entry.guestUid);
  if (JSON.stringify(known) === JSON.stringify(entry)) return operation;
  const entries = known
    ? drain.entries.map((each) => (each === known ? entry : each))
    : [...drain.entries, entry];
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

/** It stays where it went; whether it must move again the route says. */
function observedAside(entry: DrainEntry, view: DrainView): DrainEntry {
  if (entry.state !== "moving") return entry;
  const guest = view.guestByUid(entry.guestUid);
  if (guest === undefined) return { ...entry, state: "gone", message: "it was deleted" };
  const migration = view.operationById(entry.operationId);
  if (migration?.state === "running") return entry;
  const isThere = guest.status.placement?.nodeId === entry.toNodeId;
  const message = isThere ? "" : (migration?.message ?? "its migration is not known any more");
  return { ...entry, state: isThere ? "moved" : "failed", message };
}

/** Its group may have too many down or moving already (D5). */
function withBudget(entry: DrainEntry, { guestByUid, whyWait }: DrainView): DrainEntry {
  const guest = guestByUid(entry.guestUid);
  if (entry.state !== "waiting" || guest === undefined) return entry;
  const why = whyWait(guest);
  return why === undefined ? entry : { ...entry, message: why };
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

function canBegin({ state, guestUid }: DrainEntry, { guestByUid, whyWait }: DrainView): boolean {
  const guest = guestByUid(guestUid);
  if (guest?.status.phase !== "RUNNING" || guest.operationId !== "") return false;
  return state === "waiting" && whyWait(guest) === undefined;
}

/** What is moving is waited for; what has not begun is let go when it stops. */
function isStillOpen({ state }: DrainEntry, isStopping: boolean): boolean {
  return state === "moving" || (state === "waiting" && !isStopping);
}

function withLedger(operation: DrainView["operation"], entries: DrainEntry[], nowMs: number) {
  const { drain } = operation;
  const isSame = JSON.stringify(entries) === JSON.stringify(drain.entries);
  if (isSame) return operation;
  const own = entries.filter(({ isAside }) => !isAside);
  const message = `${own.filter(isAway).length} of ${own.length} away`;
  return { ...operation, drain: { ...drain, entries }, message, updatedAtMs: nowMs };
}

function ended(
  operation: Operation,
  entries: readonly DrainEntry[],
  { isLate, nowMs }: { isLate: boolean; nowMs: number },
): Operation {
  const own = entries.filter(({ isAside }) => !isAside);
  const left = own.filter((entry) => !isAway(entry));
  const message = `${own.length - left.length} of ${own.length} guests are away`;
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
