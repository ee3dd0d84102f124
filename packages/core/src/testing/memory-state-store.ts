/**
 * The store port in memory, for tests and simulation: deterministic, answers within microtasks, all
 * time from the clock. Several stores may share one disk: a crashed controller's successor opens
 * the disk again and sees all that was acknowledged.
 */

import { unavailable } from "../domain/errors.js";
import type { RecordKey } from "../domain/record-keys.js";
import type { Clock } from "../ports/clock.js";
import type {
  ChangeBatch,
  CommitResult,
  RequestRecord,
  Revision,
  StateStore,
  StoredRecord,
  StoreSnapshot,
  Transaction,
} from "../ports/state-store.js";
import {
  type ChangeSource,
  ChangeWindow,
  Wakeups,
  watchChanges,
} from "../transactions/change-feed.js";
import {
  assertTransaction,
  isRemembered,
  type RememberedRequest,
} from "../transactions/evaluate-transaction.js";
import { LeaseState } from "../transactions/lease-state.js";
import { StoreState } from "../transactions/store-state.js";

const CHANGES_KEPT_DEFAULT = 10_000;

/** What survives every process that has it open. */
export class MemoryDisk {
  readonly state = new StoreState();
  readonly lease = new LeaseState();
  readonly records = new Map<RecordKey, StoredRecord>();
  readonly requests = new Map<string, RememberedRequest>();
  readonly changes: ChangeWindow;
  /** Those to wake after a commit, by whomever. */
  readonly openers = new Set<Wakeups>();

  constructor(options: { readonly changesKeptMax?: number } = {}) {
    this.changes = new ChangeWindow(options.changesKeptMax ?? CHANGES_KEPT_DEFAULT);
  }
}

export interface MemoryStateStoreOptions {
  readonly disk: MemoryDisk;
  readonly clock: Clock;
}

export class MemoryStateStore implements StateStore {
  readonly #disk: MemoryDisk;
  readonly #clock: Clock;
  readonly #source: ChangeSource;
  #life: "open" | "closed" | "killed" = "open";

  constructor(options: MemoryStateStoreOptions) {
    this.#disk = options.disk;
    this.#clock = options.clock;
    this.#source = {
      read: (after, limit) => readChanges(this.#disk, after, limit),
      wakeups: new Wakeups(),
    };
    this.#disk.openers.add(this.#source.wakeups);
  }

  commit(transaction: Transaction): Promise<CommitResult> {
    return this.#answer(() => {
      assertTransaction(transaction);
      return this.#commitOne(transaction);
    });
  }

  commitAll(transactions: readonly Transaction[]): Promise<readonly CommitResult[]> {
    return this.#answer(() => {
      for (const transaction of transactions) assertTransaction(transaction);
      return transactions.map((transaction) => this.#commitOne(transaction));
    });
  }

  snapshot(): Promise<StoreSnapshot> {
    return this.#answer(() => ({
      revision: this.#disk.state.revision,
      records: [...this.#disk.records.values()],
      counters: new Map(this.#disk.state.counters),
    }));
  }

  changes(after: Revision, signal: AbortSignal): AsyncIterable<ChangeBatch | "compacted"> {
    return watchChanges(this.#source, after, signal);
  }

  oldestRevision(): Promise<Revision> {
    return this.#answer(() => this.#disk.changes.startsAfter ?? this.#disk.state.revision);
  }

  findRequest(requestId: string): Promise<RequestRecord | undefined> {
    return this.#answer(() => {
      const request = this.#remembered(requestId);
      if (request === undefined) return undefined;
      return { id: request.id, body: request.body, answer: request.answer };
    });
  }

  close(): Promise<void> {
    return this.#answer(() => {
      this.#end("closed");
    });
  }

  /** The process that has it open is gone: nothing that it asked or asks is answered any more. */
  kill(): void {
    this.#end("killed");
  }

  #end(life: "closed" | "killed"): void {
    this.#life = life;
    this.#source.wakeups.close();
    this.#disk.openers.delete(this.#source.wakeups);
  }

  #answer<T>(compute: () => T): Promise<T> {
    return new Promise((resolve) => {
      if (this.#life === "killed") return;
      if (this.#life === "closed") throw unavailable("store", "it is closed");
      resolve(compute());
    });
  }

  #commitOne(transaction: Transaction): CommitResult {
    const { request } = transaction;
    const remembered = request === undefined ? undefined : this.#remembered(request.id);
    const result = this.#disk.state.apply(transaction, remembered);
    if (!result.isCommitted || result.replayedAnswer !== undefined) return result;
    const { revision } = result;
    const atMs = this.#clock.nowMs();
    for (const { key, value } of transaction.puts) {
      this.#disk.records.set(key, { key, revision, value });
    }
    for (const key of transaction.deletes) this.#disk.records.delete(key);
    if (request !== undefined) this.#disk.requests.set(request.id, { ...request, revision, atMs });
    this.#disk.changes.append({ revision, atMs, changes: changesOf(transaction) });
    for (const wakeups of this.#disk.openers) wakeups.wakeAll();
    return result;
  }

  #remembered(requestId: string): RememberedRequest | undefined {
    const request = this.#disk.requests.get(requestId);
    if (request === undefined) return undefined;
    if (isRemembered(request, this.#clock.nowMs())) return request;
    this.#disk.requests.delete(requestId);
    return undefined;
  }
}

function changesOf(transaction: Transaction): ChangeBatch["changes"] {
  return [
    ...transaction.puts.map(({ key, value }) => ({ key, value })),
    ...transaction.deletes.map((key) => ({ key, value: undefined })),
  ];
}

function readChanges(
  disk: MemoryDisk,
  after: Revision,
  limit: number,
): readonly ChangeBatch[] | "compacted" {
  if (after > disk.state.revision) return "compacted";
  if (after === disk.state.revision) return [];
  return disk.changes.since(after, limit) ?? "compacted";
}
