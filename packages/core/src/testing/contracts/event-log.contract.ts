/**
 * What every event log must do (ports/event-log.ts, E1 to E5), and every history of events that
 * fills itself (E4).
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { assert } from "../../domain/assert.js";
import type {
  ClusterEvent,
  EventBatch,
  EventHistory,
  EventLog,
  EventPage,
} from "../../ports/event-log.js";
import type { Revision } from "../../ports/state-store.js";
import { forEachSeedAsync, type Prng } from "../prng.js";

export interface HistoryUnderTest {
  readonly history: EventHistory;
  /** Makes one commit after the other; each lists the ids that it tells of, maybe none. */
  tell(commits: readonly (readonly string[])[]): Promise<void>;
  /** Makes at least the first commit be forgotten. The newest is kept. */
  age(): Promise<void>;
  close(): Promise<void>;
}

export interface LogUnderTest {
  readonly log: EventLog;
  /** Another process's way to the same log. */
  readonly other: EventLog;
  /** Forgets the oldest events, so that this many are left. */
  keep(events: number): Promise<void>;
  close(): Promise<void>;
}

export function eventHistoryContract(name: string, open: () => Promise<HistoryUnderTest>): void {
  describe(`event history contract: ${name}`, () => {
    let subject: HistoryUnderTest;
    beforeEach(async () => {
      subject = await open();
    });
    afterEach(async () => await subject.close());
    describe("E4: reading", () => readsInOrder(() => subject));
  });
}

export function eventLogContract(name: string, open: () => Promise<LogUnderTest>): void {
  eventHistoryContract(name, async () => historyOf(await open()));
  describe(`event log contract: ${name}`, () => {
    let subject: LogUnderTest;
    beforeEach(async () => {
      subject = await open();
    });
    afterEach(async () => await subject.close());
    describe("E1: once", () => keepsOnce(() => subject));
    describe("E2: no holes", () => leavesNoHole(() => subject));
    describe("E5: gaps", () => namesGaps(() => subject));
  });
}

function readsInOrder(subject: () => HistoryUnderTest): void {
  const read = async (after: Revision, max = 1_000) =>
    pageOf(await subject().history.read(after, max));

  it("gives nothing while nothing was told", async () => {
    expect(await read(0)).toEqual({ batches: [], lastRevision: 0 });
    expect(await subject().history.oldestRevision()).toBe(0);
  });

  it("gives the events of each commit with its revision, and only those after one", async () => {
    await subject().tell([["a"], ["b", "c"], ["d"]]);
    const all = told(await read(0));
    expect(all.map(([, ids]) => ids)).toEqual([["a"], ["b", "c"], ["d"]]);
    const [first, second, third] = all.map(([revision]) => revision);
    assert(first !== undefined && second !== undefined && third !== undefined, "three were told");
    expect([first, second]).toEqual([...new Set([first, second])].sort((a, b) => a - b));
    expect(told(await read(first)).map(([, ids]) => ids)).toEqual([["b", "c"], ["d"]]);
    expect(told(await read(second)).map(([, ids]) => ids)).toEqual([["d"]]);
    expect(await read(third)).toEqual({ batches: [], lastRevision: third });
  });

  it("never splits a commit over pages, and reaches the end page by page", async () => {
    const commits = Array.from({ length: 30 }, (_, index) =>
      Array.from({ length: (index * 7) % 5 }, (__, each) => `e-${index}-${each}`),
    );
    await subject().tell(commits);
    const wanted = commits.filter((ids) => ids.length > 0);
    for (const size of [1, 2, 3, 7, 1_000]) {
      expect(await allPages(subject().history, size)).toEqual(wanted);
    }
  });

  it("says compacted to who asks for what was forgotten, and gives the rest from 0", async () => {
    await subject().tell([["a"], ["b"], ["c", "d"], ["e"]]);
    await subject().age();
    const oldest = await subject().history.oldestRevision();
    expect(oldest).toBeGreaterThan(1);
    expect(await subject().history.read(oldest - 1, 10)).toBe("compacted");
    const kept = told(await read(oldest));
    expect(kept.at(0)?.[0]).toBeGreaterThan(oldest);
    expect(kept.at(-1)?.[1]).toContain("e");
    expect(told(await read(0))).toEqual(kept);
  });

  it("holds for any commits and any page size", async () => {
    await forEachSeedAsync(5, async (prng) => {
      const before = (await read(0, 100_000)).lastRevision;
      const commits = someCommits(prng);
      await subject().tell(commits);
      const ids = await allPages(subject().history, prng.integer(1, 20), before);
      expect(ids).toEqual(commits.filter((each) => each.length > 0));
    });
  });
}

function keepsOnce(subject: () => LogUnderTest): void {
  const all = async () => told(pageOf(await subject().log.read(0, 1_000)));

  it("takes a repeated append as done", async () => {
    const batches = [batch(1, "a"), batch(3, "b", "c")];
    await subject().log.append({ after: 0, batches });
    await subject().log.append({ after: 0, batches });
    await subject().other.append({ after: 1, batches: batches.slice(1) });
    expect(await all()).toEqual([
      [1, ["a"]],
      [3, ["b", "c"]],
    ]);
    expect(await subject().other.newestRevision()).toBe(3);
  });

  it("takes of an append that overlaps what is new", async () => {
    await subject().log.append({ after: 0, batches: [batch(1, "a"), batch(2, "b")] });
    await subject().other.append({ after: 1, batches: [batch(2, "b"), batch(4, "c")] });
    expect((await all()).map(([revision]) => revision)).toEqual([1, 2, 4]);
  });

  it("keeps each event once when two append the same at once, again and again", async () => {
    const batches = Array.from({ length: 120 }, (_, index) => batch(index + 1, `e-${index}`, "x"));
    await Promise.all([insist(subject().log, batches, 7), insist(subject().other, batches, 11)]);
    expect((await all()).map(([revision]) => revision)).toEqual(batches.map((one) => one.revision));
    expect((await all()).every(([, ids]) => ids.length === 2)).toBe(true);
  });

  it("keeps every field as it was", async () => {
    const odd = { ...event(5, "g1"), message: 'a "quoted"\nä 😀', projectId: "acme", atMs: 17 };
    await subject().log.append({ after: 0, batches: [{ revision: 5, events: [odd] }] });
    expect(pageOf(await subject().other.read(0, 1)).batches).toEqual([
      { revision: 5, events: [odd] },
    ]);
  });
}

function leavesNoHole(subject: () => LogUnderTest): void {
  it("refuses to append behind something that it does not have", async () => {
    await subject().log.append({ after: 0, batches: [batch(1, "a")] });
    const tooEarly = subject().log.append({ after: 2, batches: [batch(3, "c")] });
    await expect(tooEarly).rejects.toMatchObject({ kind: "conflict" });
    expect(await subject().log.newestRevision()).toBe(1);
    await subject().log.append({ after: 1, batches: [batch(2, "b"), batch(3, "c")] });
    expect(await subject().log.newestRevision()).toBe(3);
  });

  it("holds nothing when all is forgotten, and takes no append behind that", async () => {
    await subject().log.append({ after: 0, batches: [batch(1, "a"), batch(2, "b")] });
    await subject().keep(0);
    expect(await subject().other.newestRevision()).toBe(0);
    const append = subject().other.append({ after: 2, batches: [batch(3, "c")] });
    await expect(append).rejects.toMatchObject({ kind: "conflict" });
  });
}

function namesGaps(subject: () => LogUnderTest): void {
  it("gives a gap to everyone who asks for what it stands for", async () => {
    await subject().log.append({ after: 0, batches: [batch(1, "a")] });
    const gap = { ...event(9, "gap"), subjectKind: "log" };
    const batches = [{ revision: 9, events: [gap] }, batch(10, "b")];
    await subject().log.append({ after: 1, batches });
    await subject().keep(2);
    for (const after of [0, 3]) {
      expect(told(pageOf(await subject().log.read(after, 10)))).toEqual([
        [9, ["gap"]],
        [10, ["b"]],
      ]);
    }
  });
}

/** Appends as a relay does: behind what is there, and anew after each conflict. */
async function insist(log: EventLog, all: readonly EventBatch[], size: number): Promise<void> {
  for (let failures = 0; failures < 1_000; failures += 1) {
    try {
      let after = await log.newestRevision();
      const rest = all.filter((one) => one.revision > after);
      if (rest.length === 0) return;
      for (let start = 0; start < rest.length; start += size) {
        const batches = rest.slice(start, start + size);
        await log.append({ after, batches });
        after = batches.at(-1)?.revision ?? after;
      }
    } catch (error) {
      expect(error).toMatchObject({ kind: "conflict" });
    }
  }
  throw new Error("the appends never came to an end");
}

function historyOf({ log, keep, close }: LogUnderTest): HistoryUnderTest {
  let revision = 0;
  let last = 0;
  return {
    history: log,
    tell: async (commits) => {
      const batches: EventBatch[] = [];
      for (const ids of commits) {
        revision += 1;
        if (ids.length > 0) batches.push(batch(revision, ...ids));
      }
      await log.append({ after: last, batches });
      last = batches.at(-1)?.revision ?? last;
    },
    // The first of two events of a commit goes: the other one is no whole commit.
    age: async () => await keep(2),
    close,
  };
}

async function allPages(history: EventHistory, size: number, from = 0): Promise<string[][]> {
  const found: string[][] = [];
  for (let after = from; ; ) {
    const page = pageOf(await history.read(after, size));
    if (page.lastRevision === after) return found;
    found.push(...told(page).map(([, ids]) => ids));
    after = page.lastRevision;
  }
}

function someCommits(prng: Prng): string[][] {
  return Array.from({ length: prng.integer(1, 40) }, () =>
    Array.from({ length: prng.integer(0, 4) }, (_, index) => `s-${prng.integer(0, 9)}-${index}`),
  );
}

function told({ batches }: EventPage): [Revision, string[]][] {
  for (const { revision, events } of batches) {
    assert(events.length > 0, "no batch is empty");
    assert(
      events.every((each) => each.revision === revision),
      "events carry the revision of their commit",
    );
  }
  return batches.map(({ revision, events }) => [revision, events.map((each) => each.subjectId)]);
}

function pageOf(page: EventPage | "compacted"): EventPage {
  assert(page !== "compacted", "nothing that was asked for is forgotten");
  return page;
}

function batch(revision: Revision, ...ids: readonly string[]): EventBatch {
  return { revision, events: ids.map((id) => event(revision, id)) };
}

function event(revision: Revision, subjectId: string): ClusterEvent {
  return {
    revision,
    atMs: 1_767_225_600_000 + revision,
    subjectKind: "project",
    subjectId,
    projectId: "",
    reason: "PROJECT_WRITTEN",
    message: `project ${subjectId} was written`,
  };
}
