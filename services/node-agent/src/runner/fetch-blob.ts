/**
 * Brings a blob to this node: from agents that have it, else from a controller. Where one source
 * breaks off, the next one goes on.
 *
 * F1 What is not the blob is never taken: the store verifies it, and after a mismatch only a
 *    controller is asked.
 * F2 What guests of this node need is never removed to make room.
 */
import { DomainError, type ImageBlob, isMismatch, toDomainError } from "@innkeeper/core";
import type { RunnerContext } from "./runner-context.js";

type BlobContext = Pick<RunnerContext, "blobs" | "controller" | "log" | "nodeId"> &
  Partial<Pick<RunnerContext, "blobPeers" | "imageCache">>;

/**
 * @returns its path. @throws `unavailable` when nobody can give it now, `capacity` (NO_SPACE) when
 * the host has no room for it even without the blobs that no guest needs.
 */
export async function fetchBlob(context: BlobContext, blob: ImageBlob): Promise<string> {
  const { blobs, log } = context;
  const { sha256 } = blob;
  if (await blobs.has(sha256)) return await blobs.pathOf(sha256);
  await makeRoom(context, (context.imageCache?.bytesMax ?? Infinity) - blob.sizeBytes);
  try {
    await blobs.fetch(blob, (offsetBytes) => fromAnyone(context, blob, offsetBytes));
  } catch (error) {
    if (isMismatch(error)) {
      log.warn({ sha256, error }, "another agent gave a wrong blob; a controller is asked");
      await blobs.fetch(blob, (offsetBytes) => context.controller.readBlob(sha256, offsetBytes));
    } else if (isNoSpace(error) && (await makeRoom(context, 0))) {
      await blobs.fetch(blob, (offsetBytes) => fromAnyone(context, blob, offsetBytes));
    } else {
      throw error;
    }
  }
  return await blobs.pathOf(sha256);
}

/** Removes blobs that no guest needs until `keptBytes` are left. @returns whether any was. */
async function makeRoom({ blobs, imageCache }: BlobContext, keptBytes: number): Promise<boolean> {
  if (imageCache === undefined) return false;
  const known = await blobs.list();
  let heldBytes = known.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const inUse = imageCache.inUse();
  let isAny = false;
  for (const { sha256, sizeBytes } of known) {
    if (heldBytes <= keptBytes) break;
    if (inUse.has(sha256)) continue;
    await blobs.remove(sha256);
    heldBytes -= sizeBytes;
    isAny = true;
  }
  return isAny;
}

async function* fromAnyone(
  context: BlobContext,
  { sha256, sizeBytes }: ImageBlob,
  offsetBytes: number,
): AsyncGenerator<Uint8Array> {
  const { controller, blobPeers, log } = context;
  let offset = offsetBytes;
  for (const address of await holdersOf(context, sha256)) {
    try {
      for await (const piece of blobPeers?.readBlob(address, sha256, offset) ?? []) {
        offset += piece.length;
        yield piece;
      }
      if (offset >= sizeBytes) return;
    } catch (error) {
      log.info({ sha256, address, offset, error }, "a blob was not had from another agent");
    }
  }
  yield* controller.readBlob(sha256, offset);
}

/** A controller that cannot say has the blob itself. */
async function holdersOf(context: BlobContext, sha256: string): Promise<readonly string[]> {
  if (context.blobPeers === undefined) return [];
  try {
    return await context.controller.findBlob(sha256, context.nodeId);
  } catch (error) {
    context.log.debug({ sha256, error: toDomainError(error) }, "nobody says who has a blob");
    return [];
  }
}

function isNoSpace(error: unknown): boolean {
  return error instanceof DomainError && error.reason === "NO_SPACE";
}
