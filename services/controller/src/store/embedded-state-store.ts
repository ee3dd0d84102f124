/**
 * The store port on SQLite, in this process: the default, in one directory, nothing to install.
 * Transactions asked for in one turn of the event loop share one disk sync. Values live on disk
 * only; revisions and counters also in memory.
 */
import {
  assert,
  assertTransaction,
  type ChangeBatch,
  type ChangeSource,
  ChangeWindow,
  type Clock,
  type CommitResult,
  type DomainError,
  type RequestRecord,
  type Revision,
  type StateStore,
  type StoreSnapshot,
  StoreState,
  type Transaction,
  Wakeups,
  watchChanges,
} from "@innkeeper/core";
import { GroupCommit } from "@innkeeper/core/platform";
import { ExclusiveDatabase, type SqlConnection } from "@innkeeper/core/platform/sqlite";
import { EMBEDDED_MIGRATIONS } from "./embedded-schema.js";
import { EmbeddedTables } from "./embedded-tables.js";
import { EncodedTransaction } from "./encoded-transaction.js";
import { GroupWriter } from "./group-writer.js";

/** Transactions written with one sync; more would keep the event loop waiting too long. */
const GROUP_TRANSACTIONS_MAX = 2048;
/** Batches that watchers find in memory. */
const WINDOW_BATCHES_MAX = 1024;

export interface EmbeddedStoreOptions {
  /** Made if it is not there. One process owns it as long as the store is open. */
  readonly directory: string;
  readonly clock: Clock;
  /** Commits that a watcher may be behind before it is told `compacted`. */
  readonly changesKeptMax: number;
  /** For tests that let the disk fail. */
  readonly connect?: (path: string) => SqlConnection;
  /**
   * Called once when the disk has failed: the process must end, a restart finds out what is there.
   */
  readonly onFailure?: (error: DomainError) => void;
}

/**
 * @throws `precondition` naming the owner when the directory is in use; `corrupt`; `unavailable`.
 */
export function createEmbeddedStore(options: EmbeddedStoreOptions): EmbeddedStateStore {
  const { clock, changesKeptMax, ...opening } = options;
  assert(changesKeptMax >= 1, "at least one change is kept");
  const migrations = EMBEDDED_MIGRATIONS;
  const database = ExclusiveDatabase.open({ ...opening, what: "store", migrations });
  try {
    const tables = new EmbeddedTables(database);
    const state = new StoreState(tables.loadState());
    const writer = new GroupWriter({ database, tables, state, changesKeptMax });
    return new EmbeddedStateStore({ database, tables, state, writer, clock, changesKeptMax });
  } catch (error) {
    database.close();
    throw error;
  }
}

interface EmbeddedParts {
  readonly database: ExclusiveDatabase;
  readonly tables: EmbeddedTables;
  readonly state: StoreState;
  readonly writer: GroupWriter;
  readonly clock: Clock;
  readonly changesKeptMax: number;
}

/** Made by {@link createEmbeddedStore}. */
export class EmbeddedStateStore implements StateStore {
  readonly #parts: EmbeddedParts;
  readonly #groups: GroupCommit<EncodedTransaction, CommitResult>;
  readonly #window: ChangeWindow;
  readonly #wakeups = new Wakeups();

  constructor(parts: EmbeddedParts) {
    this.#parts = parts;
    this.#window = new ChangeWindow(Math.min(WINDOW_BATCHES_MAX, parts.changesKeptMax));
    this.#groups = new GroupCommit({
      what: "store",
      itemsMax: GROUP_TRANSACTIONS_MAX,
      write: (group) => this.#writeGroup(group),
    });
  }

  get clock(): Clock {
    return this.#parts.clock;
  }

  async commit(transaction: Transaction): Promise<CommitResult> {
    const [result] = await this.commitAll([transaction]);
    return result as CommitResult;
  }

  commitAll(transactions: readonly Transaction[]): Promise<readonly CommitResult[]> {
    return new Promise((resolve) => {
      for (const transaction of transactions) assertTransaction(transaction);
      resolve(this.#groups.submit(transactions.map((one) => new EncodedTransaction(one))));
    });
  }

  snapshot(): Promise<StoreSnapshot> {
    return new Promise((resolve) => {
      const records = this.#parts.tables.readRecords();
      const { revision, counters } = this.#parts.state;
      resolve({ revision, records, counters: new Map(counters) });
    });
  }

  changes(after: Revision, signal: AbortSignal): AsyncIterable<ChangeBatch | "compacted"> {
    const source: ChangeSource = {
      read: (seen, limit) => this.#readChanges(seen, limit),
      wakeups: this.#wakeups,
    };
    return watchChanges(source, after, signal);
  }

  oldestRevision(): Promise<Revision> {
    return Promise.resolve(this.#parts.writer.changesStartAfter);
  }

  findRequest(requestId: string): Promise<RequestRecord | undefined> {
    return new Promise((resolve) => {
      const request = this.#parts.writer.remembered(requestId, this.clock.nowMs());
      if (request === undefined) resolve(undefined);
      else resolve({ id: request.id, body: request.body, answer: request.answer });
    });
  }

  /** Durably: from now on lower leader epochs are refused (S3). For the lease beside this store. */
  grantLeaderEpoch(): number {
    const { database, tables, state } = this.#parts;
    const epoch = state.leaderEpoch + 1;
    database.transact(() => {
      tables.writeLeaderEpoch(epoch);
    });
    state.raiseLeaderEpoch(epoch);
    return epoch;
  }

  /** Writes what has been asked for, ends all watchers, frees the directory. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#groups.close();
      this.#wakeups.close();
      this.#parts.database.close();
      resolve();
    });
  }

  #writeGroup(group: readonly EncodedTransaction[]): readonly CommitResult[] {
    const { results, batches } = this.#parts.writer.write(group, this.clock.nowMs());
    for (const batch of batches) this.#window.append(batch);
    if (batches.length > 0) this.#wakeups.wakeAll();
    return results;
  }

  #readChanges(after: Revision, limit: number): readonly ChangeBatch[] | "compacted" {
    const { state, tables, writer } = this.#parts;
    if (after > state.revision || after < writer.changesStartAfter) return "compacted";
    if (after === state.revision) return [];
    return this.#window.since(after, limit) ?? tables.readChanges(after, limit);
  }
}
