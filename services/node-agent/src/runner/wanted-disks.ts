/** Which disks a guest has: one that it boots from, or a blank one beside its kernel, or none. */
import {
  assert,
  type BlobRole,
  type DiskName,
  type GuestAssignment,
  type WantedDisk,
} from "@innkeeper/core";

/** The first disk, then the data disks in their order. */
export function wantedDisks(
  assignment: GuestAssignment,
  paths: ReadonlyMap<BlobRole, string>,
): readonly WantedDisk[] {
  return [...firstDisk(assignment, paths), ...dataDisksOf(assignment)];
}

/** The same of a guest whose first disk is there already: nothing is said of what it began as. */
export function presentDisks(assignment: GuestAssignment): readonly WantedDisk[] {
  const { image, diskMib } = assignment;
  const sizeMib = Math.max(diskMib, image.diskMib);
  const name = image.kind === "disk" ? ("root" as const) : ("data" as const);
  const hasFirst = image.kind !== "rootfs" && sizeMib > 0;
  const first = hasFirst ? [{ name, sizeMib, base: undefined }] : [];
  return [...first, ...dataDisksOf(assignment)];
}

export function dataDiskNames(assignment: GuestAssignment): readonly DiskName[] {
  return dataDisksOf(assignment).map(({ name }) => name);
}

/** A container has no driver for a disk: it gets a file system. */
function dataDisksOf({ dataDisks = [], image }: GuestAssignment): readonly WantedDisk[] {
  const how = image.kind === "rootfs" ? { isFileSystem: true } : {};
  return dataDisks.map(({ name, sizeMib }) => {
    return { name: `disk-${name}` as const, sizeMib, base: undefined, ...how };
  });
}

/** A container's root file system is not on a disk. */
function firstDisk(
  { image, diskMib }: GuestAssignment,
  paths: ReadonlyMap<BlobRole, string>,
): readonly WantedDisk[] {
  switch (image.kind) {
    case "disk": {
      const [path, format] = [paths.get("disk"), image.diskFormat];
      assert(path !== undefined && format !== undefined, "a disk image has a disk in some format");
      const base = { path, format, sizeMib: image.diskMib };
      return [{ name: "root", sizeMib: Math.max(diskMib, image.diskMib), base }];
    }
    case "linux":
    case "pvh":
      return diskMib > 0 ? [{ name: "data", sizeMib: diskMib, base: undefined }] : [];
    case "rootfs":
      return [];
  }
}
