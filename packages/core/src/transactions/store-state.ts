/**
 * The part of a store that decides: revisions of all records, counters, the highest leader epoch.
 * No values, no I/O. A store that writes to a disk applies a group of transactions here first and
 * takes the group back when the disk refuses it.
 *
 * T1 Revisions of commits follow each other without a gap.
 * T2 After `rollback` everything is as it was at `begin`.
 */
import { assert } from "../domain/assert.js";
import type { RecordKey } from "../domain/record-keys.js";
import type { CommitResult, Revision, Transaction } from "../ports/state-store.js";
import {
  answerWithoutCommit,
  countersAfter,
  type RememberedRequest,
  type TransactionState,
} from "./evaluate-transaction.js";

export interface LoadedState {
  readonly revision: Revision;
  readonly leaderEpoch: number;
  readonly revisions: Iterable<readonly [RecordKey, Revision]>;
  readonly counters: Iterable<readonly [string, number]>;
}

const EMPTY: LoadedState = { revision: 0, leaderEpoch: 0, revisions: [], counters: [] };

interface Group {
  readonly revision: Revision;
  /** As they were before the group. */
  readonly revisions: Map<RecordKey, Revision | undefined>;
  readonly counters: Map<string, number>;
}

export class StoreState implements TransactionState {
  #revision: Revision;
  #leaderEpoch: number;
  readonly #revisions: Map<RecordKey, Revision>;
  readonly #counters: Map<string, number>;
  #group: Group | undefined;

  constructor(loaded: LoadedState = EMPTY) {
    this.#revision = loaded.revision;
    this.#leaderEpoch = loaded.leaderEpoch;
    this.#revisions = new Map(loaded.revisions);
    this.#counters = new Map(loaded.counters);
  }

  /** Of the newest commit; 0 = none yet. */
  get revision(): Revision {
    return this.#revision;
  }

  get leaderEpoch(): number {
    return this.#leaderEpoch;
  }

  /** Counters that are not zero. */
  get counters(): ReadonlyMap<string, number> {
    return this.#counters;
  }

  revisionOf(key: RecordKey): Revision | undefined {
    return this.#revisions.get(key);
  }

  counterOf(key: string): number {
    return this.#counters.get(key) ?? 0;
  }

  /** From now on lower epochs are refused. */
  raiseLeaderEpoch(epoch: number): void {
    assert(epoch > this.#leaderEpoch, "a granted epoch is higher than all before");
    this.#leaderEpoch = epoch;
  }

  /** Decides and, unless refused or repeated, does it. */
  apply(transaction: Transaction, remembered: RememberedRequest | undefined): CommitResult {
    const answer = answerWithoutCommit(transaction, this, remembered);
    if (answer !== undefined) return answer;
    this.#revision += 1;
    for (const { key } of transaction.puts) this.#setRevision(key, this.#revision);
    for (const key of transaction.deletes) this.#setRevision(key, undefined);
    if (transaction.counters.length > 0) {
      for (const [key, value] of countersAfter(transaction, this)) this.#setCounter(key, value);
    }
    return { isCommitted: true, revision: this.#revision, replayedAnswer: undefined };
  }

  /** Starts a group that can be taken back. */
  begin(): void {
    assert(this.#group === undefined, "groups do not nest");
    this.#group = { revision: this.#revision, revisions: new Map(), counters: new Map() };
  }

  /** The keys that the group has changed so far. */
  touched(): { readonly records: Iterable<RecordKey>; readonly counters: Iterable<string> } {
    assert(this.#group !== undefined, "touched is asked within a group");
    return { records: this.#group.revisions.keys(), counters: this.#group.counters.keys() };
  }

  /** Ends the group; what it did stays. */
  keep(): void {
    this.#group = undefined;
  }

  /** Ends the group; what it did is undone (T2). */
  rollback(): void {
    const group = this.#group;
    assert(group !== undefined, "only a group is taken back");
    this.#group = undefined;
    this.#revision = group.revision;
    for (const [key, revision] of group.revisions) this.#setRevision(key, revision);
    for (const [key, value] of group.counters) this.#setCounter(key, value);
  }

  #setRevision(key: RecordKey, revision: Revision | undefined): void {
    const group = this.#group;
    if (group !== undefined && !group.revisions.has(key)) {
      group.revisions.set(key, this.#revisions.get(key));
    }
    if (revision === undefined) this.#revisions.delete(key);
    else this.#revisions.set(key, revision);
  }

  #setCounter(key: string, value: number): void {
    const group = this.#group;
    if (group !== undefined && !group.counters.has(key)) {
      group.counters.set(key, this.counterOf(key));
    }
    if (value === 0) this.#counters.delete(key);
    else this.#counters.set(key, value);
  }
}
