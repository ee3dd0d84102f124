/**
 * When a guest that fits nowhere is tried again: when something changed that could serve it, else
 * after a pause that doubles with each try.
 */
import type { Clock, Guest } from "@innkeeper/core";

const PAUSE_MS_MIN = 1_000;
export const PAUSE_MS_MAX = 30_000;

interface Tried {
  /** Of what was tried; a newer one is something new. */
  readonly generation: number;
  readonly count: number;
  readonly notBeforeMs: number;
}

export class PlacementRetries {
  readonly #tried = new Map<string, Tried>();

  constructor(private readonly clock: Pick<Clock, "monotonicMs">) {}

  isDue({ uid, generation }: Pick<Guest, "uid" | "generation">): boolean {
    const tried = this.#tried.get(uid);
    if (tried === undefined || tried.generation !== generation) return true;
    return this.clock.monotonicMs() >= tried.notBeforeMs;
  }

  /** It fits nowhere. */
  failed({ uid, generation }: Pick<Guest, "uid" | "generation">): void {
    const before = this.#tried.get(uid);
    const count = before?.generation === generation ? before.count + 1 : 1;
    const pauseMs = Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** (count - 1));
    const notBeforeMs = this.clock.monotonicMs() + pauseMs;
    this.#tried.set(uid, { generation, count, notBeforeMs });
  }

  /** Something changed that could serve it: its next try is due now. */
  wake(uid: string): void {
    const tried = this.#tried.get(uid);
    if (tried !== undefined) this.#tried.set(uid, { ...tried, notBeforeMs: 0 });
  }

  /** It has a place, or is gone. */
  forget(uid: string): void {
    this.#tried.delete(uid);
  }
}
