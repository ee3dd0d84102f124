/**
 * Copies on a node that no record places there: left by a migration, a deletion or an old backup.
 * They are removed.
 */
import { type CopyReport, type Guest, type GuestAssignment, placementsOf } from "@innkeeper/core";

/**
 * The assignment that removes the copy; undefined when it belongs where it is, or when its node has
 * taken this guest's newest intent, which for a node without a place is this very assignment.
 */
export function orphanOrder(
  nodeId: string,
  report: CopyReport,
  guest: Guest | undefined,
): GuestAssignment | undefined {
  if (report.state === "absent") return undefined;
  const belongs = guest !== undefined && placementsOf(guest).some((each) => each.nodeId === nodeId);
  const isTold = guest !== undefined && report.intent === guest.intent;
  if (belongs || isTold) return undefined;
  const isOlder = guest !== undefined && report.intent < guest.intent;
  const intent = isOlder ? guest.intent : report.intent + 1;
  return {
    guestUid: report.guestUid,
    guestId: guest?.id ?? "",
    projectId: guest?.projectId ?? "",
    operationId: guest?.operationId ?? "",
    epoch: report.epoch,
    intent,
    generation: report.generation,
    desired: "absent",
    engine: "qemu",
    mode: "hybrid",
    vcpuCount: 1,
    cpuMillis: 1000,
    memoryMibMax: 1,
    memoryMib: 1,
    diskMib: 0,
    image: {
      kind: "pvh",
      architecture: "x86_64",
      commandLine: "",
      memoryMibMin: 1,
      diskFormat: undefined,
      diskMib: 0,
      command: [],
      blobs: [],
    },
    commandLine: "",
    restartPolicy: { when: "never", attemptsMax: 0, backoffMsMin: 0, backoffMsMax: 0 },
    startCount: 0,
    stopTimeoutMs: 0,
    migrateTo: undefined,
  };
}
