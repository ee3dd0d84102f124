/**
 * What an agent does next for one guest: compares the assignment with the copy on this node. Pure.
 *
 * C1 A copy runs only under an assignment of its own epoch that says so.
 * C2 A copy of another epoch than the assignment's is destroyed before anything else.
 * C3 Applying a plan twice does no more than once.
 */

import { assertNever } from "../domain/assert.js";
import type { CopyState, GuestAssignment } from "../domain/assignment.js";
import type { CopyExit, CopyResources } from "../domain/copy.js";
import { type DataDisk, isSameDisks } from "../domain/disk.js";
import type { ErrorDetail } from "../domain/errors.js";
import { isSameLimits } from "../domain/limits.js";
import { isSameSnapshots, type WantedSnapshot } from "../domain/snapshot.js";
import { backoffMs, wasHealthyRun } from "./backoff.js";

/** What the agent remembers about starts of this guest; part of its journal. */
export interface RestartMemory {
  readonly startCount: number;
  readonly restartCount: number;
  readonly restartsInARow: number;
  readonly startedAtMs: number | undefined;
  readonly lastExit: CopyExit | undefined;
  readonly failure: ErrorDetail | undefined;
  readonly restartAtMs: number | undefined;
}

/** What a copy is known to have. */
export interface AppliedResources extends CopyResources {
  readonly diskMib?: number;
  readonly dataDisks?: readonly DataDisk[];
  readonly snapshots?: readonly WantedSnapshot[];
}

export interface CopyView {
  readonly assignment: GuestAssignment;
  readonly memory: RestartMemory;
  /** The copy that exists on this host, if any. */
  readonly copy:
    | {
        readonly epoch: number;
        readonly run: "running" | "paused" | "incoming" | "received" | "sent";
      }
    | undefined;
  /** A migration is being sent right now. */
  readonly isSending: boolean;
  /** Why the migration of this intent failed, if it did. */
  readonly sendError: ErrorDetail | undefined;
  /** When power-off was asked for under this assignment. */
  readonly stopAskedAtMs: number | undefined;
  /** What the copy is known to be limited to. */
  readonly applied: AppliedResources | undefined;
  /** Its limits are being changed right now. */
  readonly isResizing: boolean;
  /** Why that failed under this assignment, if it did. */
  readonly resizeError: ErrorDetail | undefined;
  /** Disks or snapshots here may not be those that are assigned. */
  readonly mayHaveOldDisks: boolean;
  /** Why they cannot be made so under this assignment, while no copy runs. */
  readonly diskError?: ErrorDetail | undefined;
  /** Disks of the guest may be on this host. */
  readonly mayHaveDisks: boolean;
  readonly nowMs: number;
}

export type CopyAction =
  | "launch"
  | "launch-incoming"
  | "resume"
  | "pause"
  | "request-shutdown"
  | "destroy"
  | "remove-disks"
  | "settle-disks"
  | "migrate"
  | "cancel-migration"
  | "set-resources";

/**
 * `state` is what to report; `action` what to do now; `wakeAtMs` when to look again at the latest.
 */
export interface CopyPlan {
  readonly state: CopyState;
  readonly action: CopyAction | undefined;
  readonly wakeAtMs: number | undefined;
}

export function planCopy(view: CopyView): CopyPlan {
  const { assignment, copy } = view;
  if (copy !== undefined && copy.epoch !== assignment.epoch) return act("stopping", "destroy");
  const isStaying = assignment.desired !== "absent" && copy === undefined;
  const isOld = view.mayHaveOldDisks && view.diskError === undefined;
  if (isStaying && isOld) return act("resizing", "settle-disks");
  switch (assignment.desired) {
    case "absent":
      return planAbsent(view);
    case "incoming":
      return planIncoming(view);
    case "sending":
      return planSending(view);
    case "stopped":
      return planStopped(view);
    case "running":
    case "paused":
      return planRunning(view);
    default:
      return assertNever(assignment.desired, "assigned state");
  }
}

/** Absent is only told when nothing is left: what the guest took is free then. */
function planAbsent({ copy, mayHaveDisks }: CopyView): CopyPlan {
  if (copy !== undefined) return act("stopping", "destroy");
  return mayHaveDisks ? act("stopping", "remove-disks") : settled("absent");
}

function planIncoming({ copy, memory }: CopyView): CopyPlan {
  if (copy === undefined) {
    return memory.failure === undefined ? act("starting", "launch-incoming") : settled("failed");
  }
  return settled(copy.run === "received" ? "received" : "incoming");
}

function planSending({ copy, isSending, sendError }: CopyView): CopyPlan {
  if (copy === undefined) return settled("stopped");
  if (copy.run === "sent") return settled("sent");
  if (isSending) return settled("sending");
  if (sendError !== undefined) return settled(copy.run === "paused" ? "paused" : "running");
  return act("sending", "migrate");
}

function planStopped({ copy, isSending, assignment, stopAskedAtMs, nowMs }: CopyView): CopyPlan {
  if (copy === undefined) return settled("stopped");
  if (isSending) return act("stopping", "cancel-migration");
  if (copy.run === "incoming" || copy.run === "received") return act("stopping", "destroy");
  if (stopAskedAtMs !== undefined) {
    const deadlineMs = stopAskedAtMs + assignment.stopTimeoutMs;
    if (nowMs >= deadlineMs) return act("stopping", "destroy");
    return { state: "stopping", action: undefined, wakeAtMs: deadlineMs };
  }
  if (assignment.stopTimeoutMs === 0) return act("stopping", "destroy");
  return act("stopping", copy.run === "running" ? "request-shutdown" : "resume");
}

function planRunning(view: CopyView): CopyPlan {
  const { copy, isSending, assignment } = view;
  if (copy === undefined) return planStart(view);
  if (isSending) return act("running", "cancel-migration");
  if (copy.run === "incoming") return settled("incoming");
  if (assignment.desired === "running") {
    return copy.run === "running" ? planResources(view) : act("starting", "resume");
  }
  return copy.run === "running" ? act("running", "pause") : settled("paused");
}

/** Only a guest that runs can give memory back. */
function planResources({ assignment, applied, isResizing, resizeError }: CopyView): CopyPlan {
  if (isResizing) return settled("resizing");
  const isApplied =
    applied?.cpuMillis === assignment.cpuMillis &&
    applied.memoryMib === assignment.memoryMib &&
    isSameLimits(applied.limits, assignment.limits) &&
    (applied.diskMib ?? 0) === assignment.diskMib &&
    isSameDisks(applied.dataDisks, assignment.dataDisks) &&
    isSameSnapshots(applied.snapshots, assignment.snapshots);
  if (isApplied || resizeError !== undefined) return settled("running");
  return act("resizing", "set-resources");
}

function planStart({ assignment, memory, nowMs }: CopyView): CopyPlan {
  const isFreshStart = memory.startCount !== assignment.startCount;
  if (isFreshStart) return act("starting", "launch");
  if (memory.failure !== undefined) return settled("failed");
  if (memory.restartAtMs !== undefined && nowMs < memory.restartAtMs) {
    return { state: "backing-off", action: undefined, wakeAtMs: memory.restartAtMs };
  }
  const hasEndedForGood = memory.lastExit !== undefined && memory.restartAtMs === undefined;
  return hasEndedForGood ? settled("stopped") : act("starting", "launch");
}

function act(state: CopyState, action: CopyAction): CopyPlan {
  return { state, action, wakeAtMs: undefined };
}

function settled(state: CopyState): CopyPlan {
  return { state, action: undefined, wakeAtMs: undefined };
}

/** The memory of a guest that was never started here. */
export const NEVER_STARTED: RestartMemory = {
  startCount: -1,
  restartCount: 0,
  restartsInARow: 0,
  startedAtMs: undefined,
  lastExit: undefined,
  failure: undefined,
  restartAtMs: undefined,
};

/** What to remember when a start is tried. */
export function afterLaunch(
  memory: RestartMemory,
  assignment: GuestAssignment,
  nowMs: number,
): RestartMemory {
  const isFreshStart = memory.startCount !== assignment.startCount;
  if (isFreshStart) {
    return { ...NEVER_STARTED, startCount: assignment.startCount, startedAtMs: nowMs };
  }
  const isRestart = memory.lastExit !== undefined;
  return {
    ...memory,
    restartCount: memory.restartCount + (isRestart ? 1 : 0),
    restartsInARow: memory.restartsInARow + (isRestart ? 1 : 0),
    startedAtMs: nowMs,
    restartAtMs: undefined,
  };
}

/**
 * What to remember when a copy has ended, or could not be launched, while `assignment` was in
 * force.
 */
export function afterExit(
  memory: RestartMemory,
  assignment: GuestAssignment,
  end: { readonly exit: CopyExit; readonly nowMs: number },
): RestartMemory {
  const { exit, nowMs } = end;
  const ended = { ...memory, lastExit: exit, restartAtMs: undefined };
  if (assignment.desired === "incoming") return { ...ended, failure: incomingFailed(exit) };
  if (!HAS_TO_LIVE.includes(assignment.desired)) return ended;
  const policy = assignment.restartPolicy;
  if (!shouldRestart(assignment, exit)) {
    return exit.reason === "guest-shutdown" ? ended : { ...ended, failure: endedItself(exit) };
  }
  const ranForMs = nowMs - (memory.startedAtMs ?? nowMs);
  const restartsInARow = wasHealthyRun(policy, ranForMs) ? 0 : memory.restartsInARow;
  if (restartsInARow >= policy.attemptsMax) {
    return { ...ended, failure: restartsExhausted(policy.attemptsMax, exit) };
  }
  return { ...ended, restartsInARow, restartAtMs: nowMs + backoffMs(policy, restartsInARow) };
}

/**
 * Under these an end is the guest's own, and its policy says what follows. Also while it is sent:
 * its target may be told to have failed first, and the guest be wanted here again.
 */
const HAS_TO_LIVE: readonly GuestAssignment["desired"][] = ["running", "paused", "sending"];

function shouldRestart({ restartPolicy }: GuestAssignment, exit: CopyExit): boolean {
  if (restartPolicy.when === "always") return true;
  return restartPolicy.when === "on-failure" && exit.reason !== "guest-shutdown";
}

/** Ends that are told by a name of their own. */
const END_REASONS: Readonly<Partial<Record<CopyExit["reason"], string>>> = {
  "guest-panic": "GUEST_PANICKED",
  "boot-timeout": "BOOT_TIMEOUT",
  "out-of-memory": "GUEST_OUT_OF_MEMORY",
};

function endedItself(exit: CopyExit): ErrorDetail {
  const reason = END_REASONS[exit.reason] ?? "GUEST_ENDED";
  return failure(reason, `the guest ended (${exit.reason}): ${exit.message}`, exit);
}

function incomingFailed(exit: CopyExit): ErrorDetail {
  return failure("INCOMING_FAILED", `the migration did not arrive: ${exit.message}`, exit);
}

function restartsExhausted(attemptsMax: number, exit: CopyExit): ErrorDetail {
  const message = `ended ${attemptsMax + 1} times in a row, last (${exit.reason}): ${exit.message}`;
  return failure("RESTARTS_EXHAUSTED", message, exit);
}

function failure(reason: string, message: string, exit: CopyExit): ErrorDetail {
  return { kind: "precondition", reason, message, metadata: { exit: exit.reason } };
}
