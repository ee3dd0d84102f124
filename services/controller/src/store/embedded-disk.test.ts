/** What the embedded store does when its disk, its directory or its file is not as it should be. */
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChangeBatch, Transaction } from "@innkeeper/core";
import { connectSqlite, type SqlConnection } from "@innkeeper/core/platform/sqlite";
import { aProject, aTransaction, FakeClock } from "@innkeeper/core/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createEmbeddedLeaderLease } from "./embedded-leader-lease.js";
import { createEmbeddedStore, type EmbeddedStateStore } from "./embedded-state-store.js";

let directory: string;
let disk: FailingDisk;
let opened: EmbeddedStateStore[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "innkeeper-disk-"));
  disk = new FailingDisk();
  opened = [];
});

afterEach(async () => {
  disk.failures.clear();
  for (const store of opened) await store.close();
  await rm(directory, { recursive: true, force: true });
});

describe("a disk that refuses a write", () => {
  it.each([
    ["while rows are written", "INSERT INTO changes", "SQLITE_IOERR"],
    ["because it is full, while rows are written", "INSERT INTO records", "SQLITE_FULL"],
    ["because it is full, at the commit", "COMMIT", "SQLITE_FULL"],
    ["before anything is written", "BEGIN IMMEDIATE", "SQLITE_IOERR"],
  ])(
    "%s: nothing is done, everyone in the group hears of it, the next group works",
    async (_, sql, code) => {
      const store = open();
      await store.commit(aTransaction({ ...put("a"), counters: [raise("c", 1)] }));
      const before = await store.snapshot();
      disk.failures.set(sql, code);
      const request = { id: "r", body: "b", answer: "x" };
      const group = [put("b"), put("a"), { counters: [raise("c", 1)], request }].map((parts) =>
        store.commit(aTransaction(parts)),
      );
      for (const result of await Promise.allSettled(group)) {
        expect(result).toMatchObject({ status: "rejected", reason: { kind: "unavailable" } });
      }
      expect(await store.snapshot()).toEqual(before);
      disk.failures.clear();
      expect(await store.commit(aTransaction({ ...put("a"), request }))).toMatchObject({
        revision: 2,
        replayedAnswer: undefined,
      });
      expect(await changesOf(store, 2)).toEqual([1, 2]);
    },
  );

  it("does not raise the leader epoch that it could not write", async () => {
    const store = open();
    const lease = createEmbeddedLeaderLease(store);
    disk.failures.set("COMMIT", "SQLITE_FULL");
    await expect(lease.acquire("one", 1000)).rejects.toMatchObject({ kind: "unavailable" });
    disk.failures.clear();
    expect(await lease.acquire("two", 1000)).toEqual({ holderId: "two", epoch: 1 });
  });
});

describe("a disk that fails during a commit", () => {
  it("says that the outcome is unknown, then refuses all until it is opened again", async () => {
    const store = open();
    await store.commit(aTransaction(put("a")));
    disk.failures.set("COMMIT", "SQLITE_IOERR_FSYNC");
    await expect(store.commit(aTransaction(put("b")))).rejects.toMatchObject({
      kind: "timeout",
      reason: "OUTCOME_UNKNOWN",
    });
    disk.failures.clear();
    await expect(store.commit(aTransaction(put("c")))).rejects.toMatchObject({
      kind: "unavailable",
    });
    await expect(store.snapshot()).rejects.toMatchObject({ kind: "unavailable" });
    const again = await restarted();
    const { revision, records } = await again.snapshot();
    expect([1, 2]).toContain(revision);
    expect(records.map((each) => each.key)).toEqual(["project/a", "project/b"].slice(0, revision));
  });

  it("refuses everything when it cannot even be rolled back", async () => {
    const store = open();
    disk.failures.set("INSERT INTO changes", "SQLITE_IOERR");
    disk.failures.set("ROLLBACK", "SQLITE_IOERR");
    await expect(store.commit(aTransaction(put("a")))).rejects.toMatchObject({
      kind: "unavailable",
    });
    disk.failures.clear();
    await expect(store.commit(aTransaction(put("a")))).rejects.toMatchObject({
      kind: "unavailable",
    });
  });
});

it("fails a value that cannot be stored alone, not its neighbours in the group", async () => {
  const store = open();
  const circular: Record<string, unknown> = {};
  circular["self"] = circular;
  const value = { ...aProject({ id: "b" }), ...circular };
  const results = await Promise.allSettled([
    store.commit(aTransaction(put("a"))),
    store.commit(aTransaction({ puts: [{ key: "project/b", value }] })),
    store.commit(aTransaction(put("c"))),
  ]);
  expect(results.map((each) => each.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect((await store.snapshot()).records.map((each) => each.key)).toEqual([
    "project/a",
    "project/c",
  ]);
});

describe("opening", () => {
  it("refuses a directory that is in use and names its owner", () => {
    open();
    expect(open).toThrow(
      expect.objectContaining({
        kind: "precondition",
        reason: "DATABASE_IN_USE",
        message: expect.stringContaining(`process ${process.pid}`),
      }),
    );
  });

  it("refuses a file of a later release", async () => {
    await damage("PRAGMA user_version = 99");
    expect(open).toThrow(expect.objectContaining({ reason: "DATABASE_TOO_NEW" }));
  });

  it("refuses a file that is no database", async () => {
    await writeFile(join(directory, "store.db"), "no database at all, just text\n".repeat(500));
    expect(open).toThrow(expect.objectContaining({ kind: "corrupt" }));
  });

  it("refuses a log that contradicts the revision", async () => {
    await damage("UPDATE store SET revision = 7");
    expect(open).toThrow(expect.objectContaining({ kind: "corrupt", reason: "RECORD_CORRUPT" }));
  });

  it("says unavailable when the directory cannot be made", () => {
    const openNowhere = (): unknown =>
      createEmbeddedStore({
        directory: "/dev/null/store",
        clock: new FakeClock(),
        changesKeptMax: 1,
      });
    expect(openNowhere).toThrow(expect.objectContaining({ kind: "unavailable" }));
  });
});

describe("a damaged row", () => {
  it.each([
    ["no JSON", "{", "not JSON"],
    ["of an unknown version", '{"schema_version":99,"value":{}}', "99"],
    ["without a value", '{"schema_version":1}', "no value"],
  ])("that is %s is named by its key in a snapshot", async (_, text, why) => {
    await damage(`UPDATE records SET value = '${text}'`);
    await expect(open().snapshot()).rejects.toMatchObject({
      kind: "corrupt",
      metadata: { key: "project/a", why: expect.stringContaining(why) },
    });
  });

  it("of the change log is named by its revision", async () => {
    await damage("UPDATE changes SET batch = '7'");
    await expect(changesOf(open(), 1)).rejects.toMatchObject({
      kind: "corrupt",
      metadata: { key: "change/1" },
    });
  });
});

/** Passes everything on, and fails statements that begin with a listed text. */
class FailingDisk {
  readonly failures = new Map<string, string>();

  connect(path: string): SqlConnection {
    const connection = connectSqlite(path);
    const check = (sql: string): void => this.#check(sql);
    return {
      get inTransaction() {
        return connection.inTransaction;
      },
      exec: (sql) => {
        check(sql);
        connection.exec(sql);
      },
      prepare: (sql) => {
        const statement = connection.prepare(sql);
        return {
          rows: (...values) => statement.rows(...values),
          run: (...values) => {
            check(sql);
            statement.run(...values);
          },
        };
      },
      close: () => connection.close(),
    };
  }

  #check(sql: string): void {
    for (const [start, code] of this.failures) {
      if (sql.startsWith(start)) throw Object.assign(new Error("the disk failed"), { code });
    }
  }
}

function open(): EmbeddedStateStore {
  const connect = (path: string): SqlConnection => disk.connect(path);
  const clock = new FakeClock();
  const store = createEmbeddedStore({ directory, clock, changesKeptMax: 100, connect });
  opened.push(store);
  return store;
}

/** The store as the next process finds it: the lock of this one ends with the process only. */
async function restarted(): Promise<EmbeddedStateStore> {
  const left = directory;
  directory = await mkdtemp(join(tmpdir(), "innkeeper-disk-"));
  await cp(left, directory, { recursive: true });
  await rm(left, { recursive: true });
  return open();
}

/** Writes one record, then something wrong behind the store's back. */
async function damage(sql: string): Promise<void> {
  const store = open();
  await store.commit(aTransaction(put("a")));
  await store.close();
  const connection = connectSqlite(join(directory, "store.db"));
  connection.exec(sql);
  connection.close();
}

function put(id: string): Pick<Transaction, "puts"> {
  return { puts: [{ key: `project/${id}`, value: aProject({ id }) }] };
}

function raise(key: string, delta: number): Transaction["counters"][number] {
  return { key, delta, max: undefined };
}

async function changesOf(store: EmbeddedStateStore, count: number): Promise<readonly number[]> {
  const seen: ChangeBatch[] = [];
  for await (const batch of store.changes(0, new AbortController().signal)) {
    if (batch !== "compacted") seen.push(batch);
    if (seen.length === count) break;
  }
  return seen.map((each) => each.revision);
}
