/**
 * Writes a group of transactions to the embedded store with one disk sync: decides in memory,
 * writes the rows, and takes the decision back when the disk refuses.
 *
 * V1 Memory shows a commit exactly when the disk has it.
 * V2 Nothing runs between deciding on a group and knowing its outcome.
 */
import {
  type ChangeBatch,
  type CommitResult,
  isRemembered,
  REQUEST_KEPT_MS,
  type RememberedRequest,
  type Revision,
  type StoreState,
} from "@innkeeper/core";
import type { ExclusiveDatabase } from "@innkeeper/core/platform/sqlite";
import type { EmbeddedTables } from "./embedded-tables.js";
import type { EncodedTransaction } from "./encoded-transaction.js";

/** How far the change log may grow beyond what is promised before it is trimmed. */
const TRIM_STEP_MAX = 1000;
const REQUESTS_TRIM_EVERY_MS = 60_000;

export interface GroupWriterOptions {
  readonly database: ExclusiveDatabase;
  readonly tables: EmbeddedTables;
  readonly state: StoreState;
  readonly changesKeptMax: number;
}

export interface WrittenGroup {
  /** One for each transaction, in order. */
  readonly results: readonly CommitResult[];
  readonly batches: readonly ChangeBatch[];
}

interface Decision {
  readonly results: readonly CommitResult[];
  readonly committed: ReadonlyMap<Revision, EncodedTransaction>;
  readonly requests: ReadonlyMap<string, RememberedRequest>;
}

export class GroupWriter {
  readonly #options: GroupWriterOptions;
  /** The log on disk has every revision after this one. */
  #logStartsAfter: Revision;
  #requestsTrimmedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: GroupWriterOptions) {
    this.#options = options;
    this.#logStartsAfter = options.tables.changesStartAfter() ?? options.state.revision;
  }

  /** The lowest revision after which all changes are kept. */
  get changesStartAfter(): Revision {
    const { state, changesKeptMax } = this.#options;
    return Math.max(this.#logStartsAfter, state.revision - changesKeptMax);
  }

  /** @throws `unavailable` when nothing was done; `timeout` when the outcome is unknown. */
  write(group: readonly EncodedTransaction[], nowMs: number): WrittenGroup {
    const { state, database } = this.#options;
    state.begin();
    try {
      const decision = this.#decide(group, nowMs);
      if (decision.committed.size > 0) {
        database.transact(() => {
          this.#writeRows(decision, nowMs);
        });
      }
      state.keep();
      return { results: decision.results, batches: batchesOf(decision, nowMs) };
    } catch (error) {
      state.rollback();
      throw error;
    }
  }

  /** What the request id was used for, while that counts. */
  remembered(requestId: string, nowMs: number): RememberedRequest | undefined {
    const request = this.#options.tables.readRequest(requestId);
    return request !== undefined && isRemembered(request, nowMs) ? request : undefined;
  }

  #decide(group: readonly EncodedTransaction[], nowMs: number): Decision {
    const requests = new Map<string, RememberedRequest>();
    const committed = new Map<Revision, EncodedTransaction>();
    const results = group.map((encoded) => {
      const { request } = encoded.transaction;
      const used = request && (requests.get(request.id) ?? this.remembered(request.id, nowMs));
      const result = this.#options.state.apply(encoded.transaction, used);
      if (!result.isCommitted || result.replayedAnswer !== undefined) return result;
      const { revision } = result;
      committed.set(revision, encoded);
      if (request) requests.set(request.id, { ...request, revision, atMs: nowMs });
      return result;
    });
    return { results, committed, requests };
  }

  #writeRows({ committed, requests }: Decision, nowMs: number): void {
    const { state, tables } = this.#options;
    const newest = new Map<string, string>();
    for (const [revision, encoded] of committed) {
      tables.writeChange(revision, nowMs, encoded.batch);
      for (const { key, text } of encoded.puts) newest.set(key, text);
    }
    const touched = state.touched();
    for (const key of touched.records) {
      const revision = state.revisionOf(key);
      if (revision === undefined) tables.deleteRecord(key);
      else tables.writeRecord(key, revision, newest.get(key) as string);
    }
    for (const key of touched.counters) tables.writeCounter(key, state.counterOf(key));
    for (const request of requests.values()) tables.writeRequest(request);
    tables.writeRevision(state.revision);
    this.#trim(nowMs);
  }

  /** What is forgotten too early by a transaction that then fails is only served no more: safe. */
  #trim(nowMs: number): void {
    const { state, tables, changesKeptMax } = this.#options;
    const unneeded = state.revision - changesKeptMax;
    if (unneeded - this.#logStartsAfter >= Math.min(changesKeptMax, TRIM_STEP_MAX)) {
      tables.trimChanges(unneeded);
      this.#logStartsAfter = unneeded;
    }
    if (nowMs - this.#requestsTrimmedAtMs >= REQUESTS_TRIM_EVERY_MS) {
      tables.trimRequests(nowMs - REQUEST_KEPT_MS);
      this.#requestsTrimmedAtMs = nowMs;
    }
  }
}

function batchesOf({ committed }: Decision, atMs: number): readonly ChangeBatch[] {
  return [...committed].map(([revision, { changes }]) => ({ revision, atMs, changes }));
}
