/** What came while the last group was worked on is the next group. */
import { Wakeups } from "@innkeeper/core";

/**
 * Groups of at most `sizeMax` items in order, each as large as what has come. Reads at most one
 * group ahead. The caller ends the source.
 */
export async function* inGroups<T>(
  source: AsyncIterable<T>,
  sizeMax: number,
): AsyncGenerator<readonly T[], void, undefined> {
  const reader = new ReadAhead<T>(sizeMax);
  const filling = reader.fill(source);
  try {
    for (;;) {
      const group = await reader.take();
      if (group.length === 0) break;
      yield group;
    }
  } finally {
    reader.close();
  }
  await filling;
}

class ReadAhead<T> {
  #group: T[] = [];
  #isOver = false;
  readonly #wakeups = new Wakeups();
  readonly #abort = new AbortController();

  constructor(private readonly sizeMax: number) {}

  /** Ends with the source or after `close`. Throws what the source throws. */
  async fill(source: AsyncIterable<T>): Promise<void> {
    try {
      for await (const item of source) {
        this.#group.push(item);
        this.#wakeups.wakeAll();
        while (this.#group.length >= this.sizeMax && !this.#isOver) await this.#change();
        if (this.#isOver) return;
      }
    } finally {
      this.#isOver = true;
      this.#wakeups.wakeAll();
    }
  }

  /** Empty when the source has ended. */
  async take(): Promise<readonly T[]> {
    while (this.#group.length === 0 && !this.#isOver) await this.#change();
    const group = this.#group;
    this.#group = [];
    this.#wakeups.wakeAll();
    return group;
  }

  close(): void {
    this.#isOver = true;
    this.#abort.abort();
    this.#wakeups.wakeAll();
  }

  #change(): Promise<void> {
    return this.#wakeups.next(this.#abort.signal);
  }
}
