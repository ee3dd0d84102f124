/**
 * Input that outlives those who take it: when the way to a guest breaks, what was not taken yet
 * goes the next way. Bounded: whoever types waits.
 */
const PIECES_MAX = 64;

export class InputQueue {
  readonly #pieces: Uint8Array[] = [];
  #isOver = false;
  #wakeTaker: () => void = () => undefined;
  #wakeSource: () => void = () => undefined;
  /** Settles when the source has ended; rejects with what it failed with. */
  readonly ended: Promise<void>;

  constructor(
    source: AsyncIterable<Uint8Array>,
    /** Called for each piece that comes. */
    private readonly onPiece: () => void,
  ) {
    this.ended = this.#fill(source);
    this.ended.catch(() => undefined);
  }

  /** One taker at a time; ends with the source or the signal. */
  async *taken(signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const wake = (): void => this.#wakeTaker();
    signal.addEventListener("abort", wake, { once: true });
    try {
      while (!signal.aborted) {
        const piece = this.#pieces.shift();
        this.#wakeSource();
        if (piece !== undefined) yield piece;
        else if (this.#isOver) return;
        else await this.#more();
      }
    } finally {
      signal.removeEventListener("abort", wake);
    }
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wakeTaker = resolve;
    });
  }

  async #fill(source: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const piece of source) {
        this.#pieces.push(piece);
        this.onPiece();
        this.#wakeTaker();
        while (this.#pieces.length >= PIECES_MAX) {
          await new Promise<void>((resolve) => {
            this.#wakeSource = resolve;
          });
        }
      }
    } finally {
      this.#isOver = true;
      this.#wakeTaker();
    }
  }
}
