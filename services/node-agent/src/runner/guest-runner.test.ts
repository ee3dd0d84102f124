import {
  type CopyExit,
  type CopyReport,
  type GuestAssignment,
  hostDiskFull,
  type JournalEntry,
} from "@innkeeper/core";
import {
  aJournalEntry,
  anAssignment,
  anImage,
  FakeClock,
  MemoryAgentJournal,
  MemoryDiskStore,
  MemoryDisks,
  MemoryJournalDisk,
  silentLogger,
} from "@innkeeper/core/testing";
import { beforeEach, describe, expect, it } from "vitest";
import { FakeEngine } from "../testing/fake-engine.js";
import { GuestRunner } from "./guest-runner.js";
import type { RunnerContext } from "./runner-context.js";

const PANIC: CopyExit = { reason: "guest-panic", message: "oops" };
const OFF: CopyExit = { reason: "guest-shutdown", message: "off" };
const PROGRESS = {
  transferredBytes: 1,
  remainingBytes: 0,
  totalBytes: 1,
  elapsedMs: 1,
  engineDowntimeMs: 3,
};

let clock: FakeClock;
let engine: FakeEngine;
let disk: MemoryJournalDisk;
let journal: MemoryAgentJournal;
let guestDisks: MemoryDisks;
let changes: number;

beforeEach(() => {
  clock = new FakeClock();
  engine = new FakeEngine();
  disk = new MemoryJournalDisk();
  journal = new MemoryAgentJournal(disk);
  guestDisks = new MemoryDisks(1000);
  changes = 0;
});

describe("running a guest", () => {
  it("launches it once and reports that it runs", async () => {
    const runner = await started();
    expect(engine.acts).toEqual(["launch 1"]);
    expect(report(runner)).toBe("running");
    runner.kick();
    await settle();
    expect(engine.acts).toEqual(["launch 1"]);
  });

  it("tells at once when it stands still though it runs, and when that has passed", async () => {
    const runner = await started();
    const before = changes;
    const trouble = hostDiskFull(3, 16).detail;
    engine.newest.meetTrouble(trouble);
    expect([changes, runner.report().state, runner.report().trouble]).toEqual([
      before + 1,
      "running",
      trouble,
    ]);
    engine.newest.meetTrouble(undefined);
    expect([changes, runner.report().trouble]).toEqual([before + 2, undefined]);
    expect(engine.acts).toEqual(["launch 1"]);
  });

  it("journals the launch before it happens (A1)", async () => {
    let atLaunch: JournalEntry | undefined;
    const launch = engine.launch.bind(engine);
    engine.launch = (copy) => {
      atLaunch = disk.entries.get(copy.guestUid);
      return launch(copy);
    };
    await started();
    expect(atLaunch).toMatchObject({ launchedEpoch: 1, startCount: 0 });
  });

  it("does nothing before the assignment is durable (A1)", async () => {
    const runner = runnerOf(freshEntry());
    let write: () => void = () => undefined;
    const durable = new Promise<void>((resolve) => {
      write = resolve;
    });
    runner.proceed(durable);
    await settle();
    expect(engine.acts).toEqual([]);
    expect(report(runner)).toBe("taken");
    write();
    await settle();
    expect(engine.acts).toEqual(["launch 1"]);
  });

  it("pauses, resumes and powers off as it is told, then reports stopped", async () => {
    const runner = await started();
    await tell(runner, { intent: 2, desired: "paused" });
    await tell(runner, { intent: 3, desired: "running" });
    await tell(runner, { intent: 4, desired: "stopped" });
    expect(engine.acts).toEqual(["launch 1", "pause 1", "resume 1", "shutdown 1"]);
    expect(report(runner)).toBe("stopping");
    engine.newest.end(OFF);
    await settle();
    expect(report(runner)).toBe("stopped");
    expect(disk.entries.get(runner.guestUid)?.launchedEpoch).toBeUndefined();
  });

  it("ends a guest by force that does not power off in time", async () => {
    const runner = await started();
    await tell(runner, { intent: 2, desired: "stopped", stopTimeoutMs: 5000 });
    await clock.advance(4999);
    expect(engine.acts.at(-1)).toBe("shutdown 1");
    await clock.advance(1);
    expect(engine.acts.at(-1)).toBe("destroy 1");
    expect(report(runner)).toBe("stopped");
  });

  it("removes a guest and says absent only when nothing is left", async () => {
    const runner = await started();
    expect(runner.isGone).toBe(false);
    await tell(runner, { intent: 2, desired: "absent" });
    expect(engine.living()).toEqual([]);
    expect(report(runner)).toBe("absent");
    expect(runner.isGone).toBe(true);
  });
});

describe("assignments", () => {
  it("that are older, or of a lower epoch, are ignored (A2)", async () => {
    const runner = await started({ intent: 5, epoch: 3 });
    for (const old of [{ intent: 5 }, { intent: 4 }, { intent: 9, epoch: 2 }]) {
      expect(runner.accept(anAssignment({ epoch: 3, ...old, desired: "absent" }))).toBeUndefined();
    }
    expect(report(runner)).toBe("running");
  });

  it("of a newer epoch destroy the old copy before the new one runs", async () => {
    const runner = await started();
    await tell(runner, { intent: 2, epoch: 2 });
    expect(engine.acts).toEqual(["launch 1", "destroy 1", "launch 2"]);
    expect(report(runner)).toBe("running");
  });

  it("that come while an image is fetched are looked at before anything is launched", async () => {
    const runner = runnerOf(freshEntry());
    let fetched: () => void = () => undefined;
    context().blobs.has = () =>
      new Promise((resolve) => {
        fetched = () => resolve(true);
      });
    runner.proceed(Promise.resolve());
    await settle();
    const entry = runner.accept(anAssignment({ intent: 2, desired: "absent" }));
    expect(entry).toBeDefined();
    context().blobs.has = () => Promise.resolve(true);
    fetched();
    runner.proceed(Promise.resolve());
    await settle();
    expect(engine.acts).toEqual([]);
    expect(report(runner)).toBe("absent");
  });

  it("that come while the copy is looked at wait for the journal (A1)", async () => {
    const runner = await started();
    let look: () => void = () => undefined;
    engine.newest.runState = () =>
      new Promise((resolve) => {
        look = () => resolve("running");
      });
    runner.kick();
    await settle();
    runner.accept(anAssignment({ intent: 2, desired: "paused" }));
    runner.proceed(new Promise(() => undefined));
    look();
    await settle();
    expect(engine.acts).toEqual(["launch 1"]);
    expect(report(runner)).toBe("taken");
  });
});

describe("restarts", () => {
  it("restarts a guest that ended, after its back-off, and counts", async () => {
    const runner = await started();
    engine.newest.end(PANIC);
    await settle();
    expect(runner.report()).toMatchObject({ state: "backing-off", lastExit: PANIC });
    await clock.advance(999);
    expect(engine.acts).toEqual(["launch 1"]);
    await clock.advance(1);
    expect(runner.report()).toMatchObject({ state: "running", restartCount: 1 });
  });

  it("does not start again before it knows how the copy ended", async () => {
    const runner = await started();
    const copy = engine.newest;
    copy.change("ended");
    await settle();
    expect(engine.acts).toEqual(["launch 1"]);
    copy.end(PANIC);
    await settle();
    expect(engine.acts).toEqual(["launch 1"]);
    expect(report(runner)).toBe("backing-off");
  });

  it("gives up after too many failures, says why, and forgets at a start by request", async () => {
    const restartPolicy = { attemptsMax: 1, backoffMsMin: 10 };
    const runner = await started({ restartPolicy });
    for (let failures = 0; failures < 2; failures += 1) {
      engine.newest.end(PANIC);
      await clock.advance(10);
    }
    expect(runner.report()).toMatchObject({
      state: "failed",
      error: { reason: "RESTARTS_EXHAUSTED" },
    });
    await tell(runner, { intent: 2, startCount: 1, restartPolicy });
    expect(runner.report()).toMatchObject({ state: "running", restartCount: 0, error: undefined });
  });

  it("takes a launch that fails for an end by the engine", async () => {
    engine.launchError = new Error("no memory");
    const runner = await started();
    expect(runner.report()).toMatchObject({
      state: "backing-off",
      lastExit: { reason: "engine-error" },
    });
    await clock.advance(1000);
    expect(report(runner)).toBe("running");
  });

  it("goes on when the journal cannot take a note of an end", async () => {
    const runner = await started();
    journal.put = () => Promise.reject(new Error("the disk is full"));
    engine.newest.end(PANIC);
    await settle();
    expect(report(runner)).toBe("backing-off");
  });
});

describe("migration", () => {
  it("receives without running, then runs when it is told", async () => {
    const runner = await started({ desired: "incoming" });
    expect(runner.report()).toMatchObject({ state: "incoming", incomingUri: "tcp:fake:1" });
    engine.newest.change("received");
    await settle();
    expect(runner.report()).toMatchObject({ state: "received", incomingUri: undefined });
    await tell(runner, { intent: 2, desired: "running" });
    expect(engine.acts).toEqual(["launch 1", "resume 1"]);
  });

  it("sends to where it is told and reports that all was sent", async () => {
    const runner = await started();
    await tell(runner, {
      intent: 2,
      desired: "sending",
      migrateTo: { uri: "tcp:b:1", downtimeMsMax: 1 },
    });
    expect(engine.acts.at(-1)).toBe("migrate to tcp:b:1 1");
    expect(report(runner)).toBe("sending");
    engine.newest.sent(PROGRESS);
    await settle();
    expect(runner.report()).toMatchObject({ state: "sent", migration: PROGRESS });
  });

  it("reports why it could not send, and goes on running", async () => {
    const runner = await started();
    await tell(runner, {
      intent: 2,
      desired: "sending",
      migrateTo: { uri: "u", downtimeMsMax: 1 },
    });
    engine.newest.failSending("the line went dead");
    await settle();
    expect(runner.report()).toMatchObject({ state: "running", error: { reason: "SEND_FAILED" } });
  });

  it("cancels what it sends when it shall run again", async () => {
    const runner = await started();
    await tell(runner, {
      intent: 2,
      desired: "sending",
      migrateTo: { uri: "u", downtimeMsMax: 1 },
    });
    await tell(runner, { intent: 3, desired: "running" });
    expect(engine.acts.at(-1)).toBe("cancel 1");
    expect(runner.report()).toMatchObject({ state: "running", error: undefined });
  });
});

describe("after a restart of the agent", () => {
  it("goes on with the copy that was adopted", async () => {
    const copy = engine.place({ guestUid: anAssignment().guestUid, epoch: 1 }, "running");
    const runner = new GuestRunner(context(), aJournalEntry(), copy);
    runner.kick();
    await settle();
    expect(engine.acts).toEqual(["set 1000m 256MiB 1"]);
    expect(report(runner)).toBe("running");
    copy.end(PANIC);
    await settle();
    expect(report(runner)).toBe("backing-off");
  });

  it.each([
    [1, "ended", "boot-timeout"],
    [undefined, "running", undefined],
  ])("watches whether an adopted copy comes up, if it booted: epoch %s", async (...row) => {
    const [bootedEpoch, state, reason] = row;
    const copy = engine.place({ guestUid: anAssignment().guestUid, epoch: 1 }, "running");
    copy.readConsole = (nextOffset) => Promise.resolve({ bytes: new Uint8Array(), nextOffset });
    const manifest = { ...anImage().manifest, ready: { text: "up", withinMs: 1000 } };
    const assignment = { image: manifest, restartPolicy: { when: "never" } } as const;
    const entry = aJournalEntry({ assignment, bootedEpoch });
    const runner = new GuestRunner(context(), entry, copy);
    runner.kick();
    await clock.advance(2000);
    expect([copy.state, runner.report().lastExit?.reason]).toEqual([state, reason]);
  });

  it("notes that a copy boots, and that one which goes on with its memory does not", async () => {
    const guestUid = anAssignment().guestUid;
    await started();
    expect(disk.entries.get(guestUid)?.bootedEpoch).toBe(1);
    const received = runnerOf(freshEntry({ desired: "incoming", epoch: 2 }));
    received.proceed(Promise.resolve());
    await settle();
    expect(disk.entries.get(guestUid)).toMatchObject({ launchedEpoch: 2, bootedEpoch: undefined });
  });

  it("tells again where an adopted copy waits for its stream", async () => {
    const copy = engine.place({ guestUid: anAssignment().guestUid, epoch: 1 }, "incoming");
    const entry = aJournalEntry({ assignment: { desired: "incoming" } });
    const runner = new GuestRunner(context(), entry, copy);
    runner.kick();
    await settle();
    expect(runner.report()).toMatchObject({ state: "incoming", incomingUri: "tcp:fake:1" });
  });

  it("counts a copy that ended while nobody was watching", async () => {
    const runner = runnerOf(aJournalEntry({ launchedEpoch: 1 }));
    runner.kick();
    await settle();
    expect(runner.report()).toMatchObject({ state: "backing-off", lastExit: { reason: "killed" } });
  });

  it("does not blame the present epoch for the loss of an earlier copy", async () => {
    const assignment = { epoch: 2, intent: 2, desired: "incoming" } as const;
    const runner = runnerOf(aJournalEntry({ assignment, launchedEpoch: 1, startCount: -1 }));
    runner.kick();
    await settle();
    expect(engine.acts).toEqual(["launch 2"]);
    expect(runner.report()).toMatchObject({ state: "incoming", error: undefined });
  });
});

describe("ends of earlier copies", () => {
  it("do not count for the present epoch", async () => {
    const runner = await started();
    const old = engine.newest;
    const entry = runner.accept(anAssignment({ epoch: 2, intent: 2, desired: "incoming" }));
    expect(entry).toBeDefined();
    old.end(PANIC);
    runner.proceed(Promise.resolve());
    await settle();
    expect(runner.report()).toMatchObject({ state: "incoming", error: undefined });
  });
});

describe("disks", () => {
  const DATA = new Map([["data", 100]]);

  it("are there before the launch, and stay over stops and restarts", async () => {
    const runner = await started({ diskMib: 100 });
    expect(engine.launches[0]?.disks).toEqual([expect.objectContaining({ format: "qcow2" })]);
    engine.newest.end(PANIC);
    await clock.advance(1000);
    await tell(runner, { intent: 2, diskMib: 100, desired: "stopped", stopTimeoutMs: 0 });
    expect(report(runner)).toBe("stopped");
    expect(guestDisks.guests.get(runner.guestUid)).toEqual(DATA);
  });

  it("are gone when the guest is told to be absent", async () => {
    const runner = await started({ diskMib: 100 });
    await tell(runner, { intent: 2, desired: "absent" });
    expect(report(runner)).toBe("absent");
    expect(guestDisks.guests.size).toBe(0);
  });

  it("that cannot be removed keep the guest from being absent, until they can", async () => {
    const runner = await started({ diskMib: 100 });
    const { disks } = context();
    const remove = disks.remove.bind(disks);
    disks.remove = () => Promise.reject(new Error("the disk is broken"));
    await tell(runner, { intent: 2, desired: "absent" });
    expect(report(runner)).toBe("stopping");
    disks.remove = remove;
    await clock.advance(1000);
    expect(report(runner)).toBe("absent");
    expect(guestDisks.guests.size).toBe(0);
  });

  it("that find no room keep the guest from starting, with the numbers", async () => {
    const runner = await started({ diskMib: 1001 });
    expect(engine.acts).toEqual([]);
    expect(runner.report()).toMatchObject({
      state: "backing-off",
      lastExit: { reason: "engine-error", message: expect.stringMatching(/1001 MiB.*1000 MiB/) },
    });
  });
});

describe("reports", () => {
  it("tell of every change", async () => {
    const runner = await started();
    const before = changes;
    await tell(runner, { intent: 2, desired: "paused" });
    expect(changes).toBeGreaterThan(before);
  });

  it("say nothing more after it was closed", async () => {
    const runner = await started();
    runner.close();
    engine.newest.end(PANIC);
    await clock.advance(60_000);
    expect(engine.acts).toEqual(["launch 1"]);
  });
});

const shared = new WeakMap<FakeEngine, RunnerContext & { blobs: { has(): Promise<boolean> } }>();

function context(): RunnerContext & { blobs: { has(): Promise<boolean> } } {
  const known = shared.get(engine);
  if (known !== undefined) return known;
  const made = {
    engines: new Map([["sim", engine] as const]),
    journal,
    blobs: {
      has: () => Promise.resolve(true),
      pathOf: (sha256: string) => Promise.resolve(`/blobs/${sha256}`),
      write: () => Promise.resolve(),
      fetch: () => Promise.resolve(),
      list: () => Promise.resolve([]),
      read: async function* () {},
      remove: () => Promise.resolve(),
    },
    disks: new MemoryDiskStore(guestDisks),
    controller: unusedController,
    nodeId: "n1",
    clock,
    log: silentLogger,
    onChanged: () => {
      changes += 1;
    },
  };
  shared.set(engine, made);
  return made;
}

const unusedController: RunnerContext["controller"] = {
  join: () => Promise.resolve(),
  report: () => Promise.reject(new Error("nobody reports here")),
  findBlob: () => Promise.resolve([]),
  readBlob: async function* () {},
  close: () => undefined,
};

function runnerOf(entry: JournalEntry): GuestRunner {
  return new GuestRunner(context(), entry, undefined);
}

function freshEntry(assignment: Parameters<typeof anAssignment>[0] = {}): JournalEntry {
  const unlaunched = { launchedEpoch: undefined, startCount: -1, startedAtMs: undefined };
  return aJournalEntry({ assignment: { image: anImage().manifest, ...assignment }, ...unlaunched });
}

async function started(assignment: Parameters<typeof anAssignment>[0] = {}): Promise<GuestRunner> {
  const runner = runnerOf(freshEntry(assignment));
  runner.proceed(Promise.resolve());
  await settle();
  return runner;
}

async function tell(
  runner: GuestRunner,
  assignment: NonNullable<Parameters<typeof anAssignment>[0]>,
): Promise<void> {
  const taken: GuestAssignment = anAssignment(assignment);
  const entry = runner.accept(taken);
  if (entry === undefined) throw new Error("the assignment was ignored");
  runner.proceed(journal.put([entry]));
  await settle();
}

function report(runner: GuestRunner): CopyReport["state"] {
  return runner.report().state;
}

/** Lets everything happen that needs no time. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await clock.advance(0);
}
