/** What a decision makes of a guest's status. */
import {
  type Guest,
  heldBy,
  type PlacementDecision,
  type Rejection,
  type WaitingGuest,
  withNewIntent,
  withPhase,
} from "@innkeeper/core";

export function needsPlace(guest: Guest): boolean {
  return (
    !guest.isDeleting && guest.status.placement === undefined && guest.spec.desired !== "stopped"
  );
}

export function placed(guest: Guest, decision: PlacementDecision): Guest {
  const { nodeId, engine, mode } = decision;
  const epoch = guest.status.epochLast + 1;
  const there = withPhase(guest, { phase: "PLACED", reason: "", message: decision.message });
  const placement = { nodeId, engine, mode, epoch, decision };
  const status = {
    ...there.status,
    placement,
    preempting: undefined,
    waitingSinceMs: undefined,
    rejections: [],
    epochLast: epoch,
  };
  return withNewIntent({ ...there, status });
}

/** As the queue of those that wait sees it. */
export function waitingGuest({ uid, projectId, spec, status, createdAtMs }: Guest): WaitingGuest {
  return {
    guestUid: uid,
    projectId,
    priority: spec.priority ?? 0,
    sinceMs: status.waitingSinceMs ?? createdAtMs,
    resources: heldBy(spec),
  };
}

export interface NoPlace {
  readonly rejections: readonly Rejection[];
  readonly message: string;
  /** Undefined = nothing fits. */
  readonly reason?: "AWAITS_ROOM";
}

/** Undefined when the reasons are the same as before: nothing to write. */
export function unplaced(
  guest: Guest,
  { rejections, message, reason }: NoPlace,
): Guest | undefined {
  const isSame = JSON.stringify(guest.status.rejections) === JSON.stringify(rejections);
  if (isSame && guest.status.message === message && guest.status.phase === "PENDING") {
    return undefined;
  }
  const why = { reason: reason ?? "NOTHING_FITS", message };
  const pending = withPhase(guest, { phase: "PENDING", ...why });
  return { ...pending, status: { ...pending.status, rejections } };
}

export function summary(rejections: readonly Rejection[]): string {
  if (rejections.length === 0) return "no node has joined";
  const nodes = new Map<string, string[]>();
  for (const { nodeId, filter, message } of rejections) {
    const said = nodes.get(nodeId) ?? [];
    said.push(`${filter} ${message}`);
    nodes.set(nodeId, said);
  }
  return [...nodes].map(([nodeId, said]) => `${nodeId}: ${said.join(", ")}`).join("; ");
}
