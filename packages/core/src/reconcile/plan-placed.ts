/** What the leader does next for a guest that has a place and stays there. */
import type { CopyReport } from "../domain/assignment.js";
import { type Guest, takenBy } from "../domain/guest.js";
import { withPhase } from "../domain/guest-lifecycle.js";
import { assignmentFor } from "./assignment-for.js";
import { type GuestPlan, type GuestView, IDLE, type Release } from "./guest-view.js";
import { observeCopy } from "./observe-copy.js";
import { planResize } from "./plan-resize.js";
import { releaseOperation, settleOperation } from "./settle-operation.js";

export function planPlaced(view: GuestView): GuestPlan {
  const { guest } = view;
  const placement = guest.status.placement;
  if (placement === undefined) return IDLE;
  const link = view.linkOf(placement.nodeId);
  if (link === "unreachable") return loseGuest(view, placement.nodeId);
  if (link === "unknown") return IDLE;
  const copy = view.copyOn(placement.nodeId);
  if (!isUpToDate(copy, guest, placement.epoch)) {
    const assignment = assignmentFor(view, { placement, desired: guest.spec.desired });
    return { do: "act", assignments: [{ nodeId: placement.nodeId, assignment }] };
  }
  const observed = observeCopy(guest, copy);
  const { resize } = guest.status;
  const resized = resize && planResize(view, copy, { observed, resize });
  return resized ?? writeObserved(view, observed);
}

/** The node has taken the newest assignment, and the report is about the copy that may run. */
export function isUpToDate(
  copy: CopyReport | undefined,
  guest: Guest,
  epoch: number,
): copy is CopyReport {
  return (
    copy !== undefined &&
    copy.intent >= guest.intent &&
    copy.epoch >= epoch &&
    copy.state !== "absent"
  );
}

export function loseGuest(view: GuestView, nodeId: string): GuestPlan {
  if (view.guest.status.phase === "LOST") return IDLE;
  const lost = withPhase(view.guest, {
    phase: "LOST",
    reason: "NODE_UNREACHABLE",
    message: `node ${nodeId} does not answer; whether the guest runs is not known`,
  });
  return { do: "write", guest: lost, operation: undefined, releases: [] };
}

export function settleOnly(view: GuestView): GuestPlan {
  const operation = settleOperation(view.operation, view.guest, view.nowMs);
  if (operation === undefined) return IDLE;
  const guest = releaseOperation(view.guest, operation);
  return { do: "write", guest, operation, releases: [] };
}

export function writeObserved(view: GuestView, guest: Guest): GuestPlan {
  if (guest === view.guest) return settleOnly(view);
  const operation = settleOperation(view.operation, guest, view.nowMs);
  return { do: "write", guest: releaseOperation(guest, operation), operation, releases: [] };
}

/** Every node that may hold something of the guest. */
export function placementsOf(guest: Guest): Release[] {
  const { placement, migration } = guest.status;
  const resources = takenBy(guest);
  const nodeIds = new Set<string>();
  if (placement) nodeIds.add(placement.nodeId);
  if (migration) nodeIds.add(migration.sourceNodeId).add(migration.target.nodeId);
  return [...nodeIds].map((nodeId) => ({ nodeId, resources }));
}

/** Its node has confirmed that nothing of the guest is left there. */
export function isGone(view: GuestView, nodeId: string): boolean {
  const copy = view.copyOn(nodeId);
  return copy !== undefined && copy.state === "absent" && copy.intent >= view.guest.intent;
}
