/** Disks of a guest beside its first: they come, grow and go while it runs, where its mode can. */
import {
  DATA_DISKS_MAX,
  type DataDisk,
  type Guest,
  type GuestSpec,
  type Image,
  invalidField,
  notFound,
  precondition,
} from "@innkeeper/core";
import { changeGuest, type GuestCommand } from "./change-guest.js";
import { changeSize, refuseUnlessResizable } from "./change-size.js";
import type { CommandContext } from "./command-context.js";
import { FILE_SYSTEM_MIB_MIN } from "./guest-disk.js";

/**
 * Gives the guest this disk, or makes the one of this name larger.
 * @returns the operation's id; asking for what is so already succeeds at once.
 * @throws `not-found`, `invalid` for a smaller size or one disk too many, `conflict` (GUEST_BUSY),
 * `precondition` (ILLEGAL_TRANSITION, NO_LIVE_RESIZE), `capacity` (QUOTA_EXCEEDED, NODE_FULL).
 */
export function setGuestDisk(
  context: CommandContext,
  input: GuestCommand & { readonly disk: DataDisk },
): Promise<string> {
  return changeGuest(context, { input: { ...input }, kind: "resize" }, ({ value: guest }) => {
    refuseUnlessResizable(context, guest);
    const dataDisks = withDisk(guest.spec.dataDisks ?? [], input.disk);
    refuseDataDisks("disk", context.mirror.image(guest.spec.imageId)?.value, dataDisks);
    return changeSize(context, guest, { dataDisks });
  });
}

/**
 * Takes the disk from the guest; its content is gone.
 * @returns the operation's id. @throws `not-found` (GUEST_NOT_FOUND, DISK_NOT_FOUND), `conflict`
 * (GUEST_BUSY), `precondition` (ILLEGAL_TRANSITION, NO_LIVE_RESIZE, DISK_IN_SNAPSHOT).
 */
export function removeGuestDisk(
  context: CommandContext,
  input: GuestCommand & { readonly diskName: string },
): Promise<string> {
  return changeGuest(context, { input: { ...input }, kind: "resize" }, ({ value: guest }) => {
    refuseUnlessResizable(context, guest);
    const before = guest.spec.dataDisks ?? [];
    const dataDisks = before.filter(({ name }) => name !== input.diskName);
    if (dataDisks.length === before.length) throw notFound("disk", input.diskName);
    refuseIfInSnapshot(guest, input.diskName);
    return changeSize(context, guest, { dataDisks });
  });
}

/** A snapshot without one of its disks would be none. */
function refuseIfInSnapshot({ spec }: Guest, diskName: string): void {
  const holder = spec.snapshots?.find(({ dataDisks }) =>
    dataDisks.some(({ name }) => name === diskName),
  );
  if (holder === undefined) return;
  const message = `disk "${diskName}" is in snapshot "${holder.name}": remove that first`;
  throw precondition("DISK_IN_SNAPSHOT", message, { disk: diskName, snapshot: holder.name });
}

/** @throws `invalid` naming the field: those of a container hold file systems. */
export function refuseDataDisks(
  field: string,
  image: Image | undefined,
  disks: GuestSpec["dataDisks"] = [],
): void {
  if (image?.manifest.kind !== "rootfs") return;
  for (const { name, sizeMib } of disks) {
    if (sizeMib >= FILE_SYSTEM_MIB_MIN) continue;
    const allowed = `at least ${FILE_SYSTEM_MIB_MIN} for disk ${name} of a container`;
    throw invalidField(`${field}.size_mib`, sizeMib, allowed);
  }
}

function withDisk(disks: readonly DataDisk[], disk: DataDisk): readonly DataDisk[] {
  const present = disks.find(({ name }) => name === disk.name);
  if (present === undefined && disks.length >= DATA_DISKS_MAX) {
    throw invalidField("disk.name", disk.name, `at most ${DATA_DISKS_MAX} disks for a guest`);
  }
  if (present === undefined) return [...disks, disk];
  if (disk.sizeMib < present.sizeMib) {
    const allowed = `at least ${present.sizeMib}, its size now: disks only grow`;
    throw invalidField("disk.size_mib", disk.sizeMib, allowed);
  }
  return disks.map((each) => (each.name === disk.name ? disk : each));
}
