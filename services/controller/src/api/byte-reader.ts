/** Cuts one stream of pieces into blobs of known sizes. */
import { invalidField } from "@innkeeper/core";

export class ByteReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /**
   * The next `sizeBytes` bytes, which the caller must read to the end. @throws `invalid` when the
   * stream is too short.
   */
  async *take(sizeBytes: number): AsyncGenerator<Uint8Array> {
    let left = sizeBytes;
    while (left > 0) {
      const piece = await this.#piece();
      if (piece === undefined) {
        throw invalidField("data", `${sizeBytes - left} bytes`, `${sizeBytes} bytes for this blob`);
      }
      const part = piece.subarray(0, left);
      this.#rest = piece.subarray(part.length);
      left -= part.length;
      yield part;
    }
  }

  /** @throws `invalid` when there are more bytes than the manifest says. */
  async expectEnd(): Promise<void> {
    const piece = await this.#piece();
    if (piece !== undefined)
      throw invalidField("data", "more bytes", "the bytes of the blobs only");
  }

  async #piece(): Promise<Uint8Array | undefined> {
    if (this.#rest.length > 0) {
      const rest = this.#rest;
      this.#rest = new Uint8Array(0);
      return rest;
    }
    for (;;) {
      const next = await this.#pieces.next();
      if (next.done) return undefined;
      if (next.value.length > 0) return next.value;
    }
  }
}
