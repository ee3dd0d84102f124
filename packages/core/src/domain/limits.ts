/**
 * What a guest may do in each second, or have at once, beside what it takes of its node: nothing is
 * promised by a limit, so it counts in no quota. Every limit is a safe integer of at least zero.
 */
import type { ImageKind } from "./image.js";

export const LIMIT_KINDS = ["diskIopsMax", "diskBytesPerSecondMax", "pidsMax"] as const;
export type LimitKind = (typeof LIMIT_KINDS)[number];

/**
 * 0 = none. `diskIopsMax` and `diskBytesPerSecondMax` are of reads and writes of all its disks
 * together, each second; `pidsMax` of processes and threads of a container, which has as many as
 * its engine gives every guest when that is 0.
 */
export type GuestLimits = Readonly<Record<LimitKind, number>>;

export const NO_LIMITS: GuestLimits = { diskIopsMax: 0, diskBytesPerSecondMax: 0, pidsMax: 0 };

export function isSameLimits(left = NO_LIMITS, right = NO_LIMITS): boolean {
  return LIMIT_KINDS.every((kind) => left[kind] === right[kind]);
}

/** Each limit that is set, for people. */
export function limitTexts(limits = NO_LIMITS): string[] {
  const { diskIopsMax, diskBytesPerSecondMax, pidsMax } = limits;
  return [
    ...(diskIopsMax > 0 ? [`disk ${diskIopsMax} IOPS`] : []),
    ...(diskBytesPerSecondMax > 0 ? [`disk ${diskBytesPerSecondMax} bytes/s`] : []),
    ...(pidsMax > 0 ? [`${pidsMax} processes`] : []),
  ];
}

/** A limit that no mode can keep in which the image boots, and why. */
export function unkeptLimit(
  kind: ImageKind,
  limits: GuestLimits,
): { readonly limit: LimitKind; readonly why: string } | undefined {
  const isContainer = kind === "rootfs";
  const limit = LIMIT_KINDS.find(
    (each) => limits[each] > 0 && (each === "pidsMax") !== isContainer,
  );
  if (limit === undefined) return undefined;
  const why = isContainer
    ? "a container has no disk of its own, its files are its node's"
    : "the processes of a machine are its own";
  return { limit, why };
}
