/**
 * Blobs as files: `<directory>/<sha256>`, written as `<directory>/partial/<sha256>.<n>` first. One
 * process owns the directory.
 *
 * B1 A file under its hash is whole, verified and on the disk: it is renamed there only after
 *    fsync.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { access, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type BlobName, blobMismatch, blobNotFound, parseSha256 } from "../domain/blob.js";
import { DomainError, toDomainError, unavailable } from "../domain/errors.js";
import type { BlobStore } from "../ports/blob-store.js";

const READ_CHUNK_BYTES = 256 * 1024;

export interface FileBlobStoreOptions {
  readonly directory: string;
}

/** Makes the directory if needed and removes what broken writes left. @throws `unavailable`. */
export async function createFileBlobStore(options: FileBlobStoreOptions): Promise<BlobStore> {
  const directory = resolve(options.directory);
  const partial = join(directory, "partial");
  try {
    await mkdir(partial, { recursive: true });
    for (const name of await readdir(partial)) await rm(join(partial, name), { recursive: true });
  } catch (error) {
    throw blobStoreError(error);
  }
  return new FileBlobStore(directory);
}

class FileBlobStore implements BlobStore {
  readonly #directory: string;
  /** Writes under way, by hash; each settles without rejecting. */
  readonly #writing = new Map<string, Promise<unknown>>();
  #partialCount = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async write(blob: BlobName, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    parseSha256("sha256", blob.sha256);
    for (;;) {
      const other = this.#writing.get(blob.sha256);
      if (other === undefined) break;
      await other;
    }
    const writing = this.#writeUnlessThere(blob, bytes);
    const settled = writing.catch(() => undefined);
    this.#writing.set(blob.sha256, settled);
    try {
      await writing;
    } finally {
      this.#writing.delete(blob.sha256);
    }
  }

  async has(sha256: string): Promise<boolean> {
    const path = this.#path(sha256);
    try {
      await access(path);
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw blobStoreError(error);
    }
  }

  async pathOf(sha256: string): Promise<string> {
    if (await this.has(sha256)) return this.#path(sha256);
    throw blobNotFound(sha256);
  }

  async *read(sha256: string): AsyncGenerator<Uint8Array, void, undefined> {
    const stream = createReadStream(this.#path(sha256), { highWaterMark: READ_CHUNK_BYTES });
    try {
      for await (const chunk of stream) yield chunk as Uint8Array;
    } catch (error) {
      throw isMissing(error) ? blobNotFound(sha256) : blobStoreError(error);
    } finally {
      stream.destroy();
    }
  }

  async remove(sha256: string): Promise<void> {
    try {
      await rm(this.#path(sha256), { force: true });
    } catch (error) {
      throw blobStoreError(error);
    }
  }

  #path(sha256: string): string {
    return join(this.#directory, parseSha256("sha256", sha256));
  }

  async #writeUnlessThere(blob: BlobName, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    if (await this.has(blob.sha256)) {
      await bytes[Symbol.asyncIterator]().return?.();
      return;
    }
    this.#partialCount += 1;
    const partial = join(this.#directory, "partial", `${blob.sha256}.${this.#partialCount}`);
    try {
      await writeVerified({ path: partial, blob, bytes });
      await rename(partial, this.#path(blob.sha256));
      await syncDirectory(this.#directory);
    } catch (error) {
      await rm(partial, { force: true }).catch(() => undefined);
      throw blobStoreError(error);
    }
  }
}

async function writeVerified(write: {
  readonly path: string;
  readonly blob: BlobName;
  readonly bytes: AsyncIterable<Uint8Array>;
}): Promise<void> {
  const { path, blob, bytes } = write;
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const file = await open(path, "wx");
  try {
    for await (const chunk of bytes) {
      sizeBytes += chunk.length;
      if (sizeBytes > blob.sizeBytes) throw blobMismatch(blob, { sha256: "", sizeBytes });
      hash.update(chunk);
      await file.writeFile(chunk);
    }
    const sha256 = hash.digest("hex");
    if (sizeBytes !== blob.sizeBytes || sha256 !== blob.sha256) {
      throw blobMismatch(blob, { sha256, sizeBytes });
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

/** What the file system refused may work later; errors of the incoming stream are passed on. */
function blobStoreError(error: unknown): DomainError {
  if (error instanceof DomainError) return error;
  if (error instanceof Error && "syscall" in error) {
    return unavailable("blob store", error.message, error);
  }
  return toDomainError(error);
}
