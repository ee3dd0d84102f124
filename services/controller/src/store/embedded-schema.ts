/**
 * The embedded store's tables. Migrations are only added to, never edited after a release.
 *
 * `records.value` is what `encodeRecord` gives; `changes.batch` is a JSON array of [key, stored
 * record or null]; `requests.exchange` is a JSON array of body and answer (JSON, because SQLite
 * ends texts at a NUL). Tables with large rows keep their rowid: updates then leave the key's index
 * alone.
 */
export const EMBEDDED_MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE store (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL,
    leader_epoch INTEGER NOT NULL
  ) STRICT;
  INSERT INTO store VALUES (1, 0, 0);
  CREATE TABLE records (
    key TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    value TEXT NOT NULL
  ) STRICT;
  CREATE TABLE counters (
    key TEXT PRIMARY KEY,
    value INTEGER NOT NULL CHECK (value > 0)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE changes (
    revision INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    batch TEXT NOT NULL
  ) STRICT;
  CREATE TABLE requests (
    id TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    exchange TEXT NOT NULL
  ) STRICT;
  CREATE INDEX requests_by_time ON requests (at_ms);
  `,
];
