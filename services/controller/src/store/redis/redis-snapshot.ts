/**
 * A snapshot that keeps Redis waiting for nobody: the hashes are read in pages while commits go on,
 * then the commits made meanwhile are replayed from the change stream.
 *
 * Why that is one revision: a record that no commit touched between the revision read first (`r0`)
 * and the one read last (`r1`) is in every page scan with its one value. Any other record, and any
 * counter, has an entry in (r0, r1], and the last of them says what it is at r1.
 *
 * When commits come faster than the change log can hold while pages are read, the store is read in
 * one transaction instead.
 */
import {
  corruptRecord,
  decodeRecord,
  type RecordKey,
  type Revision,
  type StoredRecord,
  type StoreSnapshot,
} from "@innkeeper/core";
import { type ChangeEntry, decodeEntry, idOfRevision, type RawEntry } from "./change-entries.js";
import type { RedisConnection } from "./redis-connection.js";
import type { RedisKeys } from "./redis-keys.js";

const PAGE_FIELDS = 1000;
const PAGE_ENTRIES = 1000;
const PAGED_ATTEMPTS_MAX = 3;

type Page = readonly [cursor: string, fields: readonly string[]];

export async function readSnapshot(
  connection: RedisConnection,
  keys: RedisKeys,
): Promise<StoreSnapshot> {
  return await connection.repeating(() => new SnapshotReader(connection, keys).read());
}

/** One reading, on one connection; what it has read is thrown away when that breaks. */
class SnapshotReader {
  readonly #connection: RedisConnection;
  readonly #keys: RedisKeys;
  #records = new Map<RecordKey, StoredRecord>();
  #counters = new Map<string, number>();

  constructor(connection: RedisConnection, keys: RedisKeys) {
    this.#connection = connection;
    this.#keys = keys;
  }

  async read(): Promise<StoreSnapshot> {
    for (let attempt = 1; attempt <= PAGED_ATTEMPTS_MAX; attempt += 1) {
      const revision = await this.#readPaged();
      if (revision !== undefined) return this.#snapshot(revision);
      this.#records = new Map();
      this.#counters = new Map();
    }
    return this.#snapshot(await this.#readAtOnce());
  }

  async #readPaged(): Promise<Revision | undefined> {
    const first = await this.#readRevision();
    await this.#scan(this.#keys.records, (key, stored) => {
      this.#addRecord(key as RecordKey, stored);
    });
    await this.#scan(this.#keys.counters, (key, value) => {
      this.#addCounter(key, value);
    });
    const last = await this.#readRevision();
    return (await this.#replay(first, last)) ? last : undefined;
  }

  async #readAtOnce(): Promise<Revision> {
    const { meta, records, counters } = this.#keys;
    const [, , , , replies] = await Promise.all([
      this.#connection.send("MULTI", []),
      this.#connection.send("HGET", [meta, "revision"]),
      this.#connection.send("HGETALL", [records]),
      this.#connection.send("HGETALL", [counters]),
      this.#connection.send("EXEC", []),
    ]);
    const [revision, allRecords, allCounters] = replies as [string | null, string[], string[]];
    eachPair(allRecords, (key, stored) => {
      this.#addRecord(key as RecordKey, stored);
    });
    eachPair(allCounters, (key, value) => {
      this.#addCounter(key, value);
    });
    return parseRevision(revision, meta);
  }

  async #readRevision(): Promise<Revision> {
    const { meta } = this.#keys;
    const text = await this.#connection.send("HGET", [meta, "revision"]);
    return parseRevision(text as string | null, meta);
  }

  async #scan(hash: string, add: (field: string, value: string) => void): Promise<void> {
    let cursor = "0";
    do {
      const args = [hash, cursor, "COUNT", PAGE_FIELDS];
      const page = (await this.#connection.send("HSCAN", args)) as Page;
      [cursor] = page;
      eachPair(page[1], add);
    } while (cursor !== "0");
  }

  /** False when the change log does not reach back so far. */
  async #replay(after: Revision, upTo: Revision): Promise<boolean> {
    let seen = after;
    while (seen < upTo) {
      const range = [`(${idOfRevision(seen)}`, idOfRevision(upTo), "COUNT", PAGE_ENTRIES];
      const args = [this.#keys.changes, ...range];
      const entries = (await this.#connection.send("XRANGE", args)) as RawEntry[];
      for (const entry of entries.map(decodeEntry)) {
        if (entry.revision !== seen + 1) return false;
        this.#apply(entry);
        seen = entry.revision;
      }
      if (entries.length === 0) return false;
    }
    return true;
  }

  #apply({ revision, changes, counters }: ChangeEntry): void {
    for (const { key, value } of changes) {
      if (value === undefined) this.#records.delete(key);
      else this.#records.set(key, { key, revision, value });
    }
    for (const [key, value] of counters) {
      if (value === 0) this.#counters.delete(key);
      else this.#counters.set(key, value);
    }
  }

  #addRecord(key: RecordKey, stored: string): void {
    const end = stored.indexOf(":");
    const revision = Number(stored.slice(0, Math.max(end, 0)) || "NaN");
    if (!Number.isSafeInteger(revision)) throw corruptRecord(key, "it has no revision");
    this.#records.set(key, { key, revision, value: decodeRecord(key, stored.slice(end + 1)) });
  }

  #addCounter(key: string, text: string): void {
    const value = Number(text);
    if (!Number.isInteger(value)) throw corruptRecord(key, "the counter is not a number");
    this.#counters.set(key, value);
  }

  #snapshot(revision: Revision): StoreSnapshot {
    return { revision, records: [...this.#records.values()], counters: this.#counters };
  }
}

function eachPair(pairs: readonly string[], add: (field: string, value: string) => void): void {
  for (let index = 0; index + 1 < pairs.length; index += 2) {
    add(pairs[index] ?? "", pairs[index + 1] ?? "");
  }
}

/** @throws `corrupt` */
export function parseRevision(text: string | null, where: string): Revision {
  const revision = Number(text ?? "0");
  if (!Number.isSafeInteger(revision)) throw corruptRecord(where, "the revision is not a number");
  return revision;
}
