/**
 * What a guest may do in each second, or have at once, beside what it takes of its node: nothing is
 * promised by a limit, so it counts in no quota. Every limit is a safe integer of at least zero.
 */
import type { ImageKind } from "./image.js";

export const LIMIT_KINDS = [
  "diskIopsMax",
  "diskBytesPerSecondMax",
  "pidsMax",
  "netInBytesPerSecondMax",
  "netOutBytesPerSecondMax",
] as const;
export type LimitKind = (typeof LIMIT_KINDS)[number];

/**
 * 0 = none. `diskIopsMax` and `diskBytesPerSecondMax` are of reads and writes of all its disks
 * together, each second; `pidsMax` of processes and threads of a container, which has as many as
 * its engine gives every guest when that is 0. `netIn...` is of what comes to the guest,
 * `netOut...` of what it sends. A record of old lacks the last two, which then are 0: see
 * `allLimits`.
 */
export type GuestLimits = Readonly<Record<LimitKind, number>>;

export const NO_LIMITS: GuestLimits = {
  diskIopsMax: 0,
  diskBytesPerSecondMax: 0,
  pidsMax: 0,
  netInBytesPerSecondMax: 0,
  netOutBytesPerSecondMax: 0,
};

export function allLimits(some: Partial<GuestLimits> | undefined): GuestLimits {
  return { ...NO_LIMITS, ...some };
}

export function isSameLimits(left?: Partial<GuestLimits>, right?: Partial<GuestLimits>): boolean {
  const [one, other] = [allLimits(left), allLimits(right)];
  return LIMIT_KINDS.every((kind) => one[kind] === other[kind]);
}

export function limitsNetwork(limits: Partial<GuestLimits> | undefined): boolean {
  const { netInBytesPerSecondMax, netOutBytesPerSecondMax } = allLimits(limits);
  return netInBytesPerSecondMax > 0 || netOutBytesPerSecondMax > 0;
}

/** Each limit that is set, for people. */
export function limitTexts(limits?: Partial<GuestLimits>): string[] {
  const { diskIopsMax, diskBytesPerSecondMax, pidsMax, ...net } = allLimits(limits);
  const { netInBytesPerSecondMax: netIn, netOutBytesPerSecondMax: netOut } = net;
  return [
    ...(diskIopsMax > 0 ? [`disk ${diskIopsMax} IOPS`] : []),
    ...(diskBytesPerSecondMax > 0 ? [`disk ${diskBytesPerSecondMax} bytes/s`] : []),
    ...(pidsMax > 0 ? [`${pidsMax} processes`] : []),
    ...(netIn > 0 ? [`network in ${netIn} bytes/s`] : []),
    ...(netOut > 0 ? [`network out ${netOut} bytes/s`] : []),
  ];
}

/** A limit that no mode can keep in which the image boots, on that network, and why. */
export function unkeptLimit(
  { kind, isBridged }: { readonly kind: ImageKind; readonly isBridged: boolean },
  limits: Partial<GuestLimits>,
): { readonly limit: LimitKind; readonly why: string } | undefined {
  const all = allLimits(limits);
  const limit = LIMIT_KINDS.find((each) => all[each] > 0 && whyNot(each, { kind, isBridged }));
  return limit && { limit, why: whyNot(limit, { kind, isBridged }) ?? "" };
}

function whyNot(
  limit: LimitKind,
  { kind, isBridged }: { readonly kind: ImageKind; readonly isBridged: boolean },
): string | undefined {
  const isContainer = kind === "rootfs";
  switch (limit) {
    case "pidsMax":
      return isContainer ? undefined : "the processes of a machine are its own";
    case "diskIopsMax":
    case "diskBytesPerSecondMax":
      return isContainer
        ? "a container has no disk of its own, its files are its node's"
        : undefined;
    case "netInBytesPerSecondMax":
    case "netOutBytesPerSecondMax":
      return isBridged ? undefined : "a network of its own has no device; one on a bridge has";
  }
}
