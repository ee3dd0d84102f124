/**
 * The store port on Redis: one script that commits, a snapshot read in pages, a stream that is
 * followed. Decides nothing by itself.
 */
import {
  assert,
  assertTransaction,
  type ChangeBatch,
  type CommitResult,
  corruptRecord,
  isRemembered,
  parseStored,
  type RequestRecord,
  type Revision,
  type StateStore,
  type StoreSnapshot,
  type Transaction,
} from "@innkeeper/core";
import { EncodedTransaction } from "../encoded-transaction.js";
import type { CommitPipeline } from "./commit-pipeline.js";
import { readKeptRange, watchStream } from "./redis-changes.js";
import type { RedisConnection } from "./redis-connection.js";
import type { RedisKeys } from "./redis-keys.js";
import { readSnapshot } from "./redis-snapshot.js";

/** Lua cannot pass more to one call. */
const TRANSACTION_CHANGES_MAX = 3000;

export interface RedisStateStoreParts {
  readonly keys: RedisKeys;
  readonly pipeline: CommitPipeline;
  /** For reads. */
  readonly reader: RedisConnection;
  /** A connection for one watcher. */
  readonly watch: () => RedisConnection;
  readonly nowMs: () => number;
  readonly closeAll: () => void;
}

/** Made by `createRedisStore`. */
export class RedisStateStore implements StateStore {
  readonly #parts: RedisStateStoreParts;
  readonly #closing = new AbortController();

  constructor(parts: RedisStateStoreParts) {
    this.#parts = parts;
  }

  async commit(transaction: Transaction): Promise<CommitResult> {
    const [result] = await this.commitAll([transaction]);
    return result as CommitResult;
  }

  commitAll(transactions: readonly Transaction[]): Promise<readonly CommitResult[]> {
    return new Promise((resolve) => {
      for (const transaction of transactions) {
        assertTransaction(transaction);
        assertFits(transaction);
      }
      const encoded = transactions.map((one) => new EncodedTransaction(one));
      resolve(encoded.length === 0 ? [] : this.#parts.pipeline.submit(encoded));
    });
  }

  async snapshot(): Promise<StoreSnapshot> {
    return await readSnapshot(this.#parts.reader, this.#parts.keys);
  }

  changes(after: Revision, signal: AbortSignal): AsyncIterable<ChangeBatch | "compacted"> {
    const { keys, watch } = this.#parts;
    const either = AbortSignal.any([signal, this.#closing.signal]);
    return watchStream({ connect: watch, keys, after, signal: either });
  }

  async oldestRevision(): Promise<Revision> {
    const { reader, keys } = this.#parts;
    const { startsAfter } = await reader.repeating(() => readKeptRange(reader, keys));
    return startsAfter;
  }

  async findRequest(requestId: string): Promise<RequestRecord | undefined> {
    const { reader, keys, nowMs } = this.#parts;
    const key = keys.request(requestId);
    const text = (await reader.ask("GET", [key])) as string | null;
    if (text === null) return undefined;
    const [revision, atMs, body, answer] = parseStored(key, text) as unknown[];
    if (typeof revision !== "number" || typeof atMs !== "number") {
      throw corruptRecord(key, "it is not a used request id");
    }
    if (!isRemembered({ atMs }, nowMs())) return undefined;
    return { id: requestId, body: String(body), answer: String(answer) };
  }

  /** Answers what has been asked for, then ends all watchers and connections. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#parts.pipeline.close();
    this.#parts.closeAll();
  }
}

function assertFits({ puts, deletes, counters }: Transaction): void {
  const changeCount = puts.length + deletes.length + counters.length;
  assert(changeCount <= TRANSACTION_CHANGES_MAX, "a transaction has at most 3000 changes");
}
