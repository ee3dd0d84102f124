/**
 * What a store decides about one transaction, without any I/O: the same for every store.
 * The order of the questions is part of the contract, because only the first "no" is reported:
 * fence (S3), request id (S5), checks in their order (S1), counters in their order (S4).
 */
import { assert } from "../domain/assert.js";
import type { RecordKey } from "../domain/record-keys.js";
import type {
  CommitResult,
  RefusalCause,
  RequestRecord,
  Revision,
  Transaction,
} from "../ports/state-store.js";

/** How long a request id is remembered (S5). */
export const REQUEST_KEPT_MS = 24 * 60 * 60 * 1000;

/** A request id that was used: with the commit it made and when. */
export interface RememberedRequest extends RequestRecord {
  readonly revision: Revision;
  readonly atMs: number;
}

/** What the decision depends on, as it is before the transaction. */
export interface TransactionState {
  /** Highest leader epoch granted. */
  readonly leaderEpoch: number;
  revisionOf(key: RecordKey): Revision | undefined;
  /** 0 for a counter that was never raised. */
  counterOf(key: string): number;
}

/** True while a request id still counts as used. */
export function isRemembered(request: Pick<RememberedRequest, "atMs">, nowMs: number): boolean {
  return nowMs - request.atMs < REQUEST_KEPT_MS;
}

/**
 * Decides without changing anything.
 * @param remembered what the transaction's request id was used for, if it is remembered
 * @returns the answer when nothing is to be done (refused, or a repetition); undefined = do it.
 */
export function answerWithoutCommit(
  transaction: Transaction,
  state: TransactionState,
  remembered: RememberedRequest | undefined,
): CommitResult | undefined {
  const { leaderEpoch, request } = transaction;
  if (leaderEpoch !== undefined && leaderEpoch < state.leaderEpoch) {
    return refused({ why: "fenced", leaderEpoch: state.leaderEpoch });
  }
  if (request !== undefined && remembered !== undefined) {
    return answerAgain(request, remembered);
  }
  const cause = failedCheck(transaction, state) ?? failedCounter(transaction, state);
  return cause === undefined ? undefined : refused(cause);
}

/**
 * The counters' values after the transaction; changes of one counter add up in their order.
 * Lowering stops at zero.
 */
export function countersAfter(
  transaction: Transaction,
  state: TransactionState,
): ReadonlyMap<string, number> {
  const after = new Map<string, number>();
  for (const { key, delta } of transaction.counters) {
    after.set(key, Math.max(0, (after.get(key) ?? state.counterOf(key)) + delta));
  }
  return after;
}

/** What no caller may ask for, whatever the state. A violation is a bug of the caller. */
export function assertTransaction(transaction: Transaction): void {
  const { puts, deletes, counters, leaderEpoch } = transaction;
  if (puts.length + deletes.length > 1) {
    const keys = new Set(deletes);
    for (const { key } of puts) keys.add(key);
    assert(
      keys.size === puts.length + deletes.length,
      "a transaction puts or deletes each record at most once",
    );
  }
  for (const { key, delta, max } of counters) {
    assert(Number.isSafeInteger(delta), `counter ${key}: the delta is a safe integer`);
    assert(max === undefined || Number.isSafeInteger(max), `counter ${key}: the max is an integer`);
  }
  assert(leaderEpoch === undefined || Number.isSafeInteger(leaderEpoch), "an epoch is an integer");
}

function refused(cause: RefusalCause): CommitResult {
  return { isCommitted: false, cause };
}

function answerAgain(request: RequestRecord, remembered: RememberedRequest): CommitResult {
  if (remembered.body !== request.body) {
    return refused({ why: "request-reused", requestId: request.id });
  }
  return { isCommitted: true, revision: remembered.revision, replayedAnswer: remembered.answer };
}

function failedCheck(transaction: Transaction, state: TransactionState): RefusalCause | undefined {
  for (const { key, revision } of transaction.checks) {
    const actual = state.revisionOf(key) ?? "absent";
    if (actual !== revision) return { why: "check", key, actual };
  }
  return undefined;
}

function failedCounter(
  transaction: Transaction,
  state: TransactionState,
): RefusalCause | undefined {
  const { counters } = transaction;
  const soFar = counters.length > 1 ? new Map<string, number>() : undefined;
  for (const { key, delta, max } of counters) {
    const value = soFar?.get(key) ?? state.counterOf(key);
    if (delta > 0 && max !== undefined && value + delta > max) {
      return { why: "counter", key, value, delta, max };
    }
    soFar?.set(key, Math.max(0, value + delta));
  }
  return undefined;
}
