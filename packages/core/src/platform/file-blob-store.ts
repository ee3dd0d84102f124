/**
 * Blobs as files: `<directory>/<sha256>`, written as `<directory>/partial/<sha256>.<n>` first, or
 * fetched as `<directory>/partial/<sha256>.fetch`. One process owns the directory. A file's time of
 * change is that of its last use.
 *
 * B1 A file under its hash is whole, verified and on the disk: it is renamed there only after
 *    fsync.
 */
import { createReadStream } from "node:fs";
import { access, mkdir, open, readdir, rename, rm, stat, statfs, utimes } from "node:fs/promises";
import { join, resolve } from "node:path";
import {
  type BlobName,
  blobNotFound,
  isMismatch,
  noSpaceForBlob,
  parseSha256,
} from "../domain/blob.js";
import { DomainError, toDomainError, unavailable } from "../domain/errors.js";
import type { BlobStore } from "../ports/blob-store.js";
import { completeFile } from "./verified-file.js";

const READ_CHUNK_BYTES = 256 * 1024;
/** What a fetch leaves free on the host. */
const KEPT_FREE_BYTES = 64 * 1024 * 1024;
/** A fetch that nobody went on with for so long is given up. */
const FETCH_KEPT_MS = 24 * 3_600_000;
const FETCH = ".fetch";

type OpenAt = Parameters<BlobStore["fetch"]>[1];

export interface FileBlobStoreOptions {
  readonly directory: string;
  /** Bytes that are free on the file system of this directory; asked before each fetch. */
  readonly freeBytes?: (directory: string) => Promise<number>;
}

/**
 * Makes the directory if needed and removes what broken writes and old fetches left. @throws
 * `unavailable`.
 */
export async function createFileBlobStore(options: FileBlobStoreOptions): Promise<BlobStore> {
  const directory = resolve(options.directory);
  const partial = join(directory, "partial");
  try {
    await mkdir(partial, { recursive: true });
    for (const name of await readdir(partial)) await removeBroken(join(partial, name));
  } catch (error) {
    throw blobStoreError(error);
  }
  return new FileBlobStore(directory, options.freeBytes ?? freeBytesOf);
}

async function removeBroken(file: string): Promise<void> {
  const { mtimeMs } = await stat(file);
  if (file.endsWith(FETCH) && mtimeMs > Date.now() - FETCH_KEPT_MS) return;
  await rm(file, { recursive: true });
}

async function freeBytesOf(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

class FileBlobStore implements BlobStore {
  readonly #directory: string;
  /** Writes under way, by hash; each settles without rejecting. */
  readonly #writing = new Map<string, Promise<unknown>>();
  #partialCount = 0;

  constructor(
    directory: string,
    private readonly freeBytes: (directory: string) => Promise<number>,
  ) {
    this.#directory = directory;
  }

  async write(blob: BlobName, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    await this.#alone(blob, () => this.#writeUnlessThere(blob, bytes));
  }

  async fetch(blob: BlobName, openAt: OpenAt): Promise<void> {
    await this.#alone(blob, () => this.#fetchUnlessThere(blob, openAt));
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
    const path = this.#path(sha256);
    const now = new Date();
    try {
      await utimes(path, now, now);
    } catch (error) {
      throw isMissing(error) ? blobNotFound(sha256) : blobStoreError(error);
    }
    return path;
  }

  async list(): Promise<{ sha256: string; sizeBytes: number }[]> {
    const found = [];
    for (const sha256 of await readdir(this.#directory)) {
      if (sha256 === "partial") continue;
      const { size: sizeBytes, mtimeMs } = await stat(this.#path(sha256));
      found.push({ sha256, sizeBytes, mtimeMs });
    }
    found.sort((a, b) => a.mtimeMs - b.mtimeMs);
    return found.map(({ sha256, sizeBytes }) => ({ sha256, sizeBytes }));
  }

  async *read(sha256: string, offsetBytes = 0): AsyncGenerator<Uint8Array, void, undefined> {
    const range = { start: offsetBytes, highWaterMark: READ_CHUNK_BYTES };
    const stream = createReadStream(this.#path(sha256), range);
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

  /** One at a time for each blob. */
  async #alone({ sha256 }: BlobName, work: () => Promise<void>): Promise<void> {
    parseSha256("sha256", sha256);
    for (;;) {
      const other = this.#writing.get(sha256);
      if (other === undefined) break;
      await other;
    }
    const writing = work();
    const settled = writing.catch(() => undefined);
    this.#writing.set(sha256, settled);
    try {
      await writing;
    } finally {
      this.#writing.delete(sha256);
    }
  }

  async #writeUnlessThere(blob: BlobName, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    if (await this.has(blob.sha256)) {
      await bytes[Symbol.asyncIterator]().return?.();
      return;
    }
    this.#partialCount += 1;
    const partial = join(this.#directory, "partial", `${blob.sha256}.${this.#partialCount}`);
    try {
      await completeFile(partial, blob, () => bytes);
      await this.#show(partial, blob);
    } catch (error) {
      await rm(partial, { force: true }).catch(() => undefined);
      throw blobStoreError(error);
    }
  }

  async #fetchUnlessThere(blob: BlobName, openAt: OpenAt): Promise<void> {
    if (await this.has(blob.sha256)) return;
    const partial = join(this.#directory, "partial", `${blob.sha256}${FETCH}`);
    try {
      await this.#checkSpace(blob, partial);
      await completeFile(partial, blob, openAt);
      await this.#show(partial, blob);
    } catch (error) {
      if (isMismatch(error)) await rm(partial, { force: true }).catch(() => undefined);
      throw blobStoreError(error);
    }
  }

  async #checkSpace(blob: BlobName, partial: string): Promise<void> {
    const freeBytes = Math.max(0, (await this.freeBytes(this.#directory)) - KEPT_FREE_BYTES);
    const begun = await stat(partial).catch(() => ({ size: 0 }));
    if (blob.sizeBytes - begun.size > freeBytes) throw noSpaceForBlob(blob, freeBytes);
  }

  async #show(partial: string, { sha256 }: BlobName): Promise<void> {
    await rename(partial, this.#path(sha256));
    await syncDirectory(this.#directory);
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
