/** What the engine is told to launch, from an assignment and what was prepared for it. */
import { type CopyLaunch, type GuestAssignment, seedFiles } from "@innkeeper/core";

export function copyLaunch(
  assignment: GuestAssignment,
  prepared: Pick<CopyLaunch, "boot" | "disks" | "isIncoming">,
): CopyLaunch {
  const { guestUid, epoch, mode, vcpuCount, cpuMillis, memoryMibMax } = assignment;
  const size = { vcpuCount, cpuMillis, memoryMib: memoryMibMax };
  const { macAddress, forwards } = assignment;
  const network = { macAddress, forwards };
  const { seed } = assignment;
  const told = seed === undefined ? {} : { seed: seedFiles(seed, assignment) };
  const hasGuestAgent = assignment.image.hasGuestAgent === true;
  return { guestUid, epoch, mode, ...size, network, ...told, hasGuestAgent, ...prepared };
}
