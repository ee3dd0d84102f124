/**
 * A guest that makes room: it is powered off as by its owner, taken off its node, and waits for a
 * place again. Its allocation ends when its node has confirmed that nothing of it is left (G3).
 */
import type { Eviction, Guest, Preemptor } from "../domain/guest.js";
import { mayFollow, withPhase } from "../domain/guest-lifecycle.js";
import { assignmentFor } from "./assignment-for.js";
import { type GuestPlan, type GuestView, IDLE, withNewIntent } from "./guest-view.js";
import { observeCopy } from "./observe-copy.js";
import { isGone, isUpToDate, loseGuest, placementsOf, writeObserved } from "./plan-placed.js";

/** The guest as it is when it has to leave. */
export function evicted(guest: Guest, by: Preemptor): Guest {
  const status = { ...guest.status, eviction: { step: "stopping", by } as const };
  return withNewIntent({ ...guest, status });
}

export function planEviction(view: GuestView, eviction: Eviction): GuestPlan {
  const { guest } = view;
  const { placement } = guest.status;
  if (placement === undefined) return leave(view, eviction);
  const link = view.linkOf(placement.nodeId);
  if (link === "unreachable") return loseGuest(view, placement.nodeId);
  if (link === "unknown") return IDLE;
  if (eviction.step === "removing" && isGone(view, placement.nodeId)) return leave(view, eviction);
  const copy = view.copyOn(placement.nodeId);
  if (!isUpToDate(copy, guest, placement.epoch)) {
    const desired = eviction.step === "stopping" ? "stopped" : "absent";
    const assignment = assignmentFor(view, { placement, desired });
    return { do: "act", assignments: [{ nodeId: placement.nodeId, assignment }] };
  }
  if (eviction.step === "removing") return IDLE;
  return afterStop(view, observeCopy(guest, copy), eviction);
}

function afterStop(view: GuestView, observed: Guest, eviction: Eviction): GuestPlan {
  const { phase } = observed.status;
  if (phase !== "STOPPED" && phase !== "FAILED") return writeObserved(view, observed);
  const status = { ...observed.status, eviction: { ...eviction, step: "removing" as const } };
  const guest = withNewIntent({ ...observed, status });
  return { do: "write", guest, operation: undefined, releases: [] };
}

/** Its own wish stays: if it is to run, it waits for another place. */
function leave({ guest, nowMs }: GuestView, { by }: Eviction): GuestPlan {
  const message = `made room for ${by.name} (priority ${by.priority})`;
  const phase = guest.spec.desired === "stopped" ? "STOPPED" : "PENDING";
  const off = withPhase(stopped(guest), { phase, reason: "PREEMPTED", message });
  const status = {
    ...off.status,
    placement: undefined,
    eviction: undefined,
    waitingSinceMs: nowMs,
  };
  const after = withNewIntent({ ...off, status });
  return { do: "write", guest: after, operation: undefined, releases: placementsOf(guest) };
}

function stopped(guest: Guest): Guest {
  const { phase } = guest.status;
  if (phase === "STOPPED" || mayFollow(phase, "PENDING")) return guest;
  return withPhase(guest, { phase: "STOPPED", reason: "", message: "" });
}
