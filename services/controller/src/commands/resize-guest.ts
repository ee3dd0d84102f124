/** Resize: changes what a guest may use, while it runs where that is possible. */
import {
  allLimits,
  type Guest,
  type GuestLimits,
  invalidField,
  type Resources,
} from "@innkeeper/core";
import { changeGuest, type GuestCommand } from "./change-guest.js";
import { changeSize, refuseUnlessResizable } from "./change-size.js";
import type { CommandContext } from "./command-context.js";
import { refuseUnkeptLimit } from "./guest-limits.js";

export interface ResizeGuestInput extends GuestCommand {
  /** Undefined = as it is. */
  readonly cpuMillis: number | undefined;
  readonly memoryMib: number | undefined;
  /** Of its first disk, which only grows. */
  readonly diskMib?: number | undefined;
  /** Those that change. */
  readonly limits: Partial<GuestLimits>;
}

/**
 * @returns the operation's id; asking for what is so already succeeds at once.
 * @throws `not-found`, `invalid`, `conflict` (GUEST_BUSY), `precondition` (ILLEGAL_TRANSITION,
 * NO_LIVE_RESIZE), `capacity` (QUOTA_EXCEEDED, NODE_FULL).
 */
export function resizeGuest(context: CommandContext, input: ResizeGuestInput): Promise<string> {
  return changeGuest(context, { input: { ...input }, kind: "resize" }, ({ value: guest }) => {
    refuseUnlessResizable(context, guest);
    const resources = wanted(guest, input);
    refuseTooLittle(context, guest, resources);
    const limits = wantedLimits(context, guest, input);
    return changeSize(context, guest, { resources, limits });
  });
}

function wanted({ spec }: Guest, input: ResizeGuestInput): Resources {
  const now = spec.resources;
  return {
    ...now,
    cpuMillis: input.cpuMillis ?? now.cpuMillis,
    memoryMib: input.memoryMib ?? now.memoryMib,
    diskMib: input.diskMib ?? now.diskMib,
  };
}

/** @throws `invalid` naming a limit that the guest's mode cannot keep. */
function wantedLimits(
  { mirror }: CommandContext,
  { spec }: Guest,
  changes: Pick<ResizeGuestInput, "limits">,
): GuestLimits {
  const limits = allLimits({ ...spec.limits, ...changes.limits });
  refuseUnkeptLimit("", mirror.image(spec.imageId)?.value, { ...spec, limits });
  return limits;
}

function refuseTooLittle(
  { mirror }: CommandContext,
  { spec }: Guest,
  { memoryMib, diskMib }: Resources,
): void {
  const least = spec.resources.diskMib;
  if (diskMib < least)
    throw invalidField("disk_mib", diskMib, `at least ${least}: disks only grow`);
  const hasNone = diskMib > 0 && least === 0;
  if (hasNone) throw invalidField("disk_mib", diskMib, "0; the guest was made without that disk");

  const memoryMibMin = mirror.image(spec.imageId)?.value.manifest.memoryMibMin ?? 0;
  if (memoryMib >= memoryMibMin) return;
  const allowed = `at least ${memoryMibMin} for image ${spec.imageId}`;
  throw invalidField("memory_mib", memoryMib, allowed);
}
