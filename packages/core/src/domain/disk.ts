/** Why a guest's disk cannot be made or kept. */
import { DomainError } from "./errors.js";

/** K4: the disk might not find room for what the guest will write. */
export function diskFull(needMib: number, haveMib: number): DomainError {
  return new DomainError({
    kind: "capacity",
    reason: "DISK_FULL",
    message: `the guest's disks need ${needMib} MiB, this node has ${haveMib} MiB left for disks`,
    metadata: { needMib: String(needMib), haveMib: String(haveMib) },
  });
}

/** The image's disk is not what its manifest says, or not what may be opened. */
export function imageCorrupt(why: string, metadata: Record<string, string> = {}): DomainError {
  const message = `the image's disk cannot be used: ${why}`;
  return new DomainError({ kind: "corrupt", reason: "IMAGE_CORRUPT", message, metadata });
}

/**
 * This host cannot keep disks now: a program is missing, a file system refuses. Told as what the
 * caller must change, so that nobody tries for ever without a word.
 */
export function diskStoreFailed(why: string, cause: unknown): DomainError {
  const message = `this node cannot keep the guest's disks: ${why}`;
  const detail = { reason: "DISK_STORE_FAILED", message, metadata: { why } };
  return new DomainError({ kind: "precondition", ...detail }, { cause });
}
