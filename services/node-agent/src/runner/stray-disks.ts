/**
 * Disks of a guest that the journal does not know: it was lost, or they are left from a guest that
 * is gone. This node cannot tell which, and disks hold what exists nowhere else, so it reports the
 * guest as stopped and lets the leader, who has the records, claim the disks or have them removed.
 */
import { type JournalEntry, NEVER_STARTED } from "@innkeeper/core";

/** Older than any assignment, so that every assignment is taken. */
export function strayEntry(guestUid: string, nowMs: number): JournalEntry {
  return {
    assignment: {
      guestUid,
      guestId: "",
      operationId: "",
      projectId: "",
      epoch: 0,
      intent: 0,
      generation: 0,
      desired: "stopped",
      engine: "qemu",
      mode: "full",
      vcpuCount: 1,
      cpuMillis: 1000,
      memoryMibMax: 1,
      memoryMib: 1,
      diskMib: 0,
      image: NO_IMAGE,
      commandLine: "",
      restartPolicy: { when: "never", attemptsMax: 0, backoffMsMin: 0, backoffMsMax: 0 },
      startCount: 0,
      stopTimeoutMs: 0,
      migrateTo: undefined,
    },
    launchedEpoch: undefined,
    launchedWith: undefined,
    ...NEVER_STARTED,
    updatedAtMs: nowMs,
  };
}

const NO_IMAGE: JournalEntry["assignment"]["image"] = {
  kind: "pvh",
  architecture: "x86_64",
  commandLine: "",
  memoryMibMin: 1,
  diskFormat: undefined,
  diskMib: 0,
  command: [],
  blobs: [],
};
