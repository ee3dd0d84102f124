/** Events from the store alone, and from the store with an event log behind it. */
import type { EventBatch, EventHistory, Revision } from "@innkeeper/core";
import { unavailable } from "@innkeeper/core";
import {
  aProject,
  aTransaction,
  FakeClock,
  MemoryDisk,
  MemoryEventLog,
  MemoryStateStore,
} from "@innkeeper/core/testing";
import { eventHistoryContract } from "@innkeeper/core/testing/contracts/event-log.contract";
import { expect, it } from "vitest";
import { describeBatch } from "./describe-batch.js";
import { EventFeed } from "./event-feed.js";
import { StoreEventHistory } from "./store-event-history.js";

const KEPT = 1_000;

eventHistoryContract("store", async () => {
  const bench = new Bench(KEPT);
  return {
    history: new StoreEventHistory(bench.store, bench.newest),
    tell: async (commits) => await bench.tell(commits),
    age: async () => await bench.tell(Array.from({ length: 2 * KEPT }, () => ["e"])),
    close: async () => await bench.store.close(),
  };
});

eventHistoryContract("store with an event log", async () => {
  const bench = new Bench(3);
  const log = new MemoryEventLog();
  return {
    history: historyOf(bench, log),
    tell: async (commits) => {
      for (const commit of commits) {
        await bench.tell([commit]);
        await bench.relay(log);
      }
    },
    age: async () => {
      await bench.tell(Array.from({ length: 10 }, () => []));
      log.forgetAllBut(2);
    },
    close: async () => await bench.store.close(),
  };
});

it("follows from the event log into the store's own log, each commit once", async () => {
  const bench = new Bench(2);
  const log = new MemoryEventLog();
  await tellAndRelay(bench, log, 700);
  const abort = new AbortController();
  const seen: Revision[] = [];
  for await (const batch of feed(bench, log).follow(3, abort.signal)) {
    if (batch === "compacted") throw new Error("compacted");
    seen.push(batch.revision);
    if (batch.revision === 700) await bench.tell([["new"]]);
    if (batch.revision === 701) abort.abort();
  }
  expect(seen).toEqual(Array.from({ length: 698 }, (_, index) => index + 4));
});

it("says compacted when neither log reaches back far enough", async () => {
  const bench = new Bench(2);
  const log = new MemoryEventLog();
  await tellAndRelay(bench, log, 50);
  log.forgetAllBut(10);
  expect(await collected(feed(bench, log), 5)).toEqual(["compacted"]);
  expect(await collected(feed(bench, undefined), 5)).toEqual(["compacted"]);
});

it("says compacted to a watcher from the future, which followed another store", async () => {
  const bench = new Bench(10);
  await bench.tell([["a"]]);
  expect(await collected(feed(bench, new MemoryEventLog()), 2)).toEqual(["compacted"]);
});

it("needs no event log for what the store still keeps", async () => {
  const bench = new Bench(100);
  await bench.tell([["a"], ["b"], ["c"]]);
  const away = historyOf(bench, AWAY);
  expect(await away.read(0, 1)).toMatchObject({ lastRevision: 1 });
  expect(await away.read(1, 9)).toMatchObject({ lastRevision: 3 });
});

it("says that the event log is away to who needs it", async () => {
  const bench = new Bench(2);
  await bench.tell(Array.from({ length: 20 }, () => ["a"]));
  await expect(historyOf(bench, AWAY).read(3, 9)).rejects.toMatchObject({ kind: "unavailable" });
});

const AWAY: EventHistory = {
  read: () => Promise.reject(unavailable("nats", "not connected")),
  oldestRevision: () => Promise.reject(unavailable("nats", "not connected")),
};

class Bench {
  readonly store: MemoryStateStore;
  #revision = 0;

  constructor(changesKeptMax: number) {
    const disk = new MemoryDisk({ changesKeptMax });
    this.store = new MemoryStateStore({ disk, clock: new FakeClock() });
  }

  readonly newest = (): Revision => this.#revision;

  async tell(commits: readonly (readonly string[])[]): Promise<void> {
    for (const ids of commits) {
      const puts = ids.map((id) => ({ key: `project/${id}` as const, value: aProject({ id }) }));
      const result = await this.store.commit(aTransaction({ puts }));
      if (result.isCommitted) this.#revision = result.revision;
    }
  }

  /** Appends the newest commit. */
  async relay(log: MemoryEventLog): Promise<void> {
    const abort = new AbortController();
    for await (const batch of this.store.changes(this.#revision - 1, abort.signal)) {
      if (batch === "compacted") throw new Error("compacted");
      const events = describeBatch(batch);
      const after = await log.newestRevision();
      const batches = events.length > 0 ? [{ revision: batch.revision, events }] : [];
      await log.append({ after, batches });
      break;
    }
  }
}

async function tellAndRelay(bench: Bench, log: MemoryEventLog, commits: number): Promise<void> {
  for (let count = 1; count <= commits; count += 1) {
    await bench.tell([[`p-${count}`]]);
    await bench.relay(log);
  }
}

function feed(bench: Bench, log: EventHistory | undefined): EventFeed {
  return new EventFeed({ store: bench.store, newestRevision: bench.newest, log });
}

function historyOf(bench: Bench, log: EventHistory): EventHistory {
  const merged = feed(bench, log);
  return {
    read: (after, eventsMax) => merged.read(after, eventsMax),
    oldestRevision: () => log.oldestRevision(),
  };
}

async function collected(from: EventFeed, after: Revision): Promise<(EventBatch | "compacted")[]> {
  const found: (EventBatch | "compacted")[] = [];
  for await (const each of from.follow(after, new AbortController().signal)) found.push(each);
  return found;
}
