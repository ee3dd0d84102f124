/**
 * What a rebalance does next: a pure function of its ledger, the guests and their migrations as
 * they are. Asked again whenever something changes, by whichever leader there is.
 *
 * B1 Begins at most so many migrations at a time, in the order of the plan, each once.
 * B2 Begins none that would not help any more.
 * B3 Ends when no entry is open, and says truthfully what each became (I6).
 */
import { isOpen } from "../domain/drain.js";
import type { Guest } from "../domain/guest.js";
import type { Operation } from "../domain/operation.js";
import type { Rebalance, RebalanceEntry } from "../domain/rebalance.js";
import { endOperation } from "./settle-operation.js";

export interface RebalanceView {
  readonly operation: Operation & { readonly rebalance: Rebalance };
  readonly guestByUid: (uid: string) => Guest | undefined;
  readonly operationById: (id: string) => Operation | undefined;
  /** Why the move would be wrong now; undefined = it helps. */
  readonly whyNot: (guest: Guest, entry: RebalanceEntry) => string | undefined;
  readonly nowMs: number;
}

export interface RebalanceStep {
  /** The operation as it must be written; the same object when nothing has changed. */
  readonly operation: Operation;
  /** Guests whose migration is to be begun. */
  readonly moves: readonly RebalanceEntry[];
}

/** Migrations of a rebalance at a time. */
export const REBALANCE_MOVES_MAX = 2;

export function planRebalanceStep(view: RebalanceView): RebalanceStep {
  const { operation, nowMs } = view;
  const observed = operation.rebalance.entries.map((entry) => observedEntry(entry, view));
  const moving = observed.filter(({ state }) => state === "moving").length;
  const mayBegin = Math.max(0, REBALANCE_MOVES_MAX - moving);
  const { entries, moves } = choose(observed, mayBegin, view);
  const told = withLedger(operation, entries, nowMs);
  if (!entries.some(isOpen)) return { operation: ended(told, entries, nowMs), moves: [] };
  return { operation: told, moves };
}

/** The ledger after a move was begun, or could not be; the same object when nothing is new. */
export function withRebalanceEntry(operation: Operation, entry: RebalanceEntry): Operation {
  const known = operation.rebalance?.entries.find(({ guestUid }) => guestUid === entry.guestUid);
  if (known === undefined || JSON.stringify(known) === JSON.stringify(entry)) return operation;
  const entries = (operation.rebalance?.entries ?? []).map((each) =>
    each === known ? entry : each,
  );
  return { ...operation, rebalance: { entries } };
}

function observedEntry(entry: RebalanceEntry, view: RebalanceView): RebalanceEntry {
  if (!isOpen(entry)) return entry;
  const guest = view.guestByUid(entry.guestUid);
  if (guest === undefined) return { ...entry, state: "gone", message: "it was deleted" };
  if (entry.state === "moving") return afterMigration(entry, guest, view);
  return view.operation.isCancelRequested
    ? { ...entry, state: "skipped", message: "cancelled" }
    : entry;
}

function afterMigration(
  entry: RebalanceEntry,
  { status }: Guest,
  { operationById }: RebalanceView,
): RebalanceEntry {
  const migration = operationById(entry.operationId);
  if (migration?.state === "running") return entry;
  if (status.placement?.nodeId === entry.toNodeId) return { ...entry, state: "moved", message: "" };
  const message = migration?.message || migration?.error?.message || "its migration is not known";
  return { ...entry, state: "failed", message };
}

/** The first that help; what does not help any more is skipped with the reason. */
function choose(observed: readonly RebalanceEntry[], mayBegin: number, view: RebalanceView) {
  const moves: RebalanceEntry[] = [];
  const entries = observed.map((entry) => {
    if (entry.state !== "waiting" || moves.length >= mayBegin) return entry;
    const guest = view.guestByUid(entry.guestUid);
    const why = guest && view.whyNot(guest, entry);
    if (why !== undefined) return { ...entry, state: "skipped" as const, message: why };
    moves.push(entry);
    return entry;
  });
  return { entries, moves };
}

function withLedger(
  operation: RebalanceView["operation"],
  entries: readonly RebalanceEntry[],
  nowMs: number,
): Operation {
  if (JSON.stringify(entries) === JSON.stringify(operation.rebalance.entries)) return operation;
  return { ...operation, rebalance: { entries }, message: summaryOf(entries), updatedAtMs: nowMs };
}

function summaryOf(entries: readonly RebalanceEntry[]): string {
  const count = (state: RebalanceEntry["state"]) =>
    entries.filter((entry) => entry.state === state).length;
  const rest = (["skipped", "failed", "gone"] as const)
    .filter((state) => count(state) > 0)
    .map((state) => `, ${count(state)} ${state}`);
  return `${count("moved")} of ${entries.length} guests moved${rest.join("")}`;
}

function ended(operation: Operation, entries: readonly RebalanceEntry[], nowMs: number): Operation {
  const message = summaryOf(entries);
  const failed = entries.filter(({ state }) => state === "failed");
  if (operation.isCancelRequested && entries.some(({ state }) => state !== "moved")) {
    const error = errorOf("cancelled", `${operation.kind.toUpperCase()}_CANCELLED`, message);
    return endOperation(operation, { state: "cancelled", error, nowMs });
  }
  if (failed.length === 0) return endOperation(operation, { state: "succeeded", message, nowMs });
  const told = failed.map(({ guestId, message: why }) => `${guestId} (${why})`).join(", ");
  const error = errorOf("precondition", "MOVES_FAILED", `${message}: ${told}`);
  return endOperation(operation, { state: "failed", error, nowMs });
}

function errorOf(kind: "cancelled" | "precondition", reason: string, message: string) {
  return { kind, reason, message, metadata: {} };
}
