/**
 * What every store's watchers and snapshots must do (ports/state-store.ts, S6). Part of the state
 * store contract.
 */
import { describe, expect, it } from "vitest";
import type { RecordKey } from "../../domain/record-keys.js";
import type { CommitResult, StoreSnapshot, Transaction } from "../../ports/state-store.js";
import { aProject, aTransaction } from "../builders.js";
import { forEachSeedAsync, type Prng } from "../prng.js";
import {
  collect,
  key,
  type OpenStore,
  put,
  raise,
  revisionOf,
  StoreBench,
  type Told,
} from "./store-bench.js";

const CHANGES_KEPT_MAX = 10_000;
/** Few enough that a test can outrun them. */
const KEPT = 8;

export function describeWatching(name: string, open: OpenStore): void {
  describe(`state store contract, watching: ${name}`, () => {
    const bench = new StoreBench(open, CHANGES_KEPT_MAX);
    describe("S6: changes", () => yieldsChanges(bench));
    describe("S6: ends of a watch", () => endsWatching(bench));
    describe("snapshots", () => snapshotsAreConsistent(bench));
  });
  describe(`state store contract, compaction: ${name}`, () => compacts(new StoreBench(open, KEPT)));
}

function yieldsChanges(bench: StoreBench): void {
  it("yields every commit after a revision, in order, with time and content", async () => {
    await bench.commit(put("a"));
    await bench.clock.advance(5);
    await bench.commit({ ...put("b"), deletes: [key("a")] });
    const startMs = bench.clock.nowMs() - 5;
    const a = { key: key("a"), value: aProject({ id: "a" }) };
    const b = { key: key("b"), value: aProject({ id: "b" }) };
    const gone = { key: key("a"), value: undefined };
    const first = { revision: 1, atMs: startMs, changes: [a] };
    const second = { revision: 2, atMs: startMs + 5, changes: [b, gone] };
    expect(await bench.take(0, 2)).toEqual([first, second]);
    expect(await bench.take(1, 1)).toEqual([second]);
  });

  it("yields commits without changes too, so that revisions have no gap", async () => {
    await bench.commit({ counters: [raise("c", 1)] });
    await bench.commit(put("a"));
    expect(await bench.takeRevisions(0, 2)).toEqual([1, 2]);
  });

  it("waits for commits that come later, and lets each watcher see all", async () => {
    const watchers = [bench.takeRevisions(0, 3), bench.takeRevisions(0, 2)];
    for (const name of ["a", "b", "c"]) await bench.commit(put(name));
    expect(await Promise.all(watchers)).toEqual([
      [1, 2, 3],
      [1, 2],
    ]);
  });

  it("yields thousands of commits to a watcher that begins at zero", async () => {
    const transactions = Array.from({ length: 3000 }, () => aTransaction(put("a")));
    await bench.store.commitAll(transactions);
    const seen = await bench.take(0, 3000);
    expect(seen.map(revisionOf)).toEqual(Array.from({ length: 3000 }, (_, index) => index + 1));
  });
}

function endsWatching(bench: StoreBench): void {
  it("ends when the signal aborts while it waits", async () => {
    const abort = new AbortController();
    const watching = collect(bench.store.changes(0, abort.signal));
    await bench.commit(put("a"));
    abort.abort();
    expect((await watching).length).toBeLessThanOrEqual(1);
  });

  it("ends at once when the signal has aborted already", async () => {
    await bench.commit(put("a"));
    expect(await collect(bench.store.changes(0, AbortSignal.abort()))).toEqual([]);
  });

  it("resumes where it was left, across opening again", async () => {
    for (const name of ["a", "b"]) await bench.commit(put(name));
    const [first] = await bench.take(0, 1);
    await bench.subject.reopen();
    await bench.commit(put("c"));
    expect(await bench.takeRevisions(revisionOf(first), 2)).toEqual([2, 3]);
  });

  it("says compacted to a watcher from the future, which followed another store", async () => {
    await bench.commit(put("a"));
    expect(await bench.take(2, 1)).toEqual(["compacted"]);
  });
}

function compacts(bench: StoreBench): void {
  it("keeps at least what was promised, and says where changes can start", async () => {
    expect(await bench.store.oldestRevision()).toBe(0);
    for (let revision = 1; revision <= 5 * KEPT; revision += 1) {
      await bench.commit(put("a"));
      const oldest = await bench.store.oldestRevision();
      expect(oldest).toBeLessThanOrEqual(Math.max(0, revision - KEPT));
      expect(await bench.takeRevisions(oldest, 1)).toEqual([oldest + 1]);
      if (oldest > 0) expect(await bench.take(oldest - 1, 1)).toEqual(["compacted"]);
    }
    expect(await bench.store.oldestRevision()).toBeGreaterThan(0);
  });

  it("tells a watcher that fell too far behind instead of leaving a gap", async () => {
    const abort = new AbortController();
    const changes = bench.store.changes(0, abort.signal)[Symbol.asyncIterator]();
    await bench.commit(put("a"));
    expect((await changes.next()).value).toMatchObject({ revision: 1 });
    await bench.commitTimes(5 * KEPT);
    expect((await changes.next()).value).toBe("compacted");
    expect((await changes.next()).done).toBe(true);
  });

  it("can start where it said also after it was opened again", async () => {
    await bench.commitTimes(5 * KEPT);
    await bench.subject.reopen();
    const oldest = await bench.store.oldestRevision();
    expect(await bench.takeRevisions(oldest, 1)).toEqual([oldest + 1]);
  });
}

function snapshotsAreConsistent(bench: StoreBench): void {
  it("is of one revision while commits go on", async () => {
    await bench.commit(put("x", "y"));
    const commits: Promise<CommitResult>[] = [];
    const snapshots: Promise<StoreSnapshot>[] = [];
    for (let count = 0; count < 50; count += 1) {
      commits.push(bench.commit({ ...put("x", "y"), counters: [raise("c", 1)] }));
      snapshots.push(bench.store.snapshot());
    }
    await Promise.all(commits);
    for (const { revision, records, counters: sums } of await Promise.all(snapshots)) {
      expect(new Set(records.map((each) => each.revision))).toEqual(new Set([revision]));
      expect(sums.get("c") ?? 0).toBe(revision - 1);
    }
  });

  it("plus the changes after it is the store, from any revision on", async () => {
    await forEachSeedAsync(10, async (prng) => {
      const start = (await bench.store.snapshot()).revision;
      await commitRandomly(bench, prng);
      const middle = await bench.store.snapshot();
      await commitRandomly(bench, prng);
      const end = await bench.store.snapshot();
      expect(middle.revision).toBeGreaterThan(start);
      const changes = await bench.take(middle.revision, end.revision - middle.revision);
      expect(replay(middle, changes)).toEqual(byKey(end));
    });
  });
}

async function commitRandomly(bench: StoreBench, prng: Prng): Promise<void> {
  for (let count = 0; count < 30; count += 1) await bench.commit(randomTransaction(prng));
}

function randomTransaction(prng: Prng): Partial<Transaction> {
  const names = prng.shuffle(["a", "b", "c", "d", "e"]);
  const puts = put(...names.slice(0, prng.integer(0, 2)));
  const deletes = names.slice(3, 3 + prng.integer(0, 2)).map(key);
  return { ...puts, deletes, counters: [raise("c", prng.integer(-3, 3), 10)] };
}

function byKey({ records }: StoreSnapshot): Map<RecordKey, unknown> {
  return new Map(records.map((each) => [each.key, each.revision]));
}

function replay(from: StoreSnapshot, batches: readonly Told[]): Map<RecordKey, unknown> {
  const state = byKey(from);
  for (const batch of batches) {
    if (batch === "compacted") throw new Error("compacted although everything is kept");
    for (const change of batch.changes) {
      if (change.value === undefined) state.delete(change.key);
      else state.set(change.key, batch.revision);
    }
  }
  return state;
}
