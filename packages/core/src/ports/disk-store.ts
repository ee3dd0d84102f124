/**
 * The disks of the guests on one node. They belong to the guest, not to one copy of it: they
 * outlive copies and agents, and go when the guest leaves the node. Contract suite:
 * `testing/contracts/disk-store.contract.ts`.
 *
 * K1 A disk once prepared keeps its content until `remove`, whatever is prepared afterwards.
 * K2 A disk that begins as an image reads as that image until the guest writes, and the image's
 *    bytes are never changed. They stay as long as a disk needs them, whoever removes the blob.
 * K3 `prepare` makes all disks or leaves what was there; half a disk is never seen.
 * K4 No disk is made that could not be filled to its size, as far as can be known beforehand.
 */
import type { DiskFormat } from "../domain/image.js";
import type { CopyDisk } from "./engine.js";

/** `root`: the guest boots from it. `data`: blank at first. */
export type DiskName = "root" | "data";

export interface WantedDisk {
  readonly name: DiskName;
  readonly sizeMib: number;
  /** What it begins as; undefined = blank. */
  readonly base: DiskBase | undefined;
}

/** An image's disk: a verified blob, which is untrusted content all the same. */
export interface DiskBase {
  /** Absolute path of the blob. */
  readonly path: string;
  readonly format: DiskFormat;
  /** Size of the disk that it holds, as the image's manifest says. */
  readonly sizeMib: number;
}

export interface DiskStore {
  /**
   * Makes what is missing of the guest's disks and says where all are, in the order wanted.
   * Idempotent. No copy of the guest may run. @throws `capacity` (DISK_FULL) with need and have;
   * `corrupt` (IMAGE_CORRUPT) when the base is no disk of the size that its manifest states or
   * reaches outside itself; `precondition` (DISK_STORE_FAILED) when the host cannot make disks.
   */
  prepare(guestUid: string, wanted: readonly WantedDisk[]): Promise<readonly CopyDisk[]>;
  /** Removes all disks of the guest with their content. Idempotent. */
  remove(guestUid: string): Promise<void>;
  /** Guests of which any disk is here. */
  list(): Promise<readonly string[]>;
}
