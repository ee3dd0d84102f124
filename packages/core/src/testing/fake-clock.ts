/**
 * Virtual time. Nothing happens until a test advances it; then timers fire one after the other, and
 * between two timers everything that promises have to do is done.
 *
 * F1 Timers fire in order of (due time, order of setting).
 * F2 No timer of a killed process fires.
 */
import { assert } from "../domain/assert.js";
import type { Clock } from "../ports/clock.js";
import { type Timer, TimerQueue } from "./timer-queue.js";

/** 2026-01-01T00:00:00Z. */
const START_AT_MS = 1_767_225_600_000;

export class FakeClock implements Clock {
  readonly #timers = new TimerQueue();
  #monotonicMs = 0;
  #wallOffsetMs: number;
  #sequence = 0;

  constructor(startAtMs: number = START_AT_MS) {
    this.#wallOffsetMs = startAtMs;
  }

  nowMs(): number {
    return this.#wallOffsetMs + this.#monotonicMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  schedule(delayMs: number, callback: () => void): () => void {
    assert(delayMs >= 0 && Number.isFinite(delayMs), "a delay is at least 0 and finite");
    this.#sequence += 1;
    const timer: Timer = {
      dueMs: this.#monotonicMs + delayMs,
      sequence: this.#sequence,
      callback,
      isCancelled: false,
    };
    this.#timers.push(timer);
    return () => {
      timer.isCancelled = true;
    };
  }

  /** Makes the wall clock jump; timers and monotonic time do not notice. */
  shiftWallClock(deltaMs: number): void {
    this.#wallOffsetMs += deltaMs;
  }

  /** Lets this much time pass, firing all that falls due. */
  async advance(durationMs: number): Promise<void> {
    const endMs = this.#monotonicMs + durationMs;
    await settle();
    while (await this.#fireNext(endMs));
    this.#monotonicMs = endMs;
  }

  /**
   * Lets time pass until the condition holds, asking after each timer.
   * @throws Error when it does not hold within `withinMs` of virtual time, or nothing is left to
   * wait for.
   */
  async runUntil(condition: () => boolean | Promise<boolean>, withinMs: number): Promise<void> {
    const endMs = this.#monotonicMs + withinMs;
    await settle();
    while (!(await condition())) {
      if (await this.#fireNext(endMs)) continue;
      this.#monotonicMs = endMs;
      throw new Error(`the condition did not hold within ${withinMs} ms of virtual time`);
    }
  }

  /** The clock of one simulated process. */
  child(): ProcessClock {
    return new ProcessClock(this);
  }

  async #fireNext(endMs: number): Promise<boolean> {
    const due = this.#timers.peek();
    if (due === undefined || due.dueMs > endMs) return false;
    this.#timers.pop();
    this.#monotonicMs = due.dueMs;
    due.callback();
    await settle();
    return true;
  }
}

/**
 * One simulated process's view of a {@link FakeClock}: ends with the process, and its wall clock
 * may be wrong.
 */
export class ProcessClock implements Clock {
  readonly #clock: FakeClock;
  #wallOffsetMs = 0;
  #isKilled = false;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  get isKilled(): boolean {
    return this.#isKilled;
  }

  nowMs(): number {
    return this.#clock.nowMs() + this.#wallOffsetMs;
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  schedule(delayMs: number, callback: () => void): () => void {
    if (this.#isKilled) return () => undefined;
    return this.#clock.schedule(delayMs, () => {
      if (!this.#isKilled) callback();
    });
  }

  shiftWallClock(deltaMs: number): void {
    this.#wallOffsetMs += deltaMs;
  }

  /** The process is gone: no timer of it fires again (F2). */
  kill(): void {
    this.#isKilled = true;
  }
}

/** Lets all promises that can go on go on: a turn of the event loop comes after every microtask. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
