/** Limits that a guest asks for and none of its modes could keep are refused, not forgotten. */
import { type GuestSpec, type Image, invalidField, NO_LIMITS, unkeptLimit } from "@innkeeper/core";

const FIELD = {
  diskIopsMax: "disk_iops_max",
  diskBytesPerSecondMax: "disk_bytes_per_second_max",
  pidsMax: "pids_max",
  netInBytesPerSecondMax: "net_in_bytes_per_second_max",
  netOutBytesPerSecondMax: "net_out_bytes_per_second_max",
} as const;

/** @throws `invalid` naming the field below `prefix` and why it means nothing there. */
export function refuseUnkeptLimit(
  prefix: string,
  image: Image | undefined,
  { limits = NO_LIMITS, isBridged }: Pick<GuestSpec, "limits" | "isBridged">,
): void {
  const where = image && { kind: image.manifest.kind, isBridged: isBridged === true };
  const unkept = where && unkeptLimit(where, limits);
  if (unkept === undefined) return;
  const field = `${prefix}${FIELD[unkept.limit]}`;
  throw invalidField(field, limits[unkept.limit], `0; ${unkept.why}`);
}
