/** Tells the demo: numbered steps with times on standard output, every figure kept for `--json`. */

/** What a step found out; every figure carries its unit in its name. */
export type Figures = Readonly<Record<string, number | string | boolean>>;

export class DemoFailure extends Error {
  override readonly name = "DemoFailure";
}

/** Fails the demo when something did not do what it says. */
export function must(condition: unknown, sentence: string): asserts condition {
  if (!condition) throw new DemoFailure(sentence);
}

export class Story {
  readonly #figures: Record<string, number | string | boolean> = {};
  readonly #startedMs = performance.now();
  #steps = 0;

  constructor(private readonly write: (text: string) => void) {}

  get figures(): Figures {
    return { ...this.#figures, totalMs: Math.round(performance.now() - this.#startedMs) };
  }

  /** One step: a headline, what it says, its time. */
  async step<T>(title: string, work: () => Promise<T>): Promise<T> {
    this.#steps += 1;
    this.write(`\n${this.#steps}. ${title}\n`);
    const startedMs = performance.now();
    const result = await work();
    this.say(`(${((performance.now() - startedMs) / 1000).toFixed(2)} s)`);
    return result;
  }

  /** A step that is not told here, and why. */
  leaveOut(what: string, why: string): void {
    this.write(`\n-  left out: ${what} (${why})\n`);
  }

  say(line: string): void {
    this.write(`${line.replaceAll(/^/gm, "   ")}\n`);
  }

  record(figures: Figures): void {
    Object.assign(this.#figures, figures);
  }
}
