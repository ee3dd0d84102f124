/** Limits of a guest on the wire. */
import type { GuestLimits as ProtoLimits } from "@innkeeper/proto/innkeeper/v1/resources";
import { type GuestLimits, LIMIT_KINDS, type LimitKind, NO_LIMITS } from "../domain/limits.js";
import { parseInteger, type Range } from "./numbers.js";

/** More than any host does; and what a kernel numbers its processes by. */
const RATE = { min: 0, max: 2 ** 40 };
const PIDS = { min: 0, max: 2 ** 22 };

const FIELD = {
  diskIopsMax: { name: "disk_iops_max", range: RATE },
  diskBytesPerSecondMax: { name: "disk_bytes_per_second_max", range: RATE },
  pidsMax: { name: "pids_max", range: PIDS },
  netInBytesPerSecondMax: { name: "net_in_bytes_per_second_max", range: RATE },
  netOutBytesPerSecondMax: { name: "net_out_bytes_per_second_max", range: RATE },
} as const satisfies Readonly<Record<LimitKind, { name: string; range: Range }>>;

/** @throws `invalid` naming the field. Unset = none. */
export function parseLimits(field: string, proto: ProtoLimits | undefined): GuestLimits {
  if (proto === undefined) return NO_LIMITS;
  return { ...NO_LIMITS, ...parseLimitChanges(`${field}.`, proto) };
}

/** Only what is set. @throws `invalid` naming the field. */
export function parseLimitChanges(
  prefix: string,
  proto: { readonly [Kind in LimitKind]?: number | undefined },
): Partial<GuestLimits> {
  const changes: Partial<Record<LimitKind, number>> = {};
  for (const kind of LIMIT_KINDS) {
    const value = proto[kind];
    if (value === undefined) continue;
    changes[kind] = parseInteger(`${prefix}${FIELD[kind].name}`, value, FIELD[kind].range);
  }
  return changes;
}
