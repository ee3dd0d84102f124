/** What the engine is told to launch, from an assignment and what was prepared for it. */
import { type CopyLaunch, type GuestAssignment, seedFiles } from "@innkeeper/core";

export function copyLaunch(
  assignment: GuestAssignment,
  prepared: Pick<CopyLaunch, "boot" | "disks" | "isIncoming" | "restore">,
): CopyLaunch {
  const { guestUid, epoch, mode, vcpuCount, cpuMillis, memoryMibMax } = assignment;
  const limits = assignment.limits && { limits: assignment.limits };
  const size = { vcpuCount, cpuMillis, memoryMib: memoryMibMax };
  const { macAddress, ipAddress, forwards } = assignment;
  const network = { macAddress, ipAddress, forwards };
  const told = toldOf(assignment);
  const hasGuestAgent = assignment.image.hasGuestAgent === true;
  const disk = assignment.image.kind === "rootfs" && { diskMib: assignment.diskMib };
  const given = { ...size, ...limits, ...disk, network, ...told };
  return { guestUid, epoch, mode, ...given, hasGuestAgent, ...prepared };
}

/** A guest on a bridge is told its address in any case: nobody else tells it. */
function toldOf(assignment: GuestAssignment): Pick<CopyLaunch, "seed"> {
  const { seed, ipAddress } = assignment;
  if (seed === undefined && ipAddress === undefined) return {};
  return { seed: seedFiles(seed ?? NOTHING_TOLD, assignment) };
}

const NOTHING_TOLD = { userDataBase64: "", networkConfigBase64: "" };
