/** What a report says about the guest: its phase and observed status. */
import type { CopyReport, CopyState } from "../domain/assignment.js";
import type { Guest } from "../domain/guest.js";
import { withPhase } from "../domain/guest-lifecycle.js";
import type { GuestPhase } from "../domain/guest-phase.js";

const PHASE_OF: Readonly<Record<CopyState, GuestPhase | undefined>> = {
  taken: undefined,
  starting: "STARTING",
  running: "RUNNING",
  paused: "PAUSED",
  stopping: "STOPPING",
  stopped: "STOPPED",
  "backing-off": "STARTING",
  failed: "FAILED",
  incoming: undefined,
  received: undefined,
  sending: undefined,
  sent: undefined,
  absent: undefined,
  resizing: undefined,
};

/** The guest as the report shows it; the same object when nothing changed. */
export function observeCopy(guest: Guest, report: CopyReport): Guest {
  const phase = PHASE_OF[report.state];
  if (phase === undefined) return guest;
  const observed = {
    ...withPhase(guest, { phase, ...explain(guest, report) }).status,
    observedGeneration: report.generation,
    restartCount: report.restartCount,
    startedAtMs: report.startedAtMs,
    lastExit: report.lastExit,
    launchedWith: report.launchedWith,
  };
  const isSame =
    observed.phase === guest.status.phase &&
    observed.reason === guest.status.reason &&
    observed.message === guest.status.message &&
    observed.observedGeneration === guest.status.observedGeneration &&
    observed.restartCount === guest.status.restartCount &&
    observed.startedAtMs === guest.status.startedAtMs &&
    observed.lastExit?.message === guest.status.lastExit?.message &&
    observed.lastExit?.reason === guest.status.lastExit?.reason &&
    observed.launchedWith?.memoryMib === guest.status.launchedWith?.memoryMib &&
    observed.launchedWith?.vcpuCount === guest.status.launchedWith?.vcpuCount;
  return isSame ? guest : { ...guest, status: observed };
}

function explain(guest: Guest, report: CopyReport): { reason: string; message: string } {
  if (report.state === "failed" && report.error) {
    return { reason: report.error.reason, message: report.error.message };
  }
  if (report.state === "running" && report.trouble) {
    return { reason: report.trouble.reason, message: report.trouble.message };
  }
  const exit = report.lastExit;
  if (report.state === "backing-off" && exit) {
    return { reason: "RESTARTING", message: `ended (${exit.reason}): ${exit.message}` };
  }
  return explainStop(guest, report) ?? { reason: "", message: "" };
}

function explainStop(
  { spec, status }: Guest,
  { state, lastExit }: CopyReport,
): { reason: string; message: string } | undefined {
  const { eviction } = status;
  if (eviction !== undefined && (state === "stopping" || state === "stopped")) {
    return { reason: "PREEMPTED", message: `makes room for ${eviction.by.name}` };
  }
  if (state !== "stopped" || spec.desired === "stopped" || !lastExit) return undefined;
  return { reason: "GUEST_POWERED_OFF", message: lastExit.message };
}
