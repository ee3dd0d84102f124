/**
 * What every clock must do (ports/clock.ts). Delays are a few milliseconds, because some clocks are
 * real.
 */
import { describe, expect, it } from "vitest";
import type { Clock } from "../../ports/clock.js";

export interface ClockUnderTest {
  readonly clock: Clock;
  /** Lets at least this much time of the clock pass. */
  pass(durationMs: number): Promise<void>;
}

export function clockContract(name: string, create: () => ClockUnderTest): void {
  describe(`clock contract: ${name}`, () => {
    describe("reading", () => readsTime(create));
    describe("scheduling", () => schedules(create));
  });
}

function readsTime(create: () => ClockUnderTest): void {
  it("tells wall-clock time in epoch milliseconds", () => {
    const year = new Date(create().clock.nowMs()).getUTCFullYear();
    expect(year).toBeGreaterThanOrEqual(2025);
    expect(year).toBeLessThan(2100);
  });

  it("has monotonic time that grows as time passes and never goes back", async () => {
    const { clock, pass } = create();
    let before = clock.monotonicMs();
    for (let reading = 0; reading < 1000; reading += 1) {
      const now = clock.monotonicMs();
      expect(now).toBeGreaterThanOrEqual(before);
      before = now;
    }
    await pass(5);
    expect(clock.monotonicMs()).toBeGreaterThanOrEqual(before + 5);
  });
}

function schedules(create: () => ClockUnderTest): void {
  it("calls back once, not before the delay is over", async () => {
    const { clock, pass } = create();
    const startMs = clock.monotonicMs();
    const calledMs: number[] = [];
    clock.schedule(5, () => calledMs.push(clock.monotonicMs()));
    expect(calledMs).toEqual([]);
    await pass(20);
    await pass(20);
    expect(calledMs).toHaveLength(1);
    expect(calledMs[0]).toBeGreaterThanOrEqual(startMs + 5);
  });

  it("never calls back within the call that schedules, not even without delay", async () => {
    const { clock, pass } = create();
    let isCalled = false;
    clock.schedule(0, () => {
      isCalled = true;
    });
    expect(isCalled).toBe(false);
    await pass(5);
    expect(isCalled).toBe(true);
  });

  it("calls back in the order of due times, and of asking when they are equal", async () => {
    const { clock, pass } = create();
    const order: string[] = [];
    clock.schedule(30, () => order.push("late"));
    clock.schedule(3, () => order.push("early"));
    clock.schedule(3, () => order.push("early too"));
    await pass(60);
    expect(order).toEqual(["early", "early too", "late"]);
  });

  it("does not call back after it was cancelled, even twice or too late", async () => {
    const { clock, pass } = create();
    const called: string[] = [];
    const cancel = clock.schedule(3, () => called.push("cancelled"));
    const cancelLate = clock.schedule(3, () => called.push("kept"));
    cancel();
    cancel();
    await pass(20);
    cancelLate();
    expect(called).toEqual(["kept"]);
  });

  it("waits for months without calling back at once", async () => {
    const { clock, pass } = create();
    let isCalled = false;
    const cancel = clock.schedule(100 * 24 * 3_600_000, () => {
      isCalled = true;
    });
    await pass(10);
    cancel();
    expect(isCalled).toBe(false);
  });

  it("lets a callback schedule the next one", async () => {
    const { clock, pass } = create();
    let ticks = 0;
    const tick = (): void => {
      ticks += 1;
      if (ticks < 3) clock.schedule(1, tick);
    };
    clock.schedule(1, tick);
    await pass(30);
    expect(ticks).toBe(3);
  });
}
