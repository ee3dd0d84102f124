import { describe, expect, it } from "vitest";
import type { ChangeBatch } from "../ports/state-store.js";
import { forEachSeed } from "../testing/prng.js";
import { type ChangeSource, ChangeWindow, Wakeups, watchChanges } from "./change-feed.js";

describe("ChangeWindow", () => {
  it("gives what a plain list of the newest batches gives", () => {
    forEachSeed(100, (prng) => {
      const batchesMax = prng.integer(1, 6);
      const first = prng.integer(1, 5);
      const window = new ChangeWindow(batchesMax);
      expect(window.since(0, 9)).toBeUndefined();
      for (let revision = first; revision < first + 20; revision += 1) {
        window.append(batch(revision));
        const count = Math.min(batchesMax, revision - first + 1);
        expect(window.startsAfter).toBe(revision - count);
        expectSince(window, { oldest: revision - count, newest: revision, first });
      }
    });
  });

  it("gives no more than the limit", () => {
    const window = new ChangeWindow(10);
    for (const revision of range(1, 10)) window.append(batch(revision));
    expect(window.since(2, 3)?.map((each) => each.revision)).toEqual([3, 4, 5]);
  });

  it("takes no batch out of order", () => {
    const window = new ChangeWindow(10);
    window.append(batch(3));
    expect(() => window.append(batch(5))).toThrow("no gap");
  });
});

describe("watchChanges", () => {
  it("is woken once for each commit and forgets its waiter when it is aborted", async () => {
    const log = new Log();
    const abort = new AbortController();
    const changes = watchChanges(log, 0, abort.signal);
    const first = changes.next();
    log.append();
    expect(await first).toMatchObject({ value: { revision: 1 } });
    const second = changes.next();
    abort.abort();
    expect(await second).toMatchObject({ done: true });
  });

  it("yields each batch once, however commits and reads interleave", async () => {
    const log = new Log();
    const watching = take(watchChanges(log, 0, new AbortController().signal), 600);
    for (let count = 0; count < 600; count += 1) {
      log.append();
      if (count % 7 === 0) await Promise.resolve();
    }
    expect(await watching).toEqual(range(1, 600));
  });

  it("stops between two batches of one page when it is aborted", async () => {
    const log = new Log();
    for (let count = 0; count < 10; count += 1) log.append();
    const abort = new AbortController();
    const changes = watchChanges(log, 0, abort.signal);
    await changes.next();
    abort.abort();
    expect(await changes.next()).toMatchObject({ done: true });
  });
});

describe("Wakeups", () => {
  it("wakes everyone, at once after it was closed or aborted", async () => {
    const wakeups = new Wakeups();
    const signal = new AbortController().signal;
    const waiting = [wakeups.next(signal), wakeups.next(signal)];
    wakeups.wakeAll();
    await Promise.all(waiting);
    await wakeups.next(AbortSignal.abort());
    wakeups.close();
    await wakeups.next(signal);
    expect(wakeups.isClosed).toBe(true);
  });
});

class Log implements ChangeSource {
  readonly wakeups = new Wakeups();
  readonly #batches: ChangeBatch[] = [];

  append(): void {
    this.#batches.push(batch(this.#batches.length + 1));
    this.wakeups.wakeAll();
  }

  read(after: number, limit: number): readonly ChangeBatch[] {
    return this.#batches.slice(after, after + limit);
  }
}

function expectSince(
  window: ChangeWindow,
  log: { readonly first: number; readonly oldest: number; readonly newest: number },
): void {
  for (let after = log.first - 1; after <= log.newest; after += 1) {
    const expected = after < log.oldest ? undefined : range(after + 1, log.newest);
    expect(window.since(after, 100)?.map((each) => each.revision)).toEqual(expected);
  }
}

async function take(
  changes: AsyncIterable<ChangeBatch | "compacted">,
  count: number,
): Promise<readonly number[]> {
  const seen: number[] = [];
  for await (const each of changes) {
    seen.push(each === "compacted" ? -1 : each.revision);
    if (seen.length === count) break;
  }
  return seen;
}

function batch(revision: number): ChangeBatch {
  return { revision, atMs: 0, changes: [] };
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
