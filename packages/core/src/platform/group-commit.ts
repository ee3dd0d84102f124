/**
 * Many writers, one disk sync: what is asked for in one turn of the event loop, and while the disk
 * is busy, is written as one group. A writer that comes alone waits for nothing but its own sync.
 *
 * G1 Groups are written in the order of asking; the items of one `submit` are never split.
 * G2 When a group fails, everyone in it gets the error and nobody else does.
 */
import { assert } from "../domain/assert.js";
import { unavailable } from "../domain/errors.js";

export interface GroupCommitOptions<Item, Result> {
  /** For messages, e.g. `store`. */
  readonly what: string;
  /** A group is closed when it holds this many items; the rest waits for the next turn. */
  readonly itemsMax: number;
  /**
   * Writes the group durably and answers each item, in order. Throws when nothing is known to be
   * done.
   */
  readonly write: (items: readonly Item[]) => readonly Result[];
}

interface Submission<Item, Result> {
  readonly items: readonly Item[];
  readonly resolve: (results: readonly Result[]) => void;
  readonly reject: (error: unknown) => void;
}

export class GroupCommit<Item, Result> {
  readonly #options: GroupCommitOptions<Item, Result>;
  readonly #queue: Submission<Item, Result>[] = [];
  #isScheduled = false;
  #isClosed = false;

  constructor(options: GroupCommitOptions<Item, Result>) {
    this.#options = options;
  }

  submit(items: readonly Item[]): Promise<readonly Result[]> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) {
        reject(unavailable(this.#options.what, "it is closed"));
        return;
      }
      this.#queue.push({ items, resolve, reject });
      this.#schedule();
    });
  }

  /** Writes what is queued, then refuses everything. */
  close(): void {
    this.#isClosed = true;
    while (this.#queue.length > 0) this.#writeGroup();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (this.#queue.length === 0) return;
      this.#writeGroup();
      if (this.#queue.length > 0) this.#schedule();
    });
  }

  #writeGroup(): void {
    const group = this.#takeGroup();
    try {
      const results = this.#options.write(group.flatMap((submission) => submission.items));
      let start = 0;
      for (const { items, resolve } of group) {
        resolve(results.slice(start, start + items.length));
        start += items.length;
      }
      assert(start === results.length, "a group answers each of its items");
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }

  #takeGroup(): Submission<Item, Result>[] {
    let itemCount = 0;
    let submissionCount = 0;
    for (const { items } of this.#queue) {
      if (submissionCount > 0 && itemCount + items.length > this.#options.itemsMax) break;
      itemCount += items.length;
      submissionCount += 1;
    }
    return this.#queue.splice(0, submissionCount);
  }
}
