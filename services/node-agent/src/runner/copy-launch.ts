/** What the engine is told to launch, from an assignment and what was prepared for it. */
import {
  type CopyLaunch,
  canonicalManifest,
  type GuestAssignment,
  seedFiles,
} from "@innkeeper/core";

export interface PreparedCopy
  extends Pick<CopyLaunch, "boot" | "disks" | "isIncoming" | "restore"> {
  /** Nothing was ever written to them. */
  readonly areDisksBlank: boolean;
}

export function copyLaunch(
  assignment: GuestAssignment,
  { areDisksBlank, ...prepared }: PreparedCopy,
): CopyLaunch {
  const { guestUid, epoch, mode, vcpuCount, cpuMillis, memoryMibMax } = assignment;
  const limits = assignment.limits && { limits: assignment.limits };
  const size = { vcpuCount, cpuMillis, memoryMib: memoryMibMax };
  const { macAddress, ipAddress, forwards } = assignment;
  const network = { macAddress, ipAddress, forwards };
  const told = toldOf(assignment);
  const hasGuestAgent = assignment.image.hasGuestAgent === true;
  const given = { ...size, ...limits, ...ofContainer(assignment), network, ...told };
  const quick = areDisksBlank ? quickStartOf(assignment) : {};
  return { guestUid, epoch, mode, ...given, hasGuestAgent, ...quick, ...prepared };
}

function ofContainer({ image, diskMib, guestId }: GuestAssignment): Partial<CopyLaunch> {
  return image.kind === "rootfs" ? { diskMib, hostName: guestId } : {};
}

/** A template has seen blank disks: the kernel in it would not look at others anew. */
function quickStartOf(assignment: GuestAssignment): Pick<CopyLaunch, "quickStart"> {
  const { quickStart, image, guestId: hostName, commandLine } = assignment;
  if (quickStart === undefined) return {};
  return { quickStart: { manifest: canonicalManifest(image), hostName, commandLine } };
}

/**
 * A guest on a bridge is told its address in any case: nobody else tells it. The network of a
 * container is made for it, so it is told only what the user says of that.
 */
function toldOf(assignment: GuestAssignment): Pick<CopyLaunch, "seed"> {
  const { seed, ipAddress, guestUid, guestId, image } = assignment;
  if (image.kind === "rootfs") return seed ? { seed: seedFiles(seed, { guestUid, guestId }) } : {};
  if (seed === undefined && ipAddress === undefined) return {};
  return { seed: seedFiles(seed ?? NOTHING_TOLD, assignment) };
}

const NOTHING_TOLD = { userDataBase64: "", networkConfigBase64: "" };
