import { describe, expect, it } from "vitest";
import { clockContract } from "./contracts/clock.contract.js";
import { FakeClock } from "./fake-clock.js";

clockContract("fake", () => {
  const clock = new FakeClock();
  return { clock, pass: (durationMs) => clock.advance(durationMs) };
});

clockContract("one process of a fake", () => {
  const clock = new FakeClock();
  return { clock: clock.child(), pass: (durationMs) => clock.advance(durationMs) };
});

describe("FakeClock", () => {
  it("fires by due time, then by the order of setting, at the exact moment (F1)", async () => {
    const clock = new FakeClock();
    const fired: [string, number][] = [];
    const note = (name: string) => () => fired.push([name, clock.monotonicMs()]);
    clock.schedule(20, note("c"));
    clock.schedule(10, note("a"));
    clock.schedule(10, note("b"));
    await clock.advance(19);
    expect(fired).toEqual([
      ["a", 10],
      ["b", 10],
    ]);
    await clock.advance(1);
    expect(fired.at(-1)).toEqual(["c", 20]);
  });

  it("lets promises go on between two timers", async () => {
    const clock = new FakeClock();
    const seen: string[] = [];
    clock.schedule(1, () => {
      void Promise.resolve()
        .then(() => undefined)
        .then(() => seen.push("promise of the first"));
    });
    clock.schedule(1, () => seen.push("second"));
    await clock.advance(1);
    expect(seen).toEqual(["promise of the first", "second"]);
  });

  it("jumps the wall clock without moving timers or monotonic time", async () => {
    const clock = new FakeClock(1000);
    let isFired = false;
    clock.schedule(50, () => {
      isFired = true;
    });
    clock.shiftWallClock(-500);
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([500, 0]);
    await clock.advance(49);
    expect(isFired).toBe(false);
    await clock.advance(1);
    expect(isFired).toBe(true);
  });

  it("runs until a condition holds and stops there", async () => {
    const clock = new FakeClock();
    let count = 0;
    const tick = (): void => {
      count += 1;
      clock.schedule(10, tick);
    };
    clock.schedule(10, tick);
    await clock.runUntil(() => count === 3, 1000);
    expect(clock.monotonicMs()).toBe(30);
  });

  it("fails with the limit when the condition does not hold in time", async () => {
    const clock = new FakeClock();
    await expect(clock.runUntil(() => false, 70)).rejects.toThrow("within 70 ms");
    expect(clock.monotonicMs()).toBe(70);
  });

  it("fires no timer of a killed process, and takes none from it (F2)", async () => {
    const clock = new FakeClock();
    const [killed, other] = [clock.child(), clock.child()];
    const fired: string[] = [];
    killed.schedule(5, () => fired.push("killed"));
    other.schedule(5, () => fired.push("other"));
    killed.kill();
    killed.schedule(5, () => fired.push("after death"));
    await clock.advance(10);
    expect(fired).toEqual(["other"]);
  });

  it("lets one process's wall clock be wrong alone", () => {
    const clock = new FakeClock(1000);
    const [wrong, right] = [clock.child(), clock.child()];
    wrong.shiftWallClock(9000);
    expect([wrong.nowMs(), right.nowMs(), clock.nowMs()]).toEqual([10_000, 1000, 1000]);
    expect(wrong.monotonicMs()).toBe(0);
  });
});
