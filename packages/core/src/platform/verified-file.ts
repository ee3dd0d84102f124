/** Files whose bytes are named in advance by size and sha256. */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { type BlobName, blobMismatch } from "../domain/blob.js";

/**
 * Appends to the file at `path`, made if needed, what `openAt` gives from its end on, until the
 * whole is the blob, and brings it to the disk. What came stays in the file when it breaks.
 * @throws BLOB_MISMATCH as soon as that is certain; what the stream or the file system says.
 */
export async function completeFile(
  path: string,
  blob: BlobName,
  openAt: (offsetBytes: number) => AsyncIterable<Uint8Array>,
): Promise<void> {
  const hash = createHash("sha256");
  const file = await open(path, "a");
  try {
    const writing = { file, hash, blob, sizeBytes: await hashFile(path, hash) };
    const sizeBytes = await append(writing, openAt(writing.sizeBytes));
    const sha256 = hash.digest("hex");
    if (sizeBytes !== blob.sizeBytes || sha256 !== blob.sha256) {
      throw blobMismatch(blob, { sha256, sizeBytes });
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/** @returns how many bytes it has. */
async function hashFile(path: string, hash: Hash): Promise<number> {
  let sizeBytes = 0;
  for await (const chunk of createReadStream(path)) {
    const { length } = chunk as Buffer;
    sizeBytes += length;
    hash.update(chunk as Buffer);
  }
  return sizeBytes;
}

async function append(
  writing: { file: FileHandle; hash: Hash; blob: BlobName; sizeBytes: number },
  bytes: AsyncIterable<Uint8Array>,
): Promise<number> {
  const { file, hash, blob } = writing;
  let { sizeBytes } = writing;
  for await (const chunk of bytes) {
    sizeBytes += chunk.length;
    if (sizeBytes > blob.sizeBytes) throw blobMismatch(blob, { sha256: "", sizeBytes });
    hash.update(chunk);
    await file.writeFile(chunk);
  }
  return sizeBytes;
}
