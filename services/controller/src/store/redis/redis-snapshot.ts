/**
 * A snapshot that keeps Redis waiting for nobody: the hashes are read in pages while commits go on,
 * then the commits made meanwhile are replayed from the change stream.
 *
 * Why that is one revision: what no commit touched between the revision read first (`r0`) and the
 * one read last (`r1`) has one value all the time, and is in the pages. Anything else has an entry
 * in (r0, r1], and the last of them says what it is at r1.
 *
 * When commits come faster than the change log can hold while pages are read, the store is read in
 * one transaction instead.
 */
import {
  corruptRecord,
  type DomainError,
  decodeRecord,
  type RecordKey,
  type RecordValue,
  type Revision,
  type StoredRecord,
  type StoreSnapshot,
} from "@innkeeper/core";
import { type ChangeEntry, decodeEntry, idOfRevision, type RawEntry } from "./change-entries.js";
import type { RedisConnection } from "./redis-connection.js";
import { counterOf, OWN_MARK, REVISION_FIELD, type RedisKeys } from "./redis-keys.js";

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
  #values = new Map<RecordKey, RecordValue>();
  #revisions = new Map<RecordKey, Revision>();
  #counters = new Map<string, number>();

  constructor(connection: RedisConnection, keys: RedisKeys) {
    this.#connection = connection;
    this.#keys = keys;
  }

  async read(): Promise<StoreSnapshot> {
    for (let attempt = 1; attempt <= PAGED_ATTEMPTS_MAX; attempt += 1) {
      const revision = await this.#readPaged();
      if (revision !== undefined) return this.#snapshot(revision);
      this.#values = new Map();
      this.#revisions = new Map();
      this.#counters = new Map();
    }
    return this.#snapshot(await this.#readAtOnce());
  }

  async #readPaged(): Promise<Revision | undefined> {
    const first = await this.#readRevision();
    for (const [hash, add] of this.#hashes) await this.#scan(hash, add);
    const last = await this.#readRevision();
    return (await this.#replay(first, last)) ? last : undefined;
  }

  async #readAtOnce(): Promise<Revision> {
    const { state } = this.#keys;
    const sent = [
      this.#connection.send("MULTI", []),
      this.#connection.send("HGET", [state, REVISION_FIELD]),
      ...this.#hashes.map(([hash]) => this.#connection.send("HGETALL", [hash])),
      this.#connection.send("EXEC", []),
    ];
    const [revision, ...pages] = (await Promise.all(sent)).at(-1) as [string | null, ...string[][]];
    this.#hashes.forEach(([, add], index) => {
      eachPair(pages[index] ?? [], add);
    });
    return parseRevision(revision, state);
  }

  get #hashes(): readonly (readonly [hash: string, add: (field: string, text: string) => void])[] {
    const addRecord = (key: string, text: string): void => {
      this.#values.set(key as RecordKey, decodeRecord(key, text));
    };
    return [
      [this.#keys.records, addRecord],
      [this.#keys.state, (field, text) => this.#addState(field, text)],
    ];
  }

  #addState(field: string, text: string): void {
    if (field.startsWith(OWN_MARK)) return;
    const counter = counterOf(field);
    if (counter !== undefined) this.#counters.set(counter, integerOf(text, counter));
    else this.#revisions.set(field as RecordKey, integerOf(text, field));
  }

  async #readRevision(): Promise<Revision> {
    const { state } = this.#keys;
    const text = await this.#connection.send("HGET", [state, REVISION_FIELD]);
    return parseRevision(text as string | null, state);
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
      if (value === undefined) {
        this.#values.delete(key);
        this.#revisions.delete(key);
      } else {
        this.#values.set(key, value);
        this.#revisions.set(key, revision);
      }
    }
    for (const [key, value] of counters) {
      if (value === 0) this.#counters.delete(key);
      else this.#counters.set(key, value);
    }
  }

  /** @throws `corrupt` naming a record without a revision, or the other way round */
  #snapshot(revision: Revision): StoreSnapshot {
    const records: StoredRecord[] = [];
    for (const [key, value] of this.#values) {
      const written = this.#revisions.get(key);
      if (written === undefined) throw corruptRecord(key, "it has no revision");
      records.push({ key, revision: written, value });
    }
    if (this.#revisions.size > records.length) throw this.#lostRecord();
    return { revision, records, counters: this.#counters };
  }

  #lostRecord(): DomainError {
    const lost = [...this.#revisions.keys()].find((key) => !this.#values.has(key));
    return corruptRecord(lost ?? this.#keys.state, "it has a revision, but no value");
  }
}

function eachPair(pairs: readonly string[], add: (field: string, value: string) => void): void {
  for (let index = 0; index + 1 < pairs.length; index += 2) {
    add(pairs[index] ?? "", pairs[index + 1] ?? "");
  }
}

/** @throws `corrupt` */
export function parseRevision(text: string | null, where: string): Revision {
  return integerOf(text ?? "0", where);
}

function integerOf(text: string, where: string): number {
  const value = text === "" ? Number.NaN : Number(text);
  if (!Number.isInteger(value)) throw corruptRecord(where, "it is not a whole number");
  return value;
}
