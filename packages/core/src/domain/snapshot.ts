/**
 * Snapshots: what a guest's disks held at one moment, and with them, if asked for, its memory. They
 * are kept inside the guest's own disks, on its node, and go with the guest.
 */
import type { DataDisk } from "./disk.js";
import { DomainError, notFound, precondition } from "./errors.js";

export interface GuestSnapshot {
  /** UUID; names it on the node. */
  readonly uid: string;
  /** Unique in its guest (RFC 1123 label). */
  readonly name: string;
  readonly hasMemory: boolean;
  /** Disk space that it may come to take: all that it holds, once the guest has changed it all. */
  readonly sizeMib: number;
  readonly createdAtMs: number;
  /** The guest's size then: its memory fits no other. */
  readonly diskMib: number;
  readonly dataDisks: readonly DataDisk[];
  readonly vcpuCount: number;
  readonly memoryMib: number;
}

/** A new copy of the guest begins as the snapshot, once. */
export interface Restore {
  readonly snapshotUid: string;
  readonly hasMemory: boolean;
  /** Epoch of that copy. */
  readonly epoch: number;
}

/** The disks of a new guest begin as those of another one on the same node. */
export interface CloneOf {
  readonly guestUid: string;
  /** Empty = as its disks are: it stands still until they are copied. */
  readonly snapshotUid: string;
}

export function noClone(guestId: string, why: string): DomainError {
  const message = `guest "${guestId}" cannot be cloned: ${why}`;
  return precondition("NO_CLONE", message, { guest: guestId, why });
}

export function noExport(guestId: string, why: string): DomainError {
  const message = `the disk of guest "${guestId}" cannot be exported: ${why}`;
  return precondition("NO_EXPORT", message, { guest: guestId, why });
}

/** Each takes the space of a disk for a while. */
export const EXPORTS_MAX = 2;

export function exportBusy(): DomainError {
  const message = `${EXPORTS_MAX} disks are being exported from this node already`;
  const metadata = { max: String(EXPORTS_MAX) };
  return new DomainError({ kind: "capacity", reason: "EXPORT_BUSY", message, metadata });
}

/** Its disk, or the snapshot in it, is not on this node. */
export function cloneSourceGone({ guestUid, snapshotUid }: CloneOf): DomainError {
  return notFound("snapshot", snapshotUid === "" ? `disks of ${guestUid}` : snapshotUid);
}

export function cloneCancelled(): DomainError {
  const message = "the copy of the disks was cancelled";
  return new DomainError({ kind: "cancelled", reason: "CANCELLED", message, metadata: {} });
}

/** What a node is told of a snapshot. */
export interface WantedSnapshot {
  readonly uid: string;
  readonly hasMemory: boolean;
  /** Space that its memory may take. */
  readonly memoryMib: number;
  /** It is to be taken, if it is not there yet. One that is not new is only kept. */
  readonly isNew: boolean;
}

/** Each may take as much space as the guest's disks. */
export const SNAPSHOTS_MAX = 8;
/** State of devices, beside the memory. */
export const DEVICE_STATE_MIB = 64;

export function snapshotsMib(snapshots: readonly GuestSnapshot[] | undefined): number {
  return (snapshots ?? []).reduce((sum, { sizeMib }) => sum + sizeMib, 0);
}

export function isSameSnapshots(
  left: readonly { readonly uid: string }[] | undefined,
  right: readonly { readonly uid: string }[] | undefined,
): boolean {
  return textOf(left) === textOf(right);
}

function textOf(snapshots: readonly { readonly uid: string }[] = []): string {
  return snapshots.map(({ uid }) => uid).join();
}

export function snapshotNotFound(name: string): DomainError {
  return notFound("snapshot", name);
}

export function noSnapshots(why: string): DomainError {
  return precondition("NO_SNAPSHOTS", `no snapshot can be taken: ${why}`, { why });
}
