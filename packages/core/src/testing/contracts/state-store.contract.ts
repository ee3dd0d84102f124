/**
 * What every store must do (ports/state-store.ts, S1 to S5; S6 stands in
 * `store-watch.contract.ts`). Each implementation runs this suite with its own `open`. Time comes
 * from a `FakeClock`, so that 24 hours pass at once.
 */
import { describe, expect, it } from "vitest";
import type { Transaction } from "../../ports/state-store.js";
import { aProject, aTransaction } from "../builders.js";
import {
  collect,
  committed,
  key,
  type OpenStore,
  put,
  raise,
  refused,
  StoreBench,
} from "./store-bench.js";
import { describeWatching } from "./store-watch.contract.js";

const DAY_MS = 24 * 60 * 60 * 1000;
const CHANGES_KEPT_MAX = 10_000;

export function stateStoreContract(name: string, open: OpenStore): void {
  describe(`state store contract: ${name}`, () => {
    const bench = new StoreBench(open, CHANGES_KEPT_MAX);
    describe("S1: all or nothing", () => commitsAreAtomic(bench));
    describe("S1: checks", () => checksRefuse(bench));
    describe("S1: groups", () => groupsKeepOrder(bench));
    describe("S2: durability", () => survivesReopening(bench));
    describe("S3: fencing", () => fencesOldLeaders(bench));
    describe("S4: counters", () => boundsCounters(bench));
    describe("S5: request ids", () => remembersRequests(bench));
    describe("S5: expiry", () => forgetsRequests(bench));
    describe("values", () => keepsValues(bench));
    describe("closing", () => endsCleanly(bench));
  });
  describeWatching(name, open);
}

function commitsAreAtomic(bench: StoreBench): void {
  it("gives each commit the next revision", async () => {
    expect(await bench.commit(put("a"))).toEqual(committed(1));
    expect(await bench.commit(put("b"))).toEqual(committed(2));
    expect(await bench.commit({})).toEqual(committed(3));
    expect((await bench.store.snapshot()).revision).toBe(3);
  });

  it("shows a record with the revision of the commit that wrote it last", async () => {
    await bench.commit(put("a", "b"));
    await bench.commit(put("b"));
    expect(await bench.revisions()).toEqual({ "project/a": 1, "project/b": 2 });
  });

  it("does puts, deletes and counters of one transaction together", async () => {
    await bench.commit(put("old"));
    await bench.commit({
      ...put("new"),
      deletes: [key("old")],
      counters: [{ key: "node/n1/memoryMib", delta: 5, max: undefined }],
    });
    expect(await bench.revisions()).toEqual({ "project/new": 2 });
    expect(await bench.counters()).toEqual({ "node/n1/memoryMib": 5 });
  });

  it("does nothing of a transaction that is refused", async () => {
    await bench.commit({ ...put("a"), counters: [raise("c", 1)] });
    const before = await bench.store.snapshot();
    const refused = await bench.commit({
      request: { id: "r", body: "b", answer: "x" },
      puts: put("a", "b").puts,
      deletes: [],
      counters: [raise("c", 1), raise("d", 2, 1)],
    });
    expect(refused.isCommitted).toBe(false);
    expect(await bench.store.snapshot()).toEqual(before);
    expect(await bench.store.findRequest("r")).toBeUndefined();
    expect(await bench.take(0, 1)).toHaveLength(1);
    expect(await bench.commit({})).toEqual(committed(2));
  });

  it("lets a deleted record be made again", async () => {
    await bench.commit(put("a"));
    await bench.commit({ deletes: [key("a")] });
    expect(await bench.revisions()).toEqual({});
    await bench.commit({ ...put("a"), checks: [{ key: key("a"), revision: "absent" }] });
    expect(await bench.revisions()).toEqual({ "project/a": 3 });
  });

  it("takes the deletion of a record that is not there as no error", async () => {
    expect(await bench.commit({ deletes: [key("ghost")] })).toEqual(committed(1));
  });

  it("rejects a transaction that puts one record twice: a bug of the caller", async () => {
    await expect(bench.commit(put("a", "a"))).rejects.toThrow("at most once");
    expect(await bench.revisions()).toEqual({});
  });
}

function checksRefuse(bench: StoreBench): void {
  it("refuses a stale revision and names the present one", async () => {
    await bench.commit(put("a"));
    await bench.commit(put("a"));
    const result = await bench.commit({ ...put("a"), checks: [{ key: key("a"), revision: 1 }] });
    expect(result).toEqual(refused({ why: "check", key: key("a"), actual: 2 }));
    expect(await bench.commit({ ...put("a"), checks: [{ key: key("a"), revision: 2 }] })).toEqual(
      committed(3),
    );
  });

  it("refuses when a record is absent that must be there", async () => {
    const result = await bench.commit({ checks: [{ key: key("a"), revision: 7 }] });
    expect(result).toEqual(refused({ why: "check", key: key("a"), actual: "absent" }));
  });

  it("refuses when a record is there that must be absent", async () => {
    await bench.commit(put("a"));
    const result = await bench.commit({ checks: [{ key: key("a"), revision: "absent" }] });
    expect(result).toEqual(refused({ why: "check", key: key("a"), actual: 1 }));
  });

  it("names the first check that fails", async () => {
    await bench.commit(put("a"));
    const checks = [
      { key: key("a"), revision: 1 },
      { key: key("c"), revision: 2 },
      { key: key("b"), revision: 2 },
    ];
    const result = await bench.commit({ checks });
    expect(result).toEqual(refused({ why: "check", key: key("c"), actual: "absent" }));
  });

  it("lets exactly one of many concurrent writers win", async () => {
    const create = { ...put("a"), checks: [{ key: key("a"), revision: "absent" as const }] };
    const results = await Promise.all(Array.from({ length: 50 }, () => bench.commit(create)));
    expect(results.filter((each) => each.isCommitted)).toHaveLength(1);
    expect(await bench.revisions()).toEqual({ "project/a": 1 });
  });
}

function groupsKeepOrder(bench: StoreBench): void {
  it("applies the transactions of one group in order, later ones see earlier ones", async () => {
    const results = await bench.store.commitAll([
      aTransaction(put("a")),
      aTransaction({ ...put("a"), checks: [{ key: key("a"), revision: 1 }] }),
      aTransaction({ deletes: [key("a")], checks: [{ key: key("a"), revision: 2 }] }),
    ]);
    expect(results).toEqual([committed(1), committed(2), committed(3)]);
    expect(await bench.revisions()).toEqual({});
  });

  it("goes on after a refused member of a group", async () => {
    const results = await bench.store.commitAll([
      aTransaction({ ...put("a"), counters: [raise("c", 1, 1)] }),
      aTransaction({ ...put("b"), counters: [raise("c", 1, 1)] }),
      aTransaction({ ...put("d"), counters: [raise("c", -1)] }),
      aTransaction({ ...put("e"), counters: [raise("c", 1, 1)] }),
    ]);
    expect(results.map((each) => each.isCommitted)).toEqual([true, false, true, true]);
    expect(await bench.revisions()).toEqual({ "project/a": 1, "project/d": 2, "project/e": 3 });
    expect(await bench.counters()).toEqual({ c: 1 });
  });

  it("answers an empty group with nothing and makes no revision", async () => {
    expect(await bench.store.commitAll([])).toEqual([]);
    expect((await bench.store.snapshot()).revision).toBe(0);
  });

  it("keeps the order of groups asked for at once", async () => {
    const groups = Array.from({ length: 30 }, (_, index) =>
      bench.store.commitAll([aTransaction(put(`g${index}`)), aTransaction(put(`g${index}`))]),
    );
    const given = (await Promise.all(groups)).flat();
    expect(given).toEqual(Array.from({ length: 60 }, (_, index) => committed(index + 1)));
  });
}

function survivesReopening(bench: StoreBench): void {
  it("has records, counters, requests and changes after it was opened again", async () => {
    const request = { id: "r", body: "b", answer: "x" };
    await bench.commit({ ...put("a"), counters: [raise("c", 3)], request });
    await bench.commit({ ...put("b"), deletes: [key("a")] });
    const before = await bench.store.snapshot();
    const changes = await bench.take(0, 2);
    await bench.subject.reopen();
    expect(await bench.store.snapshot()).toEqual(before);
    expect(await bench.take(0, 2)).toEqual(changes);
    expect(await bench.store.findRequest("r")).toEqual(request);
    expect(await bench.commit({ request })).toEqual({ ...committed(1), replayedAnswer: "x" });
    expect(await bench.commit({})).toEqual(committed(3));
  });

  it("refuses deposed leaders after it was opened again", async () => {
    await bench.lease.acquire("one", 1000);
    const term = await bench.lease.acquire("one", 1000);
    await bench.subject.reopen();
    const epoch = term?.epoch ?? 0;
    const result = await bench.commit({ leaderEpoch: epoch - 1 });
    expect(result).toEqual(refused({ why: "fenced", leaderEpoch: epoch }));
    expect((await bench.commit({ leaderEpoch: epoch })).isCommitted).toBe(true);
  });
}

function fencesOldLeaders(bench: StoreBench): void {
  it("refuses a lower epoch than the highest granted, and nothing else of it is done", async () => {
    const first = await bench.lease.acquire("one", 1000);
    await bench.clock.advance(1000);
    const second = await bench.lease.acquire("two", 1000);
    const result = await bench.commit({ ...put("a"), leaderEpoch: first?.epoch ?? 0 });
    expect(result).toEqual(refused({ why: "fenced", leaderEpoch: second?.epoch ?? 0 }));
    expect(await bench.revisions()).toEqual({});
  });

  it("takes the present epoch, and transactions of nobody in particular", async () => {
    const term = await bench.lease.acquire("one", 1000);
    expect((await bench.commit({ ...put("a"), leaderEpoch: term?.epoch ?? 0 })).isCommitted).toBe(
      true,
    );
    expect((await bench.commit(put("b"))).isCommitted).toBe(true);
  });

  it("asks for the fence first, then the request id, then checks, then counters", async () => {
    const request = { id: "r", body: "b", answer: "x" };
    await bench.commit({ request });
    const old = (await bench.lease.acquire("one", 1000))?.epoch ?? 0;
    await bench.lease.acquire("one", 1000);
    const bad: Partial<Transaction> = {
      checks: [{ key: key("a"), revision: 9 }],
      counters: [raise("c", 2, 1)],
    };
    const all = { ...bad, leaderEpoch: old, request: { ...request, body: "other" } };
    expect(await bench.causeOf(all)).toBe("fenced");
    expect(await bench.causeOf({ ...bad, request: { ...request, body: "other" } })).toBe(
      "request-reused",
    );
    expect(await bench.causeOf(bad)).toBe("check");
    expect(await bench.causeOf({ ...bad, checks: [] })).toBe("counter");
  });
}

function boundsCounters(bench: StoreBench): void {
  it("raises up to the maximum and not beyond it", async () => {
    expect((await bench.commit({ counters: [raise("c", 3, 5)] })).isCommitted).toBe(true);
    expect((await bench.commit({ counters: [raise("c", 2, 5)] })).isCommitted).toBe(true);
    const cause = { why: "counter", key: "c", value: 5, delta: 1, max: 5 } as const;
    expect(await bench.commit({ counters: [raise("c", 1, 5)] })).toEqual(refused(cause));
    expect(await bench.counters()).toEqual({ c: 5 });
  });

  it("lowers always, even far above the maximum, and never below zero", async () => {
    await bench.commit({ counters: [raise("c", 100)] });
    expect((await bench.commit({ counters: [raise("c", -10, 5)] })).isCommitted).toBe(true);
    expect(await bench.counters()).toEqual({ c: 90 });
    await bench.commit({ counters: [raise("c", -500)] });
    expect(await bench.counters()).toEqual({});
    await bench.commit({ counters: [raise("c", 2)] });
    expect(await bench.counters()).toEqual({ c: 2 });
  });

  it("adds up several changes of one counter in their order", async () => {
    await bench.commit({ counters: [raise("c", 4)] });
    const swap = await bench.commit({ counters: [raise("c", -3), raise("c", 4, 5)] });
    expect(swap.isCommitted).toBe(true);
    expect(await bench.counters()).toEqual({ c: 5 });
    const cause = { why: "counter", key: "c", value: 5, delta: 4, max: 5 } as const;
    const wrongOrder = await bench.commit({ counters: [raise("c", 4, 5), raise("c", -4)] });
    expect(wrongOrder).toEqual(refused(cause));
  });

  it("lets exactly as many concurrent raises win as there is room for", async () => {
    const results = await Promise.all(
      Array.from({ length: 40 }, () => bench.commit({ counters: [raise("c", 3, 31)] })),
    );
    expect(results.filter((each) => each.isCommitted)).toHaveLength(10);
    expect(await bench.counters()).toEqual({ c: 30 });
  });

  it("counts up to the largest safe integer", async () => {
    await bench.commit({ counters: [raise("c", Number.MAX_SAFE_INTEGER)] });
    await bench.subject.reopen();
    expect(await bench.counters()).toEqual({ c: Number.MAX_SAFE_INTEGER });
  });
}

function remembersRequests(bench: StoreBench): void {
  const request = { id: "r1", body: '{"do":"it"}', answer: "done" };

  it("gives the first answer again and does nothing more", async () => {
    await bench.commit({ ...put("a"), request });
    await bench.commit(put("b"));
    const again = await bench.commit({ ...put("c"), request: { ...request, answer: "new" } });
    expect(again).toEqual({ isCommitted: true, revision: 1, replayedAnswer: "done" });
    expect(await bench.revisions()).toEqual({ "project/a": 1, "project/b": 2 });
  });

  it("gives the first answer even when the checks no longer hold", async () => {
    const create = { ...put("a"), checks: [{ key: key("a"), revision: "absent" as const }] };
    await bench.commit({ ...create, request });
    expect(await bench.commit({ ...create, request })).toMatchObject({ replayedAnswer: "done" });
  });

  it("refuses another body under a used id", async () => {
    await bench.commit({ request });
    const result = await bench.commit({ ...put("a"), request: { ...request, body: "other" } });
    expect(result).toEqual(refused({ why: "request-reused", requestId: "r1" }));
    expect(await bench.revisions()).toEqual({});
  });

  it("recognizes a repetition within one group, and among concurrent commits", async () => {
    const transaction = aTransaction({ counters: [raise("c", 1)], request });
    const group = await bench.store.commitAll([transaction, transaction]);
    const more = await Promise.all([bench.commit(transaction), bench.commit(transaction)]);
    const replays = [...group, ...more].map((each) => each.isCommitted && each.replayedAnswer);
    expect(replays).toEqual([undefined, "done", "done", "done"]);
    expect(await bench.counters()).toEqual({ c: 1 });
  });

  it("does not use up the id of a refused transaction", async () => {
    await bench.commit({ checks: [{ key: key("a"), revision: 1 }], request });
    expect(await bench.commit({ ...put("a"), request: { ...request, body: "else" } })).toEqual(
      committed(1),
    );
  });

  it("finds what an id was used for", async () => {
    expect(await bench.store.findRequest("r1")).toBeUndefined();
    await bench.commit({ request });
    expect(await bench.store.findRequest("r1")).toEqual(request);
  });

  it("keeps bodies and answers of any text", async () => {
    const odd = { id: "odd", body: 'a\u0000b"\\\n\u2028😀', answer: "\u0000" };
    await bench.commit({ request: odd });
    await bench.subject.reopen();
    expect(await bench.store.findRequest("odd")).toEqual(odd);
    expect(await bench.commit({ request: odd })).toMatchObject({ replayedAnswer: "\u0000" });
  });
}

function forgetsRequests(bench: StoreBench): void {
  const request = { id: "r1", body: "b", answer: "first" };

  it("remembers until a millisecond before 24 hours", async () => {
    await bench.commit({ request });
    await bench.clock.advance(DAY_MS - 1);
    expect(await bench.commit({ request })).toMatchObject({ replayedAnswer: "first" });
    expect(await bench.store.findRequest("r1")).toEqual(request);
  });

  it("lets the id be used anew after 24 hours, with another body, for 24 more", async () => {
    await bench.commit({ request });
    await bench.clock.advance(DAY_MS);
    expect(await bench.store.findRequest("r1")).toBeUndefined();
    const second = { id: "r1", body: "other", answer: "second" };
    expect(await bench.commit({ request: second })).toEqual(committed(2));
    await bench.clock.advance(DAY_MS - 1);
    expect(await bench.commit({ request: second })).toMatchObject({ replayedAnswer: "second" });
  });

  it("does not prolong the memory by repetitions", async () => {
    await bench.commit({ request });
    await bench.clock.advance(DAY_MS / 2);
    await bench.commit({ request });
    await bench.clock.advance(DAY_MS / 2);
    expect(await bench.commit({ request })).toEqual(committed(2));
  });
}

function keepsValues(bench: StoreBench): void {
  it.each([
    ["quotes, backslashes and control characters", 'a"b\\c\n\t\u0001'],
    ["a NUL character", "before\u0000after"],
    ["characters outside the basic plane and line separators", "😀 \u2028 \u2029 ä 漢"],
    ["half a surrogate pair", "\ud800"],
    ["text that looks like JSON or SQL", '"},{"x":"\'; DROP TABLE records; --'],
  ])("keeps %s as they are", async (_, text) => {
    const value = { ...aProject({ id: "a" }), note: text };
    await bench.commit({ puts: [{ key: key("a"), value }] });
    const [batch] = await bench.take(0, 1);
    await bench.subject.reopen();
    const [record] = (await bench.store.snapshot()).records;
    expect(record?.value).toEqual(value);
    // A field that is undefined is the same as none: records are JSON.
    const told = batch === undefined || batch === "compacted" ? [] : batch.changes;
    expect(told.map((change) => change.value)).toEqual([value]);
    expect(await bench.take(0, 1)).toEqual([batch]);
  });

  it("keeps a value of a megabyte and numbers up to the largest safe integer", async () => {
    const value = {
      ...aProject({ id: "a", quota: { memoryMib: Number.MAX_SAFE_INTEGER } }),
      note: "x".repeat(2 ** 20),
    };
    await bench.commit({ puts: [{ key: key("a"), value }] });
    await bench.subject.reopen();
    const [record] = (await bench.store.snapshot()).records;
    expect(record?.value).toEqual(value);
  });
}

function endsCleanly(bench: StoreBench): void {
  it("refuses everything after it was closed, and ends its watchers", async () => {
    const watching = collect(bench.store.changes(0, new AbortController().signal));
    const { store } = bench;
    await bench.subject.close();
    expect(await watching).toEqual([]);
    await expect(store.commit(aTransaction(put("a")))).rejects.toMatchObject({
      kind: "unavailable",
    });
    await expect(store.snapshot()).rejects.toMatchObject({ kind: "unavailable" });
  });

  it("finishes what was asked for before it was closed", async () => {
    const asked = bench.commit(put("a"));
    await bench.subject.reopen();
    expect(await asked).toEqual(committed(1));
    expect(await bench.revisions()).toEqual({ "project/a": 1 });
  });
}
