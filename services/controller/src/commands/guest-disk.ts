/** How large the disk of a new guest is: what quota and placement count follows from its image. */
import { type GuestSpec, heldBy, type Image, invalidField } from "@innkeeper/core";

/** A file system has its own needs. */
export const FILE_SYSTEM_MIB_MIN = 16;
const FIELD = "guest.spec.resources.disk_mib";

/**
 * The spec with the size that the disk will have. @throws `invalid` when the image does not fit on
 * it, naming both sizes, or when the guest would get no disk at all.
 */
export function withDiskOf({ id, manifest }: Image, spec: GuestSpec): GuestSpec {
  const { diskMib } = spec.resources;
  switch (manifest.kind) {
    case "linux":
    case "pvh":
      return spec;
    case "rootfs":
      if (diskMib !== 0 && diskMib < FILE_SYSTEM_MIB_MIN) {
        throw invalidField(FIELD, diskMib, `0, or at least ${FILE_SYSTEM_MIB_MIN} to write to`);
      }
      return spec;
    case "disk": {
      if (diskMib === 0) {
        return { ...spec, resources: { ...spec.resources, diskMib: manifest.diskMib } };
      }
      if (diskMib >= manifest.diskMib) return spec;
      const allowed = `at least ${manifest.diskMib}, the size of image ${id}; unset = that`;
      throw invalidField(FIELD, diskMib, allowed);
    }
  }
}

/** Who has to leave goes without its disks. @throws `invalid`. */
export function refuseDiskOfPreemptible(field: string, spec: GuestSpec): void {
  const { diskMib } = heldBy(spec);
  if (spec.isPreemptible !== true || diskMib === 0) return;
  const allowed = `false; its disks (${diskMib} MiB) would be lost when it has to leave its node`;
  throw invalidField(field, true, allowed);
}
