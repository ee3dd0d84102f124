/** The machine's time. */
import { performance } from "node:perf_hooks";
import type { Clock } from "../ports/clock.js";

/** Longer delays overflow Node's timers, which would then fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  schedule: (delayMs, callback) => scheduleAt(performance.now() + Math.max(0, delayMs), callback),
};

/**
 * Node's timers may fire a millisecond early and not after 24.8 days, so the rest is waited for
 * again.
 */
function scheduleAt(dueMs: number, callback: () => void): () => void {
  let timer: NodeJS.Timeout;
  const wait = (): void => {
    const restMs = Math.ceil(dueMs - performance.now());
    timer = setTimeout(fire, Math.min(Math.max(restMs, 0), TIMER_MS_MAX));
  };
  const fire = (): void => {
    if (performance.now() < dueMs) wait();
    else callback();
  };
  wait();
  return () => {
    clearTimeout(timer);
  };
}
