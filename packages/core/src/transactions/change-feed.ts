/**
 * Change batches on their way to watchers: a bounded window of the newest in memory, and waiting
 * for more. Where older batches come from is the store's business.
 *
 * S6 is kept here: in order, each once, or `compacted`.
 */
import { assert } from "../domain/assert.js";
import type { ChangeBatch, Revision } from "../ports/state-store.js";

/** Batches handed to a watcher at once. */
const PAGE_BATCHES = 256;

/** The newest batches, at most `batchesMax`, without a gap. */
export class ChangeWindow {
  readonly #batchesMax: number;
  #batches: ChangeBatch[] = [];

  constructor(batchesMax: number) {
    assert(Number.isSafeInteger(batchesMax) && batchesMax > 0, "a window holds at least one batch");
    this.#batchesMax = batchesMax;
  }

  append(batch: ChangeBatch): void {
    const last = this.#batches.at(-1);
    assert(last === undefined || last.revision + 1 === batch.revision, "batches have no gap");
    this.#batches.push(batch);
    if (this.#batches.length >= 2 * this.#batchesMax) {
      this.#batches = this.#batches.slice(-this.#batchesMax);
    }
  }

  /**
   * The lowest revision that `since` knows the successor of; undefined while the window is empty.
   */
  get startsAfter(): Revision | undefined {
    const last = this.#batches.at(-1);
    if (last === undefined) return undefined;
    return last.revision - Math.min(this.#batches.length, this.#batchesMax);
  }

  /** The batches after a revision, at most `limit`; undefined when the window starts too late. */
  since(after: Revision, limit: number): readonly ChangeBatch[] | undefined {
    const last = this.#batches.at(-1);
    if (last === undefined || after < (this.startsAfter ?? 0)) return undefined;
    const start = this.#batches.length - (last.revision - after);
    return this.#batches.slice(start, start + limit);
  }
}

/** Where a watcher reads; answers at once. */
export interface ChangeSource {
  /** Batches after the revision, oldest first; empty when there are none yet. */
  read(after: Revision, limit: number): readonly ChangeBatch[] | "compacted";
  readonly wakeups: Wakeups;
}

/** Lets watchers wait for the next commit. */
export class Wakeups {
  #waiting: (() => void)[] = [];
  #isClosed = false;

  get isClosed(): boolean {
    return this.#isClosed;
  }

  wakeAll(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Ends all watchers. */
  close(): void {
    this.#isClosed = true;
    this.wakeAll();
  }

  /** Resolves at the next `wakeAll`, `close` or abort. */
  async next(signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#isClosed) return;
    let wake: () => void = () => undefined;
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const forget = (): void => {
      this.#waiting = this.#waiting.filter((one) => one !== wake);
      wake();
    };
    this.#waiting.push(wake);
    signal.addEventListener("abort", forget, { once: true });
    await woken;
    signal.removeEventListener("abort", forget);
  }
}

/**
 * What `StateStore.changes` does, over any source. Does not end before abort, close or `compacted`.
 */
export async function* watchChanges(
  source: ChangeSource,
  after: Revision,
  signal: AbortSignal,
): AsyncGenerator<ChangeBatch | "compacted", void, undefined> {
  let seen = after;
  while (!isOver(source, signal)) {
    const batches = source.read(seen, PAGE_BATCHES);
    if (batches === "compacted") {
      yield "compacted";
      return;
    }
    for (const batch of batches) {
      if (isOver(source, signal)) return;
      yield batch;
      seen = batch.revision;
    }
    if (batches.length === 0) await source.wakeups.next(signal);
  }
}

function isOver({ wakeups }: ChangeSource, signal: AbortSignal): boolean {
  return signal.aborted || wakeups.isClosed;
}
