/** Blobs in memory. Paths name nothing that can be opened. */
import { createHash } from "node:crypto";
import { type BlobName, blobMismatch, blobNotFound, parseSha256 } from "../domain/blob.js";
import type { BlobStore } from "../ports/blob-store.js";

export class MemoryBlobStore implements BlobStore {
  readonly #blobs = new Map<string, Uint8Array>();

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

  has(sha256: string): Promise<boolean> {
    return new Promise((resolve) => {
      resolve(this.#blobs.has(parseSha256("sha256", sha256)));
    });
  }

  pathOf(sha256: string): Promise<string> {
    return new Promise((resolve) => {
      this.#get(sha256);
      resolve(`/memory/${sha256}`);
    });
  }

  async *read(sha256: string): AsyncGenerator<Uint8Array, void, undefined> {
    yield this.#get(sha256);
  }

  remove(sha256: string): Promise<void> {
    return new Promise((resolve) => {
      this.#blobs.delete(parseSha256("sha256", sha256));
      resolve();
    });
  }

  #get(sha256: string): Uint8Array {
    const blob = this.#blobs.get(parseSha256("sha256", sha256));
    if (blob === undefined) throw blobNotFound(sha256);
    return blob;
  }
}
