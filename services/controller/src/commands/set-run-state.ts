/**
 * Start, stop, pause, resume: changes what the guest should be doing; the leader and its node make
 * it so.
 */
import {
  type DesiredRunState,
  type Guest,
  type GuestPhase,
  type OperationKind,
  withNewIntent,
  withPhase,
} from "@innkeeper/core";
import { changeGuest, type GuestCommand, illegalTransition, refuseIfBusy } from "./change-guest.js";
import type { CommandContext } from "./command-context.js";

export type RunStateVerb = Extract<OperationKind, "start" | "stop" | "pause" | "resume">;

interface VerbRule {
  readonly desired: DesiredRunState;
  /** Phases in which the verb makes sense. */
  readonly from: readonly GuestPhase[];
}

const RULES: Readonly<Record<RunStateVerb, VerbRule>> = {
  start: { desired: "running", from: ["STOPPED", "FAILED", "RUNNING"] },
  stop: {
    desired: "stopped",
    from: ["PENDING", "PLACED", "STARTING", "RUNNING", "PAUSED", "STOPPED", "FAILED"],
  },
  pause: { desired: "paused", from: ["RUNNING", "PAUSED"] },
  resume: { desired: "running", from: ["PAUSED", "RUNNING"] },
};

/**
 * @returns the operation's id; asking for what is so already succeeds at once.
 * @throws `not-found`, `conflict` (GUEST_BUSY), `precondition` (ILLEGAL_TRANSITION).
 */
export function setRunState(
  context: CommandContext,
  verb: RunStateVerb,
  input: GuestCommand,
): Promise<string> {
  const rule = RULES[verb];
  return changeGuest(context, { input: { ...input }, kind: verb }, ({ value: guest }) => {
    refuseIfBusy(context, guest);
    if (!rule.from.includes(guest.status.phase) || guest.isDeleting) {
      throw illegalTransition(guest, verb);
    }
    return { guest: withDesired(guest, verb, rule.desired) };
  });
}

function withDesired(guest: Guest, verb: RunStateVerb, desired: DesiredRunState): Guest {
  const isRestart = verb === "start" && guest.status.phase !== "RUNNING";
  if (guest.spec.desired === desired && !isRestart) return guest;
  return withNewIntent({
    ...guest,
    generation: guest.generation + 1,
    spec: { ...guest.spec, desired, startCount: guest.spec.startCount + (isRestart ? 1 : 0) },
    status: unplacedStart(guest, isRestart),
  });
}

/** A guest that was stopped before it had a place goes back to the queue. */
function unplacedStart(guest: Guest, isRestart: boolean): Guest["status"] {
  const isUnplaced = guest.status.placement === undefined && guest.status.phase === "STOPPED";
  if (!isRestart || !isUnplaced) return guest.status;
  return withPhase(guest, { phase: "PENDING", reason: "", message: "" }).status;
}
