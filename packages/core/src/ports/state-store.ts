/**
 * The store port: the truth. Contract suite: `testing/contracts/state-store.contract.ts`.
 *
 * S1 A transaction is all or nothing and gets one revision; revisions only grow.
 * S2 An acknowledged commit survives `kill -9` at any later moment (I5).
 * S3 A transaction with a leader epoch lower than the highest granted is refused (I4).
 * S4 A bounded counter never exceeds its maximum by a commit that raises it; lowering always works,
 *    never below zero.
 * S5 A request id is remembered for 24 h: same id and body gives the first answer, another body is
 *    refused.
 * S6 `changes` yields every commit after a revision exactly once, in order, or says `compacted`.
 */
import type { ControllerRecord } from "../domain/controller.js";
import type { Guest } from "../domain/guest.js";
import type { Image } from "../domain/image.js";
import type { NodeRecord } from "../domain/node.js";
import type { Operation } from "../domain/operation.js";
import type { Project } from "../domain/project.js";
import type { RecordKey, RecordKindName } from "../domain/record-keys.js";

export interface RecordTypes {
  readonly controller: ControllerRecord;
  readonly project: Project;
  readonly node: NodeRecord;
  readonly guest: Guest;
  readonly image: Image;
  readonly operation: Operation;
}
export type RecordKind = RecordKindName & keyof RecordTypes;
export type RecordValue = RecordTypes[RecordKind];

export type { RecordKey };
export type Revision = number;

export interface StoredRecord {
  readonly key: RecordKey;
  readonly revision: Revision;
  readonly value: RecordValue;
}

export interface Put {
  readonly key: RecordKey;
  readonly value: RecordValue;
}

export interface Check {
  readonly key: RecordKey;
  /** The record must have exactly this revision, or must not exist. */
  readonly revision: Revision | "absent";
}

export interface CounterChange {
  /** E.g. `node/n1/memoryMib` or `project/default/guests`. */
  readonly key: string;
  readonly delta: number;
  /** Upper bound after a raise; undefined = unbounded. Ignored when `delta` is not positive. */
  readonly max: number | undefined;
}

/** Makes a mutation idempotent. `body` is compared, `answer` is given back on repetition. */
export interface RequestRecord {
  readonly id: string;
  readonly body: string;
  readonly answer: string;
}

export interface Transaction {
  readonly leaderEpoch?: number;
  readonly request?: RequestRecord;
  readonly checks: readonly Check[];
  readonly puts: readonly Put[];
  readonly deletes: readonly RecordKey[];
  readonly counters: readonly CounterChange[];
}

export interface Committed {
  readonly isCommitted: true;
  readonly revision: Revision;
  /**
   * Set when the request id was used before with the same body: nothing was done now, this was the
   * answer then.
   */
  readonly replayedAnswer: string | undefined;
}

export type RefusalCause =
  | { readonly why: "fenced"; readonly leaderEpoch: number }
  | { readonly why: "check"; readonly key: RecordKey; readonly actual: Revision | "absent" }
  | {
      readonly why: "counter";
      readonly key: string;
      readonly value: number;
      readonly delta: number;
      readonly max: number;
    }
  | { readonly why: "request-reused"; readonly requestId: string };

export interface Refused {
  readonly isCommitted: false;
  readonly cause: RefusalCause;
}

export type CommitResult = Committed | Refused;

export interface Change {
  readonly key: RecordKey;
  /** Undefined = deleted. */
  readonly value: RecordValue | undefined;
}

/** One commit, as seen by a watcher. */
export interface ChangeBatch {
  readonly revision: Revision;
  readonly atMs: number;
  readonly changes: readonly Change[];
}

export interface StoreSnapshot {
  readonly revision: Revision;
  readonly records: readonly StoredRecord[];
  readonly counters: ReadonlyMap<string, number>;
}

export interface StateStore {
  /**
   * @throws `unavailable` when nothing is known to be done; `timeout` when the outcome is unknown.
   */
  commit(transaction: Transaction): Promise<CommitResult>;
  /** Each atomic on its own, applied in order, one disk sync for all. */
  commitAll(transactions: readonly Transaction[]): Promise<readonly CommitResult[]>;
  /**
   * Consistent at one revision. @throws `corrupt` naming the key of a record that does not parse.
   */
  snapshot(): Promise<StoreSnapshot>;
  /**
   * Ends when the signal aborts; yields `compacted` and ends when `after` is older than the kept
   * log.
   */
  changes(after: Revision, signal: AbortSignal): AsyncIterable<ChangeBatch | "compacted">;
  /** The lowest revision that `changes` can start after now. */
  oldestRevision(): Promise<Revision>;
  /** What a request id was used for, if it was. */
  findRequest(requestId: string): Promise<RequestRecord | undefined>;
  close(): Promise<void>;
}
