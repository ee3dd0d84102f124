/**
 * A SQLite database in a directory that this process alone owns.
 *
 * X1 While it is open, no other process (and nobody else in this one) can open it. The lock is
 *    SQLite's own exclusive file lock, so `kill -9` frees it.
 * X2 When `transact` returns, what it did is on the disk. When it throws `unavailable`, nothing was
 *    done. When it throws `timeout`, the outcome is unknown, and every later call is refused until
 *    it is opened again.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { pid } from "node:process";
import { type DomainError, precondition, unavailable } from "../../domain/errors.js";
import { connectSqlite, type SqlConnection, type SqlStatement } from "./sqlite-connection.js";
import { outcomeUnknown, sqliteCodeOf, sqliteError } from "./sqlite-errors.js";

/**
 * Pages of 4 KiB in the log before it is merged into the database: rarer, longer pauses when
 * larger.
 */
const CHECKPOINT_PAGES = 2000;
const HOLDER_FILE = "owner.txt";

export interface ExclusiveDatabaseOptions {
  readonly directory: string;
  /** For messages, e.g. `store`; also the file's name. */
  readonly what: string;
  /** Each brings the schema one version further; never edited once released, only added to. */
  readonly migrations: readonly string[];
  /** For tests that let the disk fail. */
  readonly connect?: (path: string) => SqlConnection;
  /** Called once when the disk has failed and nothing more is taken until it is opened again. */
  readonly onFailure?: (error: DomainError) => void;
}

export class ExclusiveDatabase {
  readonly #what: string;
  readonly #connection: SqlConnection;
  readonly #onFailure: (error: DomainError) => void;
  #failure: DomainError | undefined;

  private constructor(options: ExclusiveDatabaseOptions, connection: SqlConnection) {
    this.#what = options.what;
    this.#onFailure = options.onFailure ?? (() => undefined);
    this.#connection = connection;
  }

  /**
   * @throws `precondition` naming the owner when it is open elsewhere; `corrupt`; `unavailable`.
   */
  static open(options: ExclusiveDatabaseOptions): ExclusiveDatabase {
    const { directory, what } = options;
    const connection = connect(options);
    try {
      takeOwnership(connection);
      writeFileSync(join(directory, HOLDER_FILE), `process ${pid} on ${hostname()}\n`);
      const database = new ExclusiveDatabase(options, connection);
      database.#migrate(options.migrations);
      return database;
    } catch (error) {
      const isBusy = sqliteCodeOf(error) === "SQLITE_BUSY";
      if (!isBusy) letGo(connection);
      connection.close();
      throw isBusy ? inUse(directory, what) : sqliteError(what, error);
    }
  }

  prepare(sql: string): SqlStatement {
    return this.#connection.prepare(sql);
  }

  /** Reads; SQLite's errors are translated. */
  read<T>(query: () => T): T {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return query();
    } catch (error) {
      throw sqliteError(this.#what, error);
    }
  }

  /** Does all that `write` does in one durable transaction, or nothing (X2). */
  transact(write: () => void): void {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      this.#connection.exec("BEGIN IMMEDIATE");
      write();
    } catch (error) {
      this.#rollback();
      throw sqliteError(this.#what, error);
    }
    try {
      this.#connection.exec("COMMIT");
    } catch (error) {
      this.#rollback();
      throw this.#commitError(error);
    }
  }

  /** Merges the log into the database file and frees the lock. */
  close(): void {
    if (this.#failure === undefined) letGo(this.#connection);
    this.#failure = unavailable(this.#what, "it is closed");
    this.#connection.close();
  }

  #rollback(): void {
    try {
      if (this.#connection.inTransaction) this.#connection.exec("ROLLBACK");
    } catch (error) {
      this.#fail("it could not be rolled back; restart", error);
    }
  }

  /**
   * A full disk is noticed before the commit mark is written; after any other error it may be
   * there.
   */
  #commitError(error: unknown): unknown {
    if (sqliteCodeOf(error) === "SQLITE_FULL") return sqliteError(this.#what, error);
    this.#fail("its disk failed; restart", error);
    return outcomeUnknown(this.#what, error);
  }

  #fail(why: string, cause: unknown): void {
    this.#failure = unavailable(this.#what, why, cause);
    this.#onFailure(this.#failure);
  }

  #migrate(migrations: readonly string[]): void {
    const version = Number(this.#connection.prepare("PRAGMA user_version").rows()[0]?.[0] ?? 0);
    if (version > migrations.length) {
      throw precondition(
        "DATABASE_TOO_NEW",
        `the ${this.#what} is of a later release: schema ${version}, known is ${migrations.length}`,
        { what: this.#what, version: String(version), known: String(migrations.length) },
      );
    }
    for (const [index, sql] of migrations.entries()) {
      if (index < version) continue;
      this.transact(() => {
        this.#connection.exec(sql);
        this.#connection.exec(`PRAGMA user_version = ${index + 1}`);
      });
    }
  }
}

function connect(options: ExclusiveDatabaseOptions): SqlConnection {
  const { directory, what } = options;
  try {
    mkdirSync(directory, { recursive: true });
    return (options.connect ?? connectSqlite)(join(directory, `${what}.db`));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw unavailable(what, `cannot open ${directory}: ${why}`, error);
  }
}

/**
 * Exclusive mode before WAL: the index of the log is then kept in memory, and the lock until close.
 */
function takeOwnership(connection: SqlConnection): void {
  connection.exec("PRAGMA locking_mode = EXCLUSIVE");
  connection.exec("PRAGMA journal_mode = WAL");
  connection.exec("PRAGMA synchronous = FULL");
  connection.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  connection.exec("BEGIN EXCLUSIVE; COMMIT");
}

/**
 * libsql closes the file only when the last statement is collected as garbage, so the lock is given
 * back by leaving WAL, which is the only way out of exclusive mode.
 */
function letGo(connection: SqlConnection): void {
  try {
    connection.exec("PRAGMA journal_mode = DELETE");
    connection.exec("PRAGMA locking_mode = NORMAL");
    connection.prepare("SELECT count(*) FROM sqlite_schema").rows();
  } catch {
    // What was committed is safe in the log; the lock ends with the process.
  }
}

function inUse(directory: string, what: string): unknown {
  let owner = "another process";
  try {
    owner = readFileSync(join(directory, HOLDER_FILE), "utf8").trim();
  } catch {
    // The owner has not written its name yet.
  }
  return precondition("DATABASE_IN_USE", `the ${what} in ${directory} is in use by ${owner}`, {
    what,
    directory,
    owner,
  });
}
