/** The embedded store's statements: rows in, rows out. Decides nothing. */
import {
  type ChangeBatch,
  corruptRecord,
  decodeRecord,
  decodeStored,
  type LoadedState,
  parseStored,
  type RecordKey,
  type RememberedRequest,
  type Revision,
  type StoredRecord,
} from "@innkeeper/core";
import type { ExclusiveDatabase, SqlRow } from "@innkeeper/core/platform/sqlite";

/** Expired request ids removed at once, so that no commit waits long for it. */
const REQUESTS_TRIMMED_AT_ONCE = 1000;

export class EmbeddedTables {
  readonly #database: ExclusiveDatabase;
  readonly #statements: ReturnType<typeof prepareAll>;

  constructor(database: ExclusiveDatabase) {
    this.#database = database;
    this.#statements = prepareAll(database);
  }

  /** @throws `corrupt` when the tables contradict each other. */
  loadState(): LoadedState {
    return this.#database.read(() => {
      const [revision = 0, leaderEpoch = 0] = numbersOf(this.#statements.readStore.rows()[0]);
      const newest = Number(this.#statements.newestChange.rows()[0]?.[0] ?? revision);
      if (newest !== revision) {
        throw corruptRecord("store", `revision ${revision}, but the newest change is ${newest}`);
      }
      const revisions = this.#statements.readRevisions.rows() as unknown as [RecordKey, Revision][];
      const counters = this.#statements.readCounters.rows() as unknown as [string, number][];
      return { revision, leaderEpoch, revisions, counters };
    });
  }

  /** @throws `corrupt` naming the key of a record that does not parse. */
  readRecords(): readonly StoredRecord[] {
    const rows = this.#database.read(() => this.#statements.readRecords.rows());
    return rows.map(([key, revision, text]) => ({
      key: key as RecordKey,
      revision: Number(revision),
      value: decodeRecord(String(key), String(text)),
    }));
  }

  /** @throws `corrupt` naming the revision of a batch that does not parse. */
  readChanges(after: Revision, limit: number): readonly ChangeBatch[] {
    const rows = this.#database.read(() => this.#statements.readChanges.rows(after, limit));
    return rows.map(decodeBatch);
  }

  /** Revision before the oldest change that is there; undefined when there are no changes. */
  changesStartAfter(): Revision | undefined {
    const [oldest] = this.#database.read(() => this.#statements.oldestChange.rows()[0]) ?? [];
    return typeof oldest === "number" ? oldest - 1 : undefined;
  }

  /** Whether remembered still or not. */
  readRequest(id: string): RememberedRequest | undefined {
    const row = this.#database.read(() => this.#statements.readRequest.rows(id)[0]);
    if (row === undefined) return undefined;
    const exchange = parseStored(`request/${id}`, String(row[2]));
    if (!Array.isArray(exchange)) throw corruptRecord(`request/${id}`, "it is not a list");
    const [body, answer] = exchange as [string, string];
    return { id, body, answer, revision: Number(row[0]), atMs: Number(row[1]) };
  }

  writeRecord(key: RecordKey, revision: Revision, encoded: string): void {
    this.#statements.writeRecord.run(key, revision, encoded);
  }

  deleteRecord(key: RecordKey): void {
    this.#statements.deleteRecord.run(key);
  }

  writeCounter(key: string, value: number): void {
    if (value === 0) this.#statements.deleteCounter.run(key);
    else this.#statements.writeCounter.run(key, value);
  }

  writeChange(revision: Revision, atMs: number, batch: string): void {
    this.#statements.writeChange.run(revision, atMs, batch);
  }

  writeRequest(request: RememberedRequest): void {
    const exchange = JSON.stringify([request.body, request.answer]);
    this.#statements.writeRequest.run(request.id, request.revision, request.atMs, exchange);
  }

  writeRevision(revision: Revision): void {
    this.#statements.writeRevision.run(revision);
  }

  writeLeaderEpoch(epoch: number): void {
    this.#statements.writeLeaderEpoch.run(epoch);
  }

  trimChanges(upToRevision: Revision): void {
    this.#statements.trimChanges.run(upToRevision);
  }

  trimRequests(upToMs: number): void {
    this.#statements.trimRequests.run(upToMs, REQUESTS_TRIMMED_AT_ONCE);
  }
}

function prepareAll(database: ExclusiveDatabase) {
  const sql = (text: string) => database.prepare(text);
  return {
    readStore: sql("SELECT revision, leader_epoch FROM store"),
    readRevisions: sql("SELECT key, revision FROM records"),
    readCounters: sql("SELECT key, value FROM counters"),
    readRecords: sql("SELECT key, revision, value FROM records ORDER BY key"),
    readChanges: sql(
      "SELECT revision, at_ms, batch FROM changes WHERE revision > ? ORDER BY revision LIMIT ?",
    ),
    oldestChange: sql("SELECT min(revision) FROM changes"),
    newestChange: sql("SELECT max(revision) FROM changes"),
    readRequest: sql("SELECT revision, at_ms, exchange FROM requests WHERE id = ?"),
    writeRecord: sql(
      "INSERT INTO records VALUES (?, ?, ?) ON CONFLICT (key) " +
        "DO UPDATE SET revision = excluded.revision, value = excluded.value",
    ),
    deleteRecord: sql("DELETE FROM records WHERE key = ?"),
    writeCounter: sql("INSERT OR REPLACE INTO counters VALUES (?, ?)"),
    deleteCounter: sql("DELETE FROM counters WHERE key = ?"),
    writeChange: sql("INSERT INTO changes VALUES (?, ?, ?)"),
    writeRequest: sql("INSERT OR REPLACE INTO requests VALUES (?, ?, ?, ?)"),
    writeRevision: sql("UPDATE store SET revision = ?"),
    writeLeaderEpoch: sql("UPDATE store SET leader_epoch = ?"),
    trimChanges: sql("DELETE FROM changes WHERE revision <= ?"),
    trimRequests: sql(
      "DELETE FROM requests WHERE id IN (SELECT id FROM requests WHERE at_ms <= ? LIMIT ?)",
    ),
  };
}

function decodeBatch([revision, atMs, text]: SqlRow): ChangeBatch {
  const where = `change/${String(revision)}`;
  const parsed = parseStored(where, String(text));
  if (!Array.isArray(parsed)) throw corruptRecord(where, "it is not a list");
  const changes = (parsed as [RecordKey, unknown][]).map(([key, stored]) => ({
    key,
    value: stored === null ? undefined : decodeStored(key, stored),
  }));
  return { revision: Number(revision), atMs: Number(atMs), changes };
}

function numbersOf(row: SqlRow | undefined): readonly number[] {
  return (row ?? []).map(Number);
}
