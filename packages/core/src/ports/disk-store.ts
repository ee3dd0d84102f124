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
import type { CloneOf, WantedSnapshot } from "../domain/snapshot.js";
import type { CopyDisk, CopySnapshot } from "./engine.js";

/** `root`: the guest boots from it. The others are blank at first; `disk-*` come and go. */
export type DiskName = "root" | "data" | `disk-${string}`;

export interface WantedDisk {
  readonly name: DiskName;
  readonly sizeMib: number;
  /** What it begins as; undefined = blank. */
  readonly base: DiskBase | undefined;
  /** It holds a file system from the first, as a container needs it; absent = no. */
  readonly isFileSystem?: boolean;
}

/** An image's disk: a verified blob, which is untrusted content all the same. */
export interface DiskBase {
  /** Absolute path of the blob. */
  readonly path: string;
  readonly format: DiskFormat;
  /** Size of the disk that it holds, as the image's manifest says. */
  readonly sizeMib: number;
}

export interface CloneOrder {
  readonly from: CloneOf;
  readonly wanted: readonly WantedDisk[];
  /** Hears how much of what is to be copied has been: 0 to 100, never less than before. */
  readonly onProgress?: (percent: number) => void;
}

export interface ExportedDisk {
  readonly sizeBytes: number;
  read(): AsyncIterable<Uint8Array>;
  /** When it was read, or nobody will. Idempotent. */
  remove(): Promise<void>;
}

export interface DiskStore {
  /**
   * Makes what is missing of the guest's disks, lets grow what is smaller, and says where all are,
   * in the order wanted. Idempotent. No copy of the guest may run.
   * @throws `capacity` (DISK_FULL) with need and have;
   * `corrupt` (IMAGE_CORRUPT) when the base is no disk of the size that its manifest states or
   * reaches outside itself; `precondition` (DISK_STORE_FAILED) when the host cannot make disks.
   */
  prepare(guestUid: string, wanted: readonly WantedDisk[]): Promise<readonly CopyDisk[]>;
  /**
   * As `prepare`, but what is missing begins as the other guest's disk of that name. It may take
   * long; other work goes on meanwhile. No copy of the other guest may run, but if it is as it was
   * in a snapshot. @throws the same; `cancelled` when the signal aborts; `not-found`.
   */
  clone(guestUid: string, order: CloneOrder, signal: AbortSignal): Promise<readonly CopyDisk[]>;
  /**
   * The same while a copy runs: what is there is not touched, so it is the copy that lets its disks
   * grow. @throws the same.
   */
  add(guestUid: string, wanted: readonly WantedDisk[]): Promise<readonly CopyDisk[]>;
  /** Removes those of the guest's disks that come and go, but for these. Idempotent. */
  keepOnly(guestUid: string, names: readonly DiskName[]): Promise<void>;
  /**
   * The snapshots that any disk of the guest holds, by uid, and whether all disks hold them. May be
   * asked while a copy runs.
   */
  snapshots(guestUid: string): Promise<ReadonlyMap<string, { readonly isWhole: boolean }>>;
  /**
   * Makes sure that there is room for a snapshot of all disks, and makes the file for the memory if
   * there is to be one. @throws `capacity` (DISK_FULL).
   */
  makeRoom(guestUid: string, snapshot: WantedSnapshot): Promise<CopySnapshot>;
  /** No copy may run. @throws `precondition` (DISK_STORE_FAILED). */
  takeSnapshot(guestUid: string, uid: string): Promise<void>;
  /** Removes what the disks hold of it, and its memory. No copy may run. Idempotent. */
  removeSnapshot(guestUid: string, uid: string): Promise<void>;
  /** Removes its memory: a running copy has removed the rest. Idempotent. */
  removeState(guestUid: string, uid: string): Promise<void>;
  /**
   * Lets the disks that hold the snapshot be as they were then. Idempotent. No copy may run.
   * @returns what a copy needs to go on with its memory. @throws `not-found` (SNAPSHOT_NOT_FOUND).
   */
  restoreSnapshot(guestUid: string, uid: string): Promise<CopySnapshot>;
  /**
   * The guest's first disk as one file that needs no other: as it is, while no copy runs, or as it
   * was in a snapshot. Whoever prepares or changes the guest's disks goes before.
   * @throws `not-found` (SNAPSHOT_NOT_FOUND), `capacity` (DISK_FULL, EXPORT_BUSY), `cancelled`,
   * `precondition` (DISK_STORE_FAILED).
   */
  exportDisk(guestUid: string, snapshotUid: string, signal: AbortSignal): Promise<ExportedDisk>;
  /** Removes all disks of the guest with their content. Idempotent. */
  remove(guestUid: string): Promise<void>;
  /** Guests of which any disk is here. */
  list(): Promise<readonly string[]>;
}
