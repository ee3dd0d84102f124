/** Limits that a guest asks for and none of its modes could keep are refused, not forgotten. */
import { type GuestLimits, type Image, invalidField, unkeptLimit } from "@innkeeper/core";

const FIELD = {
  diskIopsMax: "disk_iops_max",
  diskBytesPerSecondMax: "disk_bytes_per_second_max",
  pidsMax: "pids_max",
} as const;

/** @throws `invalid` naming the field below `prefix` and why it means nothing there. */
export function refuseUnkeptLimit(
  prefix: string,
  image: Image | undefined,
  limits: GuestLimits,
): void {
  const unkept = image && unkeptLimit(image.manifest.kind, limits);
  if (unkept === undefined) return;
  const field = `${prefix}${FIELD[unkept.limit]}`;
  throw invalidField(field, limits[unkept.limit], `0; ${unkept.why}`);
}
