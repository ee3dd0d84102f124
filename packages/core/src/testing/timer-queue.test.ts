import { expect, it } from "vitest";
import { forEachSeed, type Prng } from "./prng.js";
import { type Timer, TimerQueue } from "./timer-queue.js";

it("pops what a sorted list would, with pushes, pops and cancels in any order", () => {
  forEachSeed(200, (prng) => {
    const queue = new TimerQueue();
    const waiting: Timer[] = [];
    for (let sequence = 0; sequence < 80; sequence += 1) {
      if (prng.chance(0.6)) push({ queue, waiting, prng, sequence });
      else if (prng.chance(0.3)) cancelOne(waiting, prng);
      else expect(queue.pop()).toBe(popSorted(waiting));
    }
    while (waiting.length > 0) expect(queue.pop()).toBe(popSorted(waiting));
    expect(queue.peek()).toBeUndefined();
  });
});

function push(to: {
  readonly queue: TimerQueue;
  readonly waiting: Timer[];
  readonly prng: Prng;
  readonly sequence: number;
}): void {
  const dueMs = to.prng.integer(0, 10);
  const callback = (): void => undefined;
  const timer = { dueMs, sequence: to.sequence, callback, isCancelled: false };
  to.queue.push(timer);
  to.waiting.push(timer);
}

function cancelOne(waiting: readonly Timer[], prng: Prng): void {
  if (waiting.length > 0) prng.pick(waiting).isCancelled = true;
}

function popSorted(waiting: Timer[]): Timer | undefined {
  waiting.sort((a, b) => a.dueMs - b.dueMs || a.sequence - b.sequence);
  while (waiting[0]?.isCancelled) waiting.shift();
  return waiting.shift();
}
