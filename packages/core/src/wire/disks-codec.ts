/** Data disks of a guest on the wire. */
import type { DataDisk as ProtoDisk } from "@innkeeper/proto/innkeeper/v1/resources";
import { DATA_DISKS_MAX, type DataDisk, parseDataDiskName } from "../domain/disk.js";
import { invalidField } from "../domain/errors.js";
import { DISK_MIB_MAX } from "./image-codec.js";
import { parseInteger } from "./numbers.js";

/** @throws `invalid` naming the field. */
export function parseDataDisks(field: string, protos: readonly ProtoDisk[]): DataDisk[] {
  const allowed = `at most ${DATA_DISKS_MAX} disks, each of another name`;
  if (protos.length > DATA_DISKS_MAX) throw invalidField(field, protos.length, allowed);
  const disks = protos.map((each, index) => parseDataDisk(`${field}[${index}]`, each));
  const names = new Set(disks.map(({ name }) => name));
  if (names.size < disks.length) throw invalidField(field, "a name twice", allowed);
  return disks;
}

/** @throws `invalid` naming the field. */
export function parseDataDisk(field: string, proto: ProtoDisk | undefined): DataDisk {
  if (proto === undefined) throw invalidField(field, "unset", "a disk with name and size_mib");
  return {
    name: parseDataDiskName(`${field}.name`, proto.name),
    sizeMib: parseInteger(`${field}.size_mib`, proto.sizeMib, { min: 1, max: DISK_MIB_MAX }),
  };
}
