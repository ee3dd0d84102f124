/** Blobs in memory. Paths name nothing that can be opened. */
import { createHash } from "node:crypto";
import {
  type BlobName,
  blobMismatch,
  blobNotFound,
  isMismatch,
  noSpaceForBlob,
  parseSha256,
} from "../domain/blob.js";
import type { BlobStore } from "../ports/blob-store.js";

/** What outlives the process that wrote it. */
export class MemoryBlobs {
  /** Last used last. */
  readonly blobs = new Map<string, Uint8Array>();
  readonly partial = new Map<string, Uint8Array>();
}

export class MemoryBlobStore implements BlobStore {
  readonly #blobs: Map<string, Uint8Array>;
  readonly #partial: Map<string, Uint8Array>;
  readonly #fetching = new Map<string, Promise<unknown>>();

  /** @param freeBytes room for blobs that are fetched */
  constructor(
    private readonly freeBytes = Number.MAX_SAFE_INTEGER,
    { blobs, partial } = new MemoryBlobs(),
  ) {
    this.#blobs = blobs;
    this.#partial = partial;
  }

  async write(blob: BlobName, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    parseSha256("sha256", blob.sha256);
    if (this.#blobs.has(blob.sha256)) return;
    const chunks: Uint8Array[] = [];
    let sizeBytes = 0;
    for await (const chunk of bytes) {
      sizeBytes += chunk.length;
      if (sizeBytes > blob.sizeBytes) throw blobMismatch(blob, { sha256: "", sizeBytes });
      chunks.push(chunk);
    }
    const whole = Buffer.concat(chunks);
    const sha256 = createHash("sha256").update(whole).digest("hex");
    if (sizeBytes !== blob.sizeBytes || sha256 !== blob.sha256) {
      throw blobMismatch(blob, { sha256, sizeBytes });
    }
    this.#blobs.set(sha256, whole);
  }

  async fetch(
    blob: BlobName,
    openAt: (offsetBytes: number) => AsyncIterable<Uint8Array>,
  ): Promise<void> {
    parseSha256("sha256", blob.sha256);
    while (this.#fetching.has(blob.sha256)) await this.#fetching.get(blob.sha256);
    if (this.#blobs.has(blob.sha256)) return;
    const fetching = this.#fetch(blob, openAt);
    const settled = fetching.catch(() => undefined);
    this.#fetching.set(blob.sha256, settled);
    await fetching.finally(() => this.#fetching.delete(blob.sha256));
  }

  has(sha256: string): Promise<boolean> {
    return new Promise((resolve) => {
      resolve(this.#blobs.has(parseSha256("sha256", sha256)));
    });
  }

  pathOf(sha256: string): Promise<string> {
    return new Promise((resolve) => {
      const blob = this.#get(sha256);
      this.#blobs.delete(sha256);
      this.#blobs.set(sha256, blob);
      resolve(`/memory/${sha256}`);
    });
  }

  async *read(sha256: string, offsetBytes = 0): AsyncGenerator<Uint8Array, void, undefined> {
    yield this.#get(sha256).subarray(offsetBytes);
  }

  list(): Promise<{ sha256: string; sizeBytes: number }[]> {
    const all = [...this.#blobs].map(([sha256, { length }]) => ({ sha256, sizeBytes: length }));
    return Promise.resolve(all);
  }

  remove(sha256: string): Promise<void> {
    return new Promise((resolve) => {
      this.#blobs.delete(parseSha256("sha256", sha256));
      resolve();
    });
  }

  async #fetch(
    blob: BlobName,
    openAt: (offsetBytes: number) => AsyncIterable<Uint8Array>,
  ): Promise<void> {
    if (blob.sizeBytes > this.freeBytes) throw noSpaceForBlob(blob, this.freeBytes);
    const begun = this.#partial.get(blob.sha256) ?? new Uint8Array(0);
    let got = begun;
    const rest = (async function* () {
      yield begun;
      for await (const chunk of openAt(begun.length)) {
        got = Buffer.concat([got, chunk]);
        yield chunk;
      }
    })();
    try {
      await this.write(blob, rest);
      this.#partial.delete(blob.sha256);
    } catch (error) {
      if (isMismatch(error)) this.#partial.delete(blob.sha256);
      else this.#partial.set(blob.sha256, got);
      throw error;
    }
  }

  #get(sha256: string): Uint8Array {
    const blob = this.#blobs.get(parseSha256("sha256", sha256));
    if (blob === undefined) throw blobNotFound(sha256);
    return blob;
  }
}
