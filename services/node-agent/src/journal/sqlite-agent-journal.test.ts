import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectSqlite, type SqlConnection } from "@innkeeper/core/platform/sqlite";
import { aJournalEntry } from "@innkeeper/core/testing";
import { agentJournalContract } from "@innkeeper/core/testing/contracts/agent-journal.contract";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createSqliteAgentJournal } from "./sqlite-agent-journal.js";

agentJournalContract("SQLite", async () => {
  const directory = await mkdtemp(join(tmpdir(), "innkeeper-journal-"));
  let journal = createSqliteAgentJournal({ directory });
  return {
    get journal() {
      return journal;
    },
    reopen: async () => {
      await journal.close();
      journal = createSqliteAgentJournal({ directory });
    },
    close: async () => {
      await journal.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
});

describe("the SQLite journal on its disk", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "innkeeper-journal-"));
  });
  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  it("refuses a second owner and names the first", async () => {
    const journal = createSqliteAgentJournal({ directory });
    expect(() => createSqliteAgentJournal({ directory })).toThrow(
      expect.objectContaining({ kind: "precondition", reason: "DATABASE_IN_USE" }),
    );
    await journal.close();
    await createSqliteAgentJournal({ directory }).close();
  });

  it("does not acknowledge what the full disk did not take", async () => {
    let isFull = false;
    const connect = (path: string): SqlConnection => fullWhen(() => isFull, connectSqlite(path));
    const journal = createSqliteAgentJournal({ directory, connect });
    isFull = true;
    await expect(journal.put([aJournalEntry()])).rejects.toMatchObject({ kind: "unavailable" });
    isFull = false;
    expect((await journal.load()).entries).toEqual([]);
    await journal.put([aJournalEntry()]);
    expect((await journal.load()).entries).toHaveLength(1);
    await journal.close();
  });

  it("stops at an entry that does not parse and names its guest", async () => {
    const journal = createSqliteAgentJournal({ directory });
    await journal.put([aJournalEntry()]);
    await journal.close();
    const connection = connectSqlite(join(directory, "journal.db"));
    connection.exec("UPDATE entries SET value = '{'");
    connection.close();
    const damaged = createSqliteAgentJournal({ directory });
    await expect(damaged.load()).rejects.toMatchObject({
      kind: "corrupt",
      message: expect.stringContaining(aJournalEntry().assignment.guestUid),
    });
    await damaged.close();
  });
});

function fullWhen(isFull: () => boolean, connection: SqlConnection): SqlConnection {
  return {
    get inTransaction() {
      return connection.inTransaction;
    },
    exec: (sql) => {
      if (isFull() && sql === "COMMIT") {
        throw Object.assign(new Error("database or disk is full"), { code: "SQLITE_FULL" });
      }
      connection.exec(sql);
    },
    prepare: (sql) => connection.prepare(sql),
    close: () => connection.close(),
  };
}
