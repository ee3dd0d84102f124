import type { ControllerClient, CopyReport, NodeIntroduction, NodeReport } from "@innkeeper/core";
import { copiesDigest, unavailable } from "@innkeeper/core";
import { aCopyReport, aNode, FakeClock, silentLogger } from "@innkeeper/core/testing";
import { beforeEach, describe, expect, it } from "vitest";
import { Reporter } from "./reporter.js";

const HEARTBEAT_MS = 2000;
const RETRY_MS = 500;
const ANSWER = {
  leaderEpoch: 1,
  leaseTtlMs: 8000,
  mustJoin: false,
  wantsFull: false,
  controllers: [],
};

let clock: FakeClock;
let heard: string[];
let reports: NodeReport[];
let usageReads: number;
let copies: Map<string, CopyReport>;
let isAway: boolean;
let mustJoin: boolean;
let wantsFull: boolean;
let reporter: Reporter;

beforeEach(() => {
  clock = new FakeClock();
  heard = [];
  usageReads = 0;
  reports = [];
  copies = new Map([["a", aCopyReport()]]);
  isAway = false;
  mustJoin = false;
  wantsFull = false;
  reporter = new Reporter({
    controller,
    clock,
    log: silentLogger,
    config: { heartbeatMs: HEARTBEAT_MS, retryMs: RETRY_MS },
    introduction: (): NodeIntroduction => aNode(),
    reportOf: (uid) => copies.get(uid),
    reportAll: () => [...copies.values()],
    readUsage: () => {
      usageReads += 1;
      return Promise.resolve([]);
    },
  });
});

describe("Reporter", () => {
  it("joins, tells everything, then only beats", async () => {
    await start();
    expect(heard).toEqual(["join", "full 1"]);
    await clock.advance(2 * HEARTBEAT_MS);
    expect(heard.slice(2)).toEqual(["some 0", "some 0"]);
  });

  it("reads what guests take once for each heartbeat, however much changes", async () => {
    await start();
    for (let change = 0; change < 5; change += 1) {
      reporter.changed("a");
      await clock.advance(1);
    }
    expect(usageReads).toBe(1);
    await clock.advance(HEARTBEAT_MS);
    expect(usageReads).toBe(2);
  });

  it("tells what changed, at once and coalesced", async () => {
    await start();
    copies.set("b", aCopyReport());
    for (const uid of ["a", "b", "a"]) reporter.changed(uid);
    await clock.advance(0);
    expect(heard.slice(2)).toEqual(["some 2"]);
  });

  it("tells what changed while a report was on its way in the next one", async () => {
    reporter.start();
    await clock.advance(0);
    let answer: () => void = () => undefined;
    gate = new Promise<void>((resolve) => {
      answer = resolve;
    });
    reporter.changed("a");
    await clock.advance(0);
    reporter.changed("a");
    await clock.advance(0);
    expect(heard.slice(2)).toEqual(["some 1"]);
    gate = undefined;
    answer();
    await clock.advance(0);
    expect(heard.slice(2)).toEqual(["some 1", "some 1"]);
  });

  it("keeps trying while nobody answers, and then tells everything", async () => {
    await start();
    isAway = true;
    await clock.advance(HEARTBEAT_MS + 4 * RETRY_MS);
    isAway = false;
    await clock.advance(RETRY_MS);
    expect(heard.slice(2)).toEqual(["full 1"]);
  });

  it("joins again when the controller does not know it", async () => {
    await start();
    mustJoin = true;
    await clock.advance(HEARTBEAT_MS);
    expect(heard.slice(2)).toEqual(["some 0", "join", "full 1"]);
  });

  it("joins again when the node has something else to say of itself", async () => {
    reporter.start();
    reporter.introduceAgain();
    await clock.advance(0);
    expect(heard).toEqual(["join", "full 1"]);
    reporter.introduceAgain();
    await clock.advance(0);
    expect(heard.slice(2)).toEqual(["join", "full 1"]);
    await clock.advance(HEARTBEAT_MS);
    expect(heard.slice(4)).toEqual(["some 0"]);
  });

  it("states a digest of everything, and tells everything when the leader's differs", async () => {
    await start();
    copies.set("silent", aCopyReport({ guestUid: "00000000-0000-4000-8000-0000000000cc" }));
    wantsFull = true;
    await clock.advance(HEARTBEAT_MS);
    expect(heard.slice(2)).toEqual(["some 0", "full 2"]);
    const digests = reports.map((each) => each.digest);
    expect(digests[1]).toBe(copiesDigest(copies.values()));
    expect(digests[1]).not.toBe(digests[0]);
    await clock.advance(HEARTBEAT_MS);
    expect(heard.slice(4)).toEqual(["some 0"]);
  });

  it("numbers its reports, each higher than the one before", async () => {
    await start();
    await clock.advance(3 * HEARTBEAT_MS);
    const sequences = reports.map((each) => each.sequence);
    expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
    expect(new Set(sequences).size).toBe(reports.length);
  });

  it("says nothing more after it was stopped", async () => {
    await start();
    reporter.stop();
    reporter.changed("a");
    await clock.advance(10 * HEARTBEAT_MS);
    expect(heard).toHaveLength(2);
  });
});

let gate: Promise<void> | undefined;

const controller: ControllerClient = {
  join: () => {
    if (isAway) return Promise.reject(unavailable("controller", "it is away"));
    heard.push("join");
    return Promise.resolve();
  },
  report: async (report) => {
    if (isAway) throw unavailable("controller", "it is away");
    reports.push(report);
    heard.push(`${report.isFull ? "full" : "some"} ${report.copies.length}`);
    await gate;
    const answer = { ...ANSWER, mustJoin, wantsFull };
    mustJoin = false;
    wantsFull = false;
    return answer;
  },
  findBlob: () => Promise.resolve([]),
  readBlob: async function* () {},
  close: () => undefined,
};

async function start(): Promise<void> {
  gate = undefined;
  reporter.start();
  await clock.advance(0);
}
