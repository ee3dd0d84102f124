/** Which disks a guest has: one that it boots from, or a blank one beside its kernel, or none. */
import { assert, type BlobRole, type GuestAssignment, type WantedDisk } from "@innkeeper/core";

/** A container's files are not on a disk of its own. */
export function wantedDisks(
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
