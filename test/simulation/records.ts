/**
 * The store's records, followed commit by commit, so that checkers see every state that ever was
 * the truth.
 */
import type {
  Change,
  ChangeBatch,
  Guest,
  NodeRecord,
  Operation,
  Project,
  RecordKey,
  RecordValue,
} from "@innkeeper/core";
import { assert, kindOf } from "@innkeeper/core";

export interface ObservedChange extends Change {
  readonly before: RecordValue | undefined;
}

export interface ObservedCommit {
  readonly revision: number;
  readonly changes: readonly ObservedChange[];
}

/** A store's change log from its beginning, and its counters as they are now. */
export interface RecordSource {
  readonly state: {
    readonly revision: number;
    readonly counters: ReadonlyMap<string, number>;
    counterOf(key: string): number;
  };
  readonly changes: {
    since(revision: number, countMax: number): readonly ChangeBatch[] | undefined;
  };
}

const BATCHES_MAX = 1_000_000;

export class Records {
  readonly #values = new Map<RecordKey, RecordValue>();
  #revision = 0;

  constructor(private readonly disk: RecordSource) {}

  /**
   * Applies what was committed since the last call, telling each commit when it is the newest one
   * applied.
   */
  follow(onCommit: (commit: ObservedCommit) => void): void {
    if (this.disk.state.revision === this.#revision) return;
    const batches = this.disk.changes.since(this.#revision, BATCHES_MAX);
    assert(batches !== undefined, "the change log is long enough for the checkers");
    for (const batch of batches) onCommit(this.#apply(batch));
  }

  guests(): Guest[] {
    return this.#all<Guest>("guest");
  }

  nodes(): NodeRecord[] {
    return this.#all<NodeRecord>("node");
  }

  projects(): Project[] {
    return this.#all<Project>("project");
  }

  operations(): Operation[] {
    return this.#all<Operation>("operation");
  }

  operation(id: string): Operation | undefined {
    return this.#values.get(`operation/${id}`) as Operation | undefined;
  }

  guestByUid(uid: string): Guest | undefined {
    return this.guests().find((guest) => guest.uid === uid);
  }

  counter(key: string): number {
    return this.disk.state.counterOf(key);
  }

  counterKeys(): readonly string[] {
    return [...this.disk.state.counters.keys()];
  }

  #apply({ revision, changes }: ChangeBatch): ObservedCommit {
    assert(revision === this.#revision + 1, "revisions follow each other");
    const observed = changes.map((change) => {
      const before = this.#values.get(change.key);
      if (change.value === undefined) this.#values.delete(change.key);
      else this.#values.set(change.key, change.value);
      return { ...change, before };
    });
    this.#revision = revision;
    return { revision, changes: observed };
  }

  #all<V extends RecordValue>(kind: string): V[] {
    return [...this.#values].filter(([key]) => kindOf(key) === kind).map(([, value]) => value as V);
  }
}
