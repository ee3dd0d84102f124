/**
 * How long a guest stood still, as the guest shows it: it prints a beat each millisecond, and the
 * time lies between the last byte in the console log of its source and the first in that of its
 * target.
 */
import { statSync } from "node:fs";

/** Finer than this a file cannot be looked at without taking the CPU from the guest. */
const LOOK_EVERY_MS = 1;

export class BeatGap {
  #sourceBytes = 0;
  #lastAtMs = 0;
  #firstAtMs: number | undefined;
  readonly #timer: NodeJS.Timeout;

  constructor(
    private readonly sourceFile: string,
    private readonly targetFile: string,
  ) {
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  get hasBegun(): boolean {
    return this.#firstAtMs !== undefined;
  }

  /** @throws when the target has not printed. */
  end(): number {
    clearInterval(this.#timer);
    if (this.#firstAtMs === undefined) throw new Error("the target has printed nothing");
    return this.#firstAtMs - this.#lastAtMs;
  }

  #look(): void {
    const nowMs = performance.now();
    const bytes = sizeOf(this.sourceFile);
    if (bytes > this.#sourceBytes) {
      this.#sourceBytes = bytes;
      this.#lastAtMs = nowMs;
    }
    if (this.#firstAtMs === undefined && sizeOf(this.targetFile) > 0) this.#firstAtMs = nowMs;
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
