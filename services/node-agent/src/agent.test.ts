import {
  type ControllerClient,
  EXECS_MAX,
  type GuestAssignment,
  type NodeReport,
} from "@innkeeper/core";
import {
  aJournalEntry,
  aNode,
  anAssignment,
  FakeClock,
  MemoryAgentJournal,
  MemoryDiskStore,
  MemoryDisks,
  MemoryJournalDisk,
  SeededIdSource,
  silentLogger,
} from "@innkeeper/core/testing";
import { beforeEach, describe, expect, it } from "vitest";
import { type Agent, createAgent } from "./agent.js";
import { FakeEngine } from "./testing/fake-engine.js";

const A = "00000000-0000-4000-8000-00000000000a";
const B = "00000000-0000-4000-8000-00000000000b";
const DAY_MS = 24 * 3_600_000;

let clock: FakeClock;
let engine: FakeEngine;
let disk: MemoryJournalDisk;
let guestDisks: MemoryDisks;
let reports: NodeReport[];

beforeEach(() => {
  clock = new FakeClock();
  engine = new FakeEngine();
  disk = new MemoryJournalDisk();
  guestDisks = new MemoryDisks();
  reports = [];
});

describe("taking assignments", () => {
  it("journals them before it answers, and answers with the reports of all", async () => {
    const agent = await anAgent();
    const answer = await apply(agent, { guestUid: A }, { guestUid: B });
    expect(answer.map((each) => each.guestUid)).toEqual([A, B]);
    expect([...disk.entries.keys()]).toEqual([A, B]);
    await settle();
    expect(engine.living()).toHaveLength(2);
    expect(reports.at(-1)?.copies.map((each) => each.state)).toContain("running");
  });

  it("refuses a leader that was deposed, also after a restart (I4)", async () => {
    await apply(await anAgent(), { guestUid: A });
    for (const agent of [await anAgent(), await anAgent()]) {
      await agent.apply({ leaderEpoch: 7, assignments: [] });
      const late = agent.apply({ leaderEpoch: 6, assignments: [anAssignment({ guestUid: B })] });
      await expect(late).rejects.toMatchObject({ kind: "conflict", reason: "LEADER_FENCED" });
    }
    expect(disk.leaderEpoch).toBe(7);
    expect(disk.entries.has(B)).toBe(false);
  });

  it("answers an older assignment with what is newer", async () => {
    const agent = await anAgent();
    await apply(agent, { guestUid: A, intent: 5 });
    const [report] = await apply(agent, { guestUid: A, intent: 4, desired: "absent" });
    expect(report).toMatchObject({ intent: 5 });
    await settle();
    expect(engine.living()).toHaveLength(1);
  });

  it("does not act before the journal has them, and tries until it does (A1)", async () => {
    const agent = await anAgent();
    failing = true;
    await expect(apply(agent, { guestUid: A })).rejects.toThrow("disk");
    await clock.advance(3000);
    expect(engine.acts).toEqual([]);
    failing = false;
    await apply(agent, { guestUid: A });
    await clock.advance(1000);
    expect(engine.acts).toEqual(["launch 1"]);
    expect(disk.entries.get(A)?.launchedEpoch).toBe(1);
  });
});

describe("starting where guests run already", () => {
  it("adopts the copy that its journal explains, which goes on", async () => {
    put({ assignment: { guestUid: A }, launchedEpoch: 1 });
    engine.place({ guestUid: A, epoch: 1 }, "running");
    const agent = await anAgent();
    await settle();
    expect(agent.adoptedCount).toBe(1);
    // Its limits are set anew, for this process does not know them.
    expect(engine.acts).toEqual(["adopt 1", "set 1000m 256MiB 1"]);
    expect(reports[0]).toMatchObject({ isFull: true });
    expect(reports[0]?.copies).toHaveLength(1);
  });

  it("removes a copy that no journal entry explains", async () => {
    engine.place({ guestUid: B, epoch: 3 }, "running");
    await anAgent();
    expect(engine.acts).toEqual(["adopt 3", "destroy 3"]);
  });

  it("destroys a copy of an epoch that is over, and runs the present one", async () => {
    put({ assignment: { guestUid: A, epoch: 2 }, launchedEpoch: 1, startCount: -1 });
    engine.place({ guestUid: A, epoch: 1 }, "running");
    await anAgent();
    await settle();
    expect(engine.acts).toEqual(["adopt 1", "destroy 1", "launch 2"]);
  });

  it("starts a guest again whose copy is gone, after its back-off", async () => {
    put({ assignment: { guestUid: A }, launchedEpoch: 1 });
    const agent = await anAgent();
    await settle();
    expect([agent.adoptedCount, engine.living().length]).toEqual([0, 0]);
    await clock.advance(1000);
    expect(engine.acts).toEqual(["launch 1"]);
  });

  it("keeps a tombstone for a day, and its refusal of older assignments with it", async () => {
    put({ assignment: { guestUid: A, intent: 9, desired: "absent" }, launchedEpoch: undefined });
    const agent = await anAgent();
    const [report] = await apply(agent, { guestUid: A, intent: 8 });
    expect(report).toMatchObject({ intent: 9 });
    await clock.advance(DAY_MS + 1);
    await anAgent();
    expect(disk.entries.size).toBe(0);
  });
});

describe("disks at the start of an agent", () => {
  it("go with a guest that was to be absent", async () => {
    put({ assignment: { guestUid: A, intent: 9, desired: "absent" }, launchedEpoch: undefined });
    guestDisks.guests.set(A, new Map([["root", 1]]));
    await anAgent();
    await settle();
    expect(guestDisks.guests.size).toBe(0);
    expect(reports.at(-1)?.copies).toMatchObject([{ state: "absent", intent: 9 }]);
  });

  it("of a guest that the journal does not know are kept and reported", async () => {
    guestDisks.guests.set(B, new Map([["root", 1]]));
    await anAgent();
    await settle();
    expect(guestDisks.guests.has(B)).toBe(true);
    const told = { guestUid: B, state: "stopped", intent: 0, epoch: 0 };
    expect(reports.flatMap((each) => each.copies)).toContainEqual(expect.objectContaining(told));
  });

  it("are claimed or removed, as the leader says", async () => {
    for (const uid of [A, B]) guestDisks.guests.set(uid, new Map([["data", 1]]));
    const agent = await anAgent();
    await apply(
      agent,
      { guestUid: A, intent: 1, diskMib: 1 },
      { guestUid: B, intent: 1, epoch: 0, desired: "absent" },
    );
    await settle();
    expect([...guestDisks.guests.keys()]).toEqual([A]);
    expect(engine.living()).toHaveLength(1);
    const told = { guestUid: B, state: "absent" };
    expect(reports.flatMap((each) => each.copies)).toContainEqual(expect.objectContaining(told));
  });
});

describe("reading consoles", () => {
  it("gives the console of a guest, and does not find one that is not here", async () => {
    const agent = await anAgent();
    await apply(agent, { guestUid: A });
    await settle();
    expect(await agent.readConsole(A, 3, 100)).toMatchObject({ nextOffset: 10 });
    await expect(agent.readConsole(B, 0, 100)).rejects.toMatchObject({ kind: "not-found" });
  });
});

describe("running commands", () => {
  const request = { words: ["x"], input: new Uint8Array(0), timeoutMs: 1000 };
  const ask = (agent: Agent, guestUid: string, abort = new AbortController()) =>
    agent.exec(guestUid, request, abort.signal)[Symbol.asyncIterator]();

  it("runs them in a guest that runs here, and in no other", async () => {
    const agent = await anAgent();
    await apply(agent, { guestUid: A });
    await settle();
    const { value } = await ask(agent, A).next();
    expect(value).toMatchObject({ kind: "stdout", bytes: Buffer.from("x") });
    await expect(ask(agent, B).next()).rejects.toMatchObject({ reason: "COPY_NOT_FOUND" });
    engine.newest.change("paused");
    await expect(ask(agent, A).next()).rejects.toMatchObject({ reason: "NOT_RUNNING" });
  });

  it("runs a bounded number at once, and more when one has ended", async () => {
    const agent = await anAgent();
    await apply(agent, { guestUid: A });
    await settle();
    const aborts = Array.from({ length: EXECS_MAX }, () => new AbortController());
    const running = aborts.map((abort) => ask(agent, A, abort));
    await Promise.all(running.map((each) => each.next()));
    const refused = { kind: "capacity", reason: "EXEC_BUSY" };
    await expect(ask(agent, A).next()).rejects.toMatchObject(refused);
    aborts[0]?.abort();
    await running[0]?.next();
    expect(await running[0]?.next()).toEqual({ done: true, value: undefined });
    expect((await ask(agent, A).next()).done).toBe(false);
  });
});

let failing = false;

class FailingJournal extends MemoryAgentJournal {
  override put(entries: Parameters<MemoryAgentJournal["put"]>[0]): Promise<void> {
    return failing ? Promise.reject(new Error("the disk is full")) : super.put(entries);
  }
}

const controller: ControllerClient = {
  join: () => Promise.resolve(),
  report: (report) => {
    reports.push(report);
    return Promise.resolve({
      leaderEpoch: 1,
      leaseTtlMs: 8000,
      mustJoin: false,
      wantsFull: false,
      controllers: [],
    });
  },
  findBlob: () => Promise.resolve([]),
  readBlob: async function* () {},
  close: () => undefined,
};

/** Another agent process on the same host. */
function anAgent(): Promise<Agent> {
  const { id, address, labels, capacity, reserve, overcommitPercent } = aNode();
  const node = { id, address, labels, capacity, reserve, overcommitPercent };
  return createAgent(
    {
      engines: new Map([["sim", engine] as const]),
      journal: new FailingJournal(disk),
      blobs: {
        has: () => Promise.resolve(true),
        pathOf: (sha256) => Promise.resolve(`/blobs/${sha256}`),
        write: () => Promise.resolve(),
        fetch: () => Promise.resolve(),
        list: () => Promise.resolve([]),
        read: async function* () {},
        remove: () => Promise.resolve(),
      },
      disks: new MemoryDiskStore(guestDisks),
      controller,
      clock,
      ids: new SeededIdSource(1),
      log: silentLogger,
    },
    { node, heartbeatMs: 2000, retryMs: 500, tombstoneKeptMs: DAY_MS },
  );
}

function apply(
  agent: Agent,
  ...parts: readonly Parameters<typeof anAssignment>[0][]
): ReturnType<Agent["apply"]> {
  const assignments: GuestAssignment[] = parts.map((part) => anAssignment(part));
  return agent.apply({ leaderEpoch: 1, assignments });
}

function put(entry: Parameters<typeof aJournalEntry>[0]): void {
  const made = aJournalEntry({ ...entry, updatedAtMs: clock.nowMs() });
  disk.entries.set(made.assignment.guestUid, made);
}

/** Lets everything happen that needs no time. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await clock.advance(0);
}
