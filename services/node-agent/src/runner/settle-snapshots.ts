/**
 * Makes the snapshots of a guest those that its assignment says: what is half there or not wanted
 * is removed, what is new is taken. Doing it twice is the same as once.
 */
import type { CopySnapshot, DiskStore, GuestAssignment } from "@innkeeper/core";

/** Whoever has the disks: the running copy, or the disk store while none runs. */
export interface SnapshotHands {
  take(snapshot: CopySnapshot): Promise<void>;
  remove(uid: string): Promise<void>;
}

/** @throws `capacity` (DISK_FULL), `precondition`. */
export async function settleSnapshots(
  disks: DiskStore,
  { guestUid, snapshots = [] }: GuestAssignment,
  hands: SnapshotHands,
): Promise<void> {
  const present = await disks.snapshots(guestUid);
  const isMissing = ({ uid }: { readonly uid: string }): boolean => !present.get(uid)?.isWhole;
  const missing = snapshots.filter((each) => each.isNew && isMissing(each));
  const kept = snapshots.filter((each) => !missing.includes(each)).map(({ uid }) => uid);
  for (const uid of present.keys()) if (!kept.includes(uid)) await hands.remove(uid);
  for (const each of missing) await hands.take(await disks.makeRoom(guestUid, each));
}
