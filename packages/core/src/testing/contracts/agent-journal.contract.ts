/** What every agent journal must do (ports/agent-journal.ts, J1 and J2). */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AgentJournal, JournalEntry } from "../../ports/agent-journal.js";
import { aJournalEntry } from "../builders.js";

export interface JournalUnderTest {
  readonly journal: AgentJournal;
  /** Lets go of the data and opens it again, as a new agent process would. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

type Open = () => Promise<JournalUnderTest>;

export function agentJournalContract(name: string, open: Open): void {
  describe(`agent journal contract: ${name}`, () => {
    const bench = new JournalBench(open);
    describe("J1: entries", () => keepsEntries(bench));
    describe("J1: leader epochs", () => keepsEpochs(bench));
    describe("J2: tombstones", () => keepsTombstones(bench));
  });
}

class JournalBench {
  #subject: JournalUnderTest | undefined;

  constructor(open: Open) {
    beforeEach(async () => {
      this.#subject = await open();
    });
    afterEach(async () => {
      await this.#subject?.close();
    });
  }

  get journal(): AgentJournal {
    if (this.#subject === undefined) throw new Error("the journal is open during tests only");
    return this.#subject.journal;
  }

  /** What a new agent process finds. */
  async reloaded(): Promise<Awaited<ReturnType<AgentJournal["load"]>>> {
    await this.#subject?.reopen();
    return await this.journal.load();
  }

  async reloadedUids(): Promise<readonly string[]> {
    const { entries } = await this.reloaded();
    return entries.map((each) => each.assignment.guestUid).sort();
  }
}

function keepsEntries(bench: JournalBench): void {
  it("is empty at first", async () => {
    expect(await bench.journal.load()).toEqual({ leaderEpoch: 0, entries: [] });
  });

  it("has whole entries after it was opened again", async () => {
    const failure = {
      kind: "precondition",
      reason: "R",
      message: "m",
      metadata: { a: "1" },
    } as const;
    const entry = aJournalEntry({
      assignment: { guestUid: uid(1), epoch: 7, migrateTo: { uri: "tcp:h:1", downtimeMsMax: 3 } },
      launchedEpoch: 7,
      restartCount: 4,
      lastExit: { reason: "guest-panic", message: 'a "quoted"\u0000 line\n😀' },
      failure,
      restartAtMs: 12.5,
    });
    await bench.journal.put([entry]);
    expect((await bench.reloaded()).entries).toEqual([entry]);
  });

  it("keeps the newest entry of each guest", async () => {
    await bench.journal.put([entryOf(1, { restartCount: 1 }), entryOf(2)]);
    await bench.journal.put([entryOf(1, { restartCount: 2 })]);
    const { entries } = await bench.reloaded();
    const counts = entries.map((each) => [each.assignment.guestUid, each.restartCount]);
    expect(Object.fromEntries(counts)).toEqual({ [uid(1)]: 2, [uid(2)]: 0 });
  });

  it("keeps the last of several writes asked for at once", async () => {
    const writes = Array.from({ length: 40 }, (_, restartCount) =>
      bench.journal.put([entryOf(1, { restartCount })]),
    );
    await Promise.all(writes);
    expect((await bench.reloaded()).entries).toEqual([entryOf(1, { restartCount: 39 })]);
  });

  it("keeps hundreds of guests", async () => {
    const uids = Array.from({ length: 500 }, (_, index) => uid(index));
    await bench.journal.put(uids.map((_, index) => entryOf(index)));
    expect(await bench.reloadedUids()).toEqual(uids);
  });

  it("takes no entries as nothing to do", async () => {
    await bench.journal.put([]);
    await bench.journal.drop([]);
    expect(await bench.reloadedUids()).toEqual([]);
  });
}

function keepsEpochs(bench: JournalBench): void {
  it("has the highest epoch after it was opened again", async () => {
    await bench.journal.putLeaderEpoch(3);
    await bench.journal.putLeaderEpoch(8);
    expect((await bench.reloaded()).leaderEpoch).toBe(8);
  });

  it("never goes back to a lower epoch", async () => {
    await Promise.all([bench.journal.putLeaderEpoch(8), bench.journal.putLeaderEpoch(5)]);
    expect((await bench.reloaded()).leaderEpoch).toBe(8);
  });
}

function keepsTombstones(bench: JournalBench): void {
  it("keeps an entry of a guest that is gone until it is dropped", async () => {
    await bench.journal.put([entryOf(1, { assignment: { desired: "absent" } }), entryOf(2)]);
    expect(await bench.reloadedUids()).toEqual([uid(1), uid(2)]);
    await bench.journal.drop([uid(1)]);
    expect(await bench.reloadedUids()).toEqual([uid(2)]);
  });

  it("takes the dropping of an unknown guest as nothing to do", async () => {
    await bench.journal.put([entryOf(1)]);
    await bench.journal.drop([uid(9)]);
    expect(await bench.reloadedUids()).toEqual([uid(1)]);
  });

  it("takes a guest again that was dropped", async () => {
    await bench.journal.put([entryOf(1)]);
    await bench.journal.drop([uid(1)]);
    await bench.journal.put([entryOf(1)]);
    expect(await bench.reloadedUids()).toEqual([uid(1)]);
  });
}

function uid(index: number): string {
  return `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`;
}

function entryOf(index: number, overrides: Parameters<typeof aJournalEntry>[0] = {}): JournalEntry {
  const assignment = { guestUid: uid(index), ...overrides.assignment };
  return aJournalEntry({ ...overrides, assignment });
}
