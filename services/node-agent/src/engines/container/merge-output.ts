/** Two streams of one process as one, in the order in which their bytes come. */
import type { Readable } from "node:stream";
import type { Clock } from "@innkeeper/core";

type Kind = "stdout" | "stderr";

export interface OutputStreams extends Readonly<Record<Kind, Readable>> {
  /** Resolves when the process has ended; others may still hold its streams. */
  readonly exited: Promise<unknown>;
  readonly clock: Clock;
}

interface Piece {
  readonly kind: Kind;
  readonly bytes: Uint8Array;
}

/**
 * Ends with both streams; after the end of the process also when nothing came for `silenceMs`.
 * Reads no more than one piece of each ahead.
 */
export async function* mergeOutput(
  streams: OutputStreams,
  silenceMs: number,
): AsyncGenerator<Piece> {
  const merged = new MergedOutput(streams, silenceMs);
  try {
    for (let piece = await merged.next(); piece; piece = await merged.next()) yield piece;
  } finally {
    streams.stdout.destroy();
    streams.stderr.destroy();
  }
}

class MergedOutput {
  readonly #ready: Piece[] = [];
  readonly #pulls: Readonly<Record<Kind, () => void>>;
  #openCount = 2;
  #hasExited = false;
  #wake: () => void = () => undefined;

  constructor(
    private readonly streams: OutputStreams,
    private readonly silenceMs: number,
  ) {
    this.#pulls = { stdout: this.#puller("stdout"), stderr: this.#puller("stderr") };
    this.#pulls.stdout();
    this.#pulls.stderr();
    void streams.exited.then(() => {
      this.#hasExited = true;
      this.#wake();
    });
  }

  async next(): Promise<Piece | undefined> {
    let isSilent = false;
    while (this.#ready.length === 0 && this.#openCount > 0 && !isSilent)
      isSilent = await this.#wait();
    const piece = this.#ready.shift();
    if (piece !== undefined) this.#pulls[piece.kind]();
    return piece;
  }

  /** Resolves when something has happened, true when nothing did for too long. */
  #wait(): Promise<boolean> {
    return new Promise((resolve) => {
      const { clock } = this.streams;
      const cancel = this.#hasExited
        ? clock.schedule(this.silenceMs, () => resolve(true))
        : (): void => undefined;
      this.#wake = () => {
        cancel();
        resolve(false);
      };
    });
  }

  /** A stream that breaks has ended. */
  #puller(kind: Kind): () => void {
    const pieces = this.streams[kind][Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
    const end = { done: true, value: undefined } as const;
    return () => {
      void pieces
        .next()
        .catch(() => end)
        .then(({ done, value }) => {
          if (done === true) this.#openCount -= 1;
          else this.#ready.push({ kind, bytes: value });
          this.#wake();
        });
    };
  }
}
