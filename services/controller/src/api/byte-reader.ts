/** Cuts one stream of pieces into blobs of known sizes. */
import { invalidField } from "@innkeeper/core";

export class ByteReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);
  /** Bytes of the present blob that nobody has read yet. */
  #left = 0;

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** The next `sizeBytes` bytes. @throws `invalid` when the stream is too short. */
  take(sizeBytes: number): AsyncIterable<Uint8Array> {
    this.#left = sizeBytes;
    return this.#blob(sizeBytes);
  }

  /** Passes over what the taker did not read. @throws `invalid` when the stream is too short. */
  async skipRest(): Promise<void> {
    const sizeBytes = this.#left;
    for await (const part of this.#blob(sizeBytes)) void part;
  }

  async *#blob(sizeBytes: number): AsyncGenerator<Uint8Array> {
    while (this.#left > 0) {
      const piece = await this.#piece();
      if (piece === undefined) {
        const got = `${sizeBytes - this.#left} bytes`;
        throw invalidField("data", got, `${sizeBytes} bytes for this blob`);
      }
      const part = piece.subarray(0, this.#left);
      this.#rest = piece.subarray(part.length);
      this.#left -= part.length;
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
