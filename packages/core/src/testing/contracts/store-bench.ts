/**
 * What the contract suites of store and lease share: a store on virtual time, opened for each test,
 * and short words for it.
 */
import { afterEach, beforeEach } from "vitest";
import type { RecordKey } from "../../domain/record-keys.js";
import type { LeaderLease } from "../../ports/leader-lease.js";
import type {
  ChangeBatch,
  CommitResult,
  StateStore,
  Transaction,
} from "../../ports/state-store.js";
import { aProject, aTransaction } from "../builders.js";
import type { FakeClock } from "../fake-clock.js";

export interface StoreUnderTest {
  readonly store: StateStore;
  readonly lease: LeaderLease;
  readonly clock: FakeClock;
  /** Lets go of the data and opens it again, as a new process would. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

export type OpenStore = (options: { readonly changesKeptMax: number }) => Promise<StoreUnderTest>;
export type Told = ChangeBatch | "compacted";

export class StoreBench {
  #subject: StoreUnderTest | undefined;

  /** Opens a store for each test of the enclosing `describe`. */
  constructor(open: OpenStore, changesKeptMax: number) {
    beforeEach(async () => {
      this.#subject = await open({ changesKeptMax });
    });
    afterEach(async () => {
      await this.#subject?.close();
    });
  }

  get subject(): StoreUnderTest {
    if (this.#subject === undefined) throw new Error("the store is open during tests only");
    return this.#subject;
  }

  get store(): StateStore {
    return this.subject.store;
  }

  get lease(): LeaderLease {
    return this.subject.lease;
  }

  get clock(): FakeClock {
    return this.subject.clock;
  }

  commit(parts: Partial<Transaction>): Promise<CommitResult> {
    return this.store.commit(aTransaction(parts));
  }

  /** Commits that many times, one after the other. */
  async commitTimes(count: number): Promise<void> {
    for (let done = 0; done < count; done += 1) await this.commit(put("a"));
  }

  async causeOf(parts: Partial<Transaction>): Promise<string> {
    const result = await this.commit(parts);
    return result.isCommitted ? "committed" : result.cause.why;
  }

  async revisions(): Promise<Record<string, number>> {
    const { records } = await this.store.snapshot();
    return Object.fromEntries(records.map((each) => [each.key, each.revision]));
  }

  async counters(): Promise<Record<string, number>> {
    return Object.fromEntries((await this.store.snapshot()).counters);
  }

  /** The next `count` things that a watcher from this revision on is told. */
  async take(after: number, count: number): Promise<readonly Told[]> {
    const abort = new AbortController();
    const taken: Told[] = [];
    for await (const batch of this.store.changes(after, abort.signal)) {
      taken.push(batch);
      if (taken.length >= count) break;
    }
    abort.abort();
    return taken;
  }

  async takeRevisions(after: number, count: number): Promise<readonly number[]> {
    return (await this.take(after, count)).map(revisionOf);
  }
}

export function key(name: string): RecordKey {
  return `project/${name}`;
}

export function put(...names: readonly string[]): Pick<Transaction, "puts"> {
  return { puts: names.map((id) => ({ key: key(id), value: aProject({ id }) })) };
}

export function raise(
  counter: string,
  delta: number,
  max?: number,
): Transaction["counters"][number] {
  return { key: counter, delta, max };
}

export function committed(revision: number): CommitResult {
  return { isCommitted: true, revision, replayedAnswer: undefined };
}

export function refused(
  cause: Extract<CommitResult, { isCommitted: false }>["cause"],
): CommitResult {
  return { isCommitted: false, cause };
}

export function revisionOf(batch: Told | undefined): number {
  return typeof batch === "object" ? batch.revision : -1;
}

export async function collect<T>(all: AsyncIterable<T>): Promise<readonly T[]> {
  const collected: T[] = [];
  for await (const one of all) collected.push(one);
  return collected;
}
