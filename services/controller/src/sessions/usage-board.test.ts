import { FakeClock } from "@innkeeper/core/testing";
import { beforeEach, describe, expect, it } from "vitest";
import { UsageBoard } from "./usage-board.js";

const UID = "00000000-0000-4000-8000-000000000001";

let clock: FakeClock;
let board: UsageBoard;

beforeEach(() => {
  clock = new FakeClock();
  board = new UsageBoard(clock);
});

/** One reading after `afterMs`, in which the guest took this much CPU time. */
async function heard(cpuMs: number, afterMs = 0, nodeId = "n1"): Promise<void> {
  await clock.advance(afterMs);
  const readAtMs = clock.monotonicMs();
  board.take(nodeId, [{ guestUid: UID, cpuMs, memoryMib: 64, readAtMs }]);
}

describe("what a guest takes", () => {
  it("is unknown before anything was heard", () => {
    expect(board.now(UID)).toBeUndefined();
    expect(board.lastHour(UID)).toEqual([]);
  });

  it("has a rate once two readings follow each other", async () => {
    await heard(1000);
    expect(board.now(UID)).toMatchObject({ nodeId: "n1", cpuMillis: undefined, memoryMib: 64 });
    await heard(2000, 2000);
    expect(board.now(UID)).toMatchObject({ cpuMillis: 500 });
  });

  it.each([
    ["its copy was started anew", 10, "n1"],
    ["it has moved", 3000, "n2"],
  ])("has no rate when %s (U1)", async (_, cpuMs, nodeId) => {
    await heard(2000);
    await heard(cpuMs, 2000, nodeId);
    expect(board.now(UID)).toMatchObject({ nodeId, cpuMillis: undefined });
  });

  it("is unknown again when nothing was heard for long", async () => {
    await heard(1000);
    await clock.advance(15_001);
    expect(board.now(UID)).toBeUndefined();
  });

  it("is kept for an hour, in samples of the mean", async () => {
    await heard(0);
    for (let second = 5; second <= 4000; second += 5) await heard(second * 250, 5000);
    const samples = board.lastHour(UID);
    expect(samples).toHaveLength(240);
    expect(samples.every(({ cpuMillis }) => cpuMillis === 250)).toBe(true);
    const [first, last] = [samples[0]?.atMs ?? 0, samples.at(-1)?.atMs ?? 0];
    expect(last - first).toBe(239 * 15_000);
  });

  it("is forgotten with the guest", async () => {
    await heard(1000);
    board.forget(UID);
    expect(board.now(UID)).toBeUndefined();
  });
});
