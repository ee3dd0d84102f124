/**
 * The one table of legal transitions between a guest's phases. Nothing else sets a phase.
 */
import { assert } from "./assert.js";
import type { Guest } from "./guest.js";
import type { GuestPhase } from "./guest-phase.js";

const RUNNABLE = ["STARTING", "RUNNING", "PAUSED", "STOPPING", "STOPPED", "FAILED"] as const;

/**
 * For each phase, those that may follow. Every phase may become DELETING; DELETING is left only by
 * removal.
 */
const NEXT: Readonly<Record<GuestPhase, readonly GuestPhase[]>> = {
  PENDING: ["PLACED", "STOPPED", "FAILED", "DELETING"],
  PLACED: [...RUNNABLE, "PENDING", "LOST", "DELETING"],
  STARTING: ["RUNNING", "PAUSED", "STOPPING", "STOPPED", "FAILED", "LOST", "DELETING"],
  RUNNING: ["STARTING", "PAUSED", "MIGRATING", "STOPPING", "STOPPED", "FAILED", "LOST", "DELETING"],
  PAUSED: ["STARTING", "RUNNING", "STOPPING", "STOPPED", "FAILED", "LOST", "DELETING"],
  MIGRATING: ["STARTING", "RUNNING", "PAUSED", "STOPPING", "STOPPED", "FAILED", "LOST", "DELETING"],
  STOPPING: ["STARTING", "RUNNING", "PAUSED", "STOPPED", "FAILED", "LOST", "DELETING"],
  STOPPED: [
    "PENDING",
    "PLACED",
    "STARTING",
    "RUNNING",
    "PAUSED",
    "STOPPING",
    "FAILED",
    "LOST",
    "DELETING",
  ],
  FAILED: [
    "PENDING",
    "PLACED",
    "STARTING",
    "RUNNING",
    "PAUSED",
    "STOPPING",
    "STOPPED",
    "LOST",
    "DELETING",
  ],
  LOST: [...RUNNABLE, "PLACED", "MIGRATING", "DELETING"],
  DELETING: [],
};

export function mayFollow(from: GuestPhase, to: GuestPhase): boolean {
  return NEXT[from].includes(to);
}

export interface PhaseChange {
  readonly phase: GuestPhase;
  readonly reason: string;
  readonly message: string;
}

/**
 * The guest in another phase (or in the same one with another reason). An illegal transition is a
 * bug.
 */
export function withPhase(guest: Guest, change: PhaseChange): Guest {
  const from = guest.status.phase;
  assert(
    from === change.phase || mayFollow(from, change.phase),
    `guest ${guest.uid}: ${from} may not become ${change.phase}`,
  );
  return { ...guest, status: { ...guest.status, ...change } };
}
