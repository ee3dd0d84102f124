/** The disks that a guest has beside the one it boots from, and why a disk cannot be had. */
import { DomainError, invalidField, precondition } from "./errors.js";

/** Blank at first; belongs to the guest and goes with it. */
export interface DataDisk {
  /** Unique in its guest; the guest sees it as the disk's serial number. */
  readonly name: string;
  readonly sizeMib: number;
}

/** What every machine has room for beside the first disk and the volume that tells it of itself. */
export const DATA_DISKS_MAX = 2;
/** The length of a serial number of a virtio disk. */
const NAME = /^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$/;

/** @throws `invalid` naming the field. */
export function parseDataDiskName(field: string, value: string): string {
  if (NAME.test(value)) return value;
  throw invalidField(field, value, "1 to 20 of a-z, 0-9 and '-', '-' not at the ends");
}

export function dataDisksMib(disks: readonly DataDisk[] | undefined): number {
  return (disks ?? []).reduce((sum, { sizeMib }) => sum + sizeMib, 0);
}

export function isSameDisks(
  left: readonly DataDisk[] | undefined,
  right: readonly DataDisk[] | undefined,
): boolean {
  return textOf(left) === textOf(right);
}

function textOf(disks: readonly DataDisk[] = []): string {
  return JSON.stringify(disks.map(({ name, sizeMib }) => [name, sizeMib]));
}

/** The guest does not let go of a disk that it shall lose. */
export function diskInUse(name: string): DomainError {
  const message = `the guest does not let go of disk "${name}": unmount it there first`;
  return precondition("DISK_IN_USE", message, { disk: name });
}

/** A machine of this mode has the disks that it was launched with. */
export function noDiskHotplug(): DomainError {
  const message = "the machine takes and gives disks only while it is stopped";
  return precondition("NO_LIVE_RESIZE", message);
}

/** K4: the disk might not find room for what the guest will write. */
export function diskFull(needMib: number, haveMib: number): DomainError {
  return new DomainError({
    kind: "capacity",
    reason: "DISK_FULL",
    message: `the guest's disks need ${needMib} MiB, this node has ${haveMib} MiB left for disks`,
    metadata: { needMib: String(needMib), haveMib: String(haveMib) },
  });
}

/** A guest stands still until it can write on. */
export function hostDiskFull(freeMib: number, needMib: number): DomainError {
  return new DomainError({
    kind: "capacity",
    reason: "DISK_FULL",
    message:
      `its node's disk is full, with ${freeMib} MiB left: ` +
      `it stands still, nothing is lost, and it goes on when ${needMib} MiB are free`,
    metadata: { freeMib: String(freeMib), needMib: String(needMib) },
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
