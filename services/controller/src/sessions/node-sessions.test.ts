import { type CopyReport, copiesDigest } from "@innkeeper/core";
import { aCopyReport, aNodeReport, FakeClock } from "@innkeeper/core/testing";
import { beforeEach, describe, expect, it } from "vitest";
import { NodeSessions } from "./node-sessions.js";

const A = "00000000-0000-4000-8000-00000000000a";
const B = "00000000-0000-4000-8000-00000000000b";
const UNREACHABLE_AFTER_MS = 10_000;

let clock: FakeClock;
let sessions: NodeSessions;
let reportCount = 0;

beforeEach(() => {
  clock = new FakeClock();
  sessions = new NodeSessions(clock, { leaseTtlMs: 8000, leaseMarginMs: 2000 });
});

describe("the link to a node", () => {
  it("is unknown until a full report came, then synced (N1)", () => {
    expect(sessions.linkOf("n1")).toBe("unknown");
    sessions.open("n1", "i1");
    expect(sessions.linkOf("n1")).toBe("unknown");
    expect(report({ isFull: false })).toBeUndefined();
    expect(sessions.linkOf("n1")).toBe("unknown");
    report({ isFull: true });
    expect(sessions.linkOf("n1")).toBe("synced");
  });

  it("is unreachable only after lease and margin since the last report (N2)", async () => {
    sessions.open("n1", "i1");
    report({ isFull: true });
    await clock.advance(UNREACHABLE_AFTER_MS);
    expect(sessions.linkOf("n1")).toBe("synced");
    await clock.advance(1);
    expect(sessions.linkOf("n1")).toBe("unreachable");
    report({ isFull: false });
    expect(sessions.linkOf("n1")).toBe("synced");
  });

  it("is given a whole lease after a new leader began, before it is unreachable (N2)", async () => {
    await clock.advance(UNREACHABLE_AFTER_MS);
    expect(sessions.linkOf("never-seen")).toBe("unknown");
    await clock.advance(1);
    expect(sessions.linkOf("never-seen")).toBe("unreachable");
  });

  it("does not heed jumps of the wall clock", () => {
    sessions.open("n1", "i1");
    report({ isFull: true });
    clock.shiftWallClock(3_600_000);
    expect(sessions.linkOf("n1")).toBe("synced");
  });

  it("begins anew with each agent process, which must tell everything again", () => {
    sessions.open("n1", "i1");
    report({ isFull: true, copies: [aCopyReport({ guestUid: A })] });
    sessions.open("n1", "i2");
    expect(sessions.copyOn("n1", A)).toBeUndefined();
    expect(report({ isFull: true })).toBeUndefined();
    expect(report({ isFull: true, incarnation: "i2" })).toEqual([]);
  });

  it("makes a process that is not known join", () => {
    expect(report({ isFull: true })).toBeUndefined();
  });
});

describe("reports", () => {
  beforeEach(() => {
    sessions.open("n1", "i1");
    report({ isFull: true, copies: [copy("running", 3)] });
  });

  it("replace each other in the order in which they come, unless their intent is older", () => {
    expect(report({ copies: [copy("stopping", 3)] })).toEqual([A]);
    expect(stateOnNode()).toBe("stopping");
    expect(report({ copies: [copy("running", 2)] })).toEqual([]);
    expect(stateOnNode()).toBe("stopping");
  });

  it("are not undone by the late answer to a command of the same intent (N3)", () => {
    report({ copies: [copy("running", 4)] });
    expect(sessions.record("n1", [copy("taken", 4)])).toEqual([]);
    expect(stateOnNode()).toBe("running");
  });

  it("are overtaken by the answer to a newer command", () => {
    expect(sessions.record("n1", [copy("taken", 4)])).toEqual([A]);
    expect(report({ copies: [copy("running", 3)] })).toEqual([]);
    expect(stateOnNode()).toBe("taken");
  });

  it("that are full forget guests of which they say nothing", () => {
    const changed = report({ isFull: true, copies: [aCopyReport({ guestUid: B })] });
    expect(changed?.sort()).toEqual([A, B]);
    expect(sessions.copyOn("n1", A)).toBeUndefined();
    expect(sessions.copiesOn("n1").map((each) => each.guestUid)).toEqual([B]);
  });

  it("that arrive after a newer one of the same process change nothing (N4)", () => {
    report({ copies: [copy("running", 3)], sequence: 1_000 });
    expect(report({ copies: [copy("starting", 3)], sequence: 999 })).toEqual([]);
    expect(report({ isFull: true, sequence: 1_000 })).toEqual([]);
    expect(sessions.copyOn("n1", A)?.state).toBe("running");
    sessions.open("n1", "i1");
    expect(report({ isFull: true, copies: [copy("starting", 3)], sequence: 999 })).toEqual([]);
    expect(sessions.linkOf("n1")).toBe("unknown");
  });

  it("of a guest that is deleted are forgotten, except where something of it is left", () => {
    report({ copies: [copy("sent", 3)] });
    sessions.forgetGuest(A);
    expect(sessions.copyOn("n1", A)?.state).toBe("sent");
    report({ copies: [copy("absent", 4)] });
    sessions.forgetGuest(A);
    expect(sessions.copyOn("n1", A)).toBeUndefined();
  });

  it("from a node without session are dropped", () => {
    expect(sessions.record("n9", [copy("running", 9)])).toEqual([]);
    expect(sessions.copiesOn("n9")).toEqual([]);
  });
});

describe("the digest of a report (N5)", () => {
  const running = copy("running", 1);

  beforeEach(() => {
    sessions.open("n1", "i1");
    report({ isFull: true, copies: [running] });
  });

  it("agrees while everything was told", () => {
    expect(differsFrom([running])).toBe(false);
    expect(differsFrom([copy("paused", 1)], [copy("paused", 1)])).toBe(false);
  });

  it("differs after a change that nobody told, and agrees again after everything was told", () => {
    const failed = copy("failed", 1);
    expect(differsFrom([failed])).toBe(true);
    expect(differsFrom([failed])).toBe(true);
    report({ isFull: true, copies: [failed] });
    expect(differsFrom([failed])).toBe(false);
  });

  it("differs when a copy is unknown here or gone there, not when it is told gone", () => {
    expect(differsFrom([])).toBe(true);
    expect(differsFrom([running, aCopyReport({ guestUid: B })])).toBe(true);
    expect(differsFrom([copy("absent", 2)], [copy("absent", 2)])).toBe(false);
  });

  it("is not compared while an answer may have overtaken the report", () => {
    sessions.record("n1", [copy("taken", 2)]);
    expect(differsFrom([running])).toBe(false);
    expect(differsFrom([running])).toBe(true);
  });

  it("is not compared for a report that came too late", () => {
    const late = aNodeReport({ incarnation: "i1", sequence: 1, copies: [] });
    expect(sessions.differsFrom(late)).toBe(false);
  });
});

/** The agent has these copies and tells some of them. */
function differsFrom(has: readonly CopyReport[], told: readonly CopyReport[] = []): boolean {
  reportCount += 1;
  const digest = copiesDigest(has);
  const parts = { incarnation: "i1", sequence: reportCount, copies: told, digest };
  const asked = aNodeReport(parts);
  sessions.report(asked);
  return sessions.differsFrom(asked);
}

function report(parts: {
  readonly isFull?: boolean;
  readonly incarnation?: string;
  readonly copies?: readonly CopyReport[];
  readonly sequence?: number;
}): string[] | undefined {
  reportCount += 1;
  const { isFull = false, incarnation = "i1", copies = [], sequence = reportCount } = parts;
  return sessions.report(aNodeReport({ incarnation, sequence, isFull, copies }));
}

function copy(state: CopyReport["state"], intent: number): CopyReport {
  return aCopyReport({ guestUid: A, state, intent });
}

function stateOnNode(): string | undefined {
  return sessions.copyOn("n1", A)?.state;
}
