/**
 * The agent's journal on SQLite, in a directory that this agent alone owns. What is put in one turn
 * of the event loop shares one disk sync.
 *
 * J1, J2 see the port. J3 A row that does not parse stops the agent, naming its key: guessing what
 * runs here is worse.
 */
import { type AgentJournal, corruptRecord, type JournalEntry, parseStored } from "@innkeeper/core";
import { GroupCommit } from "@innkeeper/core/platform";
import {
  ExclusiveDatabase,
  type SqlConnection,
  type SqlRow,
} from "@innkeeper/core/platform/sqlite";

const GROUP_WRITES_MAX = 1024;
/** Bumped when the stored shape changes in a way that needs a migration. */
const ENTRY_SCHEMA_VERSION = 1;

const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE agent (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    leader_epoch INTEGER NOT NULL
  ) STRICT;
  INSERT INTO agent VALUES (1, 0);
  CREATE TABLE entries (
    guest_uid TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT;
  `,
];

export interface SqliteAgentJournalOptions {
  /** Made if it is not there. One process owns it as long as the journal is open. */
  readonly directory: string;
  /** For tests that let the disk fail. */
  readonly connect?: (path: string) => SqlConnection;
}

/**
 * @throws `precondition` naming the owner when the directory is in use; `corrupt`; `unavailable`.
 */
export function createSqliteAgentJournal(options: SqliteAgentJournalOptions): AgentJournal {
  return new SqliteAgentJournal(
    ExclusiveDatabase.open({ ...options, what: "journal", migrations: MIGRATIONS }),
  );
}

/** One statement to run in the next group. */
type Write = () => void;

class SqliteAgentJournal implements AgentJournal {
  readonly #database: ExclusiveDatabase;
  readonly #statements: ReturnType<typeof prepareAll>;
  readonly #groups: GroupCommit<Write, undefined>;

  constructor(database: ExclusiveDatabase) {
    this.#database = database;
    this.#statements = prepareAll(database);
    this.#groups = new GroupCommit({
      what: "journal",
      itemsMax: GROUP_WRITES_MAX,
      write: (group) => this.#writeGroup(group),
    });
  }

  load(): ReturnType<AgentJournal["load"]> {
    return new Promise((resolve) => {
      const [agent, rows] = this.#database.read(() => [
        this.#statements.readAgent.rows()[0],
        this.#statements.readEntries.rows(),
      ]);
      resolve({ leaderEpoch: Number(agent?.[0] ?? 0), entries: rows.map(decodeEntry) });
    });
  }

  async put(entries: readonly JournalEntry[]): Promise<void> {
    const rows = entries.map((entry) => ({
      guestUid: entry.assignment.guestUid,
      text: JSON.stringify({ schema_version: ENTRY_SCHEMA_VERSION, value: entry }),
    }));
    await this.#groups.submit(
      rows.map(
        ({ guestUid, text }) =>
          () =>
            this.#statements.writeEntry.run(guestUid, text),
      ),
    );
  }

  async putLeaderEpoch(leaderEpoch: number): Promise<void> {
    await this.#groups.submit([() => this.#statements.raiseLeaderEpoch.run(leaderEpoch)]);
  }

  async drop(guestUids: readonly string[]): Promise<void> {
    await this.#groups.submit(guestUids.map((uid) => () => this.#statements.dropEntry.run(uid)));
  }

  /** Writes what has been asked for and frees the directory. Idempotent. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#groups.close();
      this.#database.close();
      resolve();
    });
  }

  #writeGroup(group: readonly Write[]): readonly undefined[] {
    if (group.length > 0) {
      this.#database.transact(() => {
        for (const write of group) write();
      });
    }
    return group.map(() => undefined);
  }
}

function prepareAll(database: ExclusiveDatabase) {
  const sql = (text: string) => database.prepare(text);
  return {
    readAgent: sql("SELECT leader_epoch FROM agent"),
    readEntries: sql("SELECT guest_uid, value FROM entries ORDER BY guest_uid"),
    writeEntry: sql(
      `INSERT INTO entries VALUES (?, ?)
        ON CONFLICT (guest_uid) DO UPDATE SET value = excluded.value`,
    ),
    dropEntry: sql("DELETE FROM entries WHERE guest_uid = ?"),
    raiseLeaderEpoch: sql("UPDATE agent SET leader_epoch = max(leader_epoch, ?)"),
  };
}

/** Parsed, not validated field by field: only this file writes these rows. */
function decodeEntry([key, text]: SqlRow): JournalEntry {
  const where = `journal/${String(key)}`;
  const stored = parseStored(where, String(text));
  if (!isObject(stored)) throw corruptRecord(where, "it is not a journal entry");
  if (stored["schema_version"] !== ENTRY_SCHEMA_VERSION) {
    throw corruptRecord(where, `schema version ${String(stored["schema_version"])} is not known`);
  }
  const { value } = stored;
  if (!isObject(value) || !isObject(value["assignment"])) {
    throw corruptRecord(where, "it has no assignment");
  }
  if (value["assignment"]["guestUid"] !== key) {
    throw corruptRecord(where, "it is the entry of another guest");
  }
  return value as unknown as JournalEntry;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
