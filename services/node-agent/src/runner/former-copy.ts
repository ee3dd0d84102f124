/** The copy that ran before the present one: what it said last can still be read. */
import type { Clock, EngineCopy } from "@innkeeper/core";

/** How long the end of a removed copy's console can still be read. */
const CONSOLE_KEPT_MS = 10_000;

export class FormerCopy {
  #copy: EngineCopy | undefined;

  constructor(private readonly clock: Clock) {}

  get copy(): EngineCopy | undefined {
    return this.#copy;
  }

  /** Until another one ends, or for a while only. */
  keep(copy: EngineCopy, { isForGood }: { readonly isForGood: boolean }): void {
    this.#copy = copy;
    if (isForGood) return;
    this.clock.schedule(CONSOLE_KEPT_MS, () => {
      if (this.#copy === copy) this.#copy = undefined;
    });
  }
}
