/**
 * What the leader does next for one guest: compares the record with what the nodes report. Pure and
 * level-triggered: nothing depends on having seen an edge, doing it twice is the same as once.
 *
 * G1 A write comes before the acts that follow from it (write first, act after).
 * G2 A node is told to run a copy only if the committed record places it there with this epoch
 *    (I1).
 * G3 An allocation is released only when its node has confirmed that nothing of the guest is left
 *    there, or is unreachable.
 */

import type { ErrorDetail } from "../domain/errors.js";
import type { Guest } from "../domain/guest.js";
import { withPhase } from "../domain/guest-lifecycle.js";
import { isDone } from "../domain/operation.js";
import { assignmentFor } from "./assignment-for.js";
import { type GuestPlan, type GuestView, IDLE } from "./guest-view.js";
import { isLent, planClone, planLent } from "./plan-clone.js";
import { planEviction } from "./plan-eviction.js";
import { planMigration } from "./plan-migration.js";
import { isGone, placementsOf, planPlaced, settleOnly, writeObserved } from "./plan-placed.js";
import { endOperation, releaseOperation } from "./settle-operation.js";

export function planGuest(view: GuestView): GuestPlan {
  const { operation } = view;
  if (isLent(view)) return planLent(view, planAlone);
  if (operation?.kind === "clone" && !isDone(operation))
    return planClone(view, operation, planAlone);
  return planAlone(view);
}

/** What follows from the guest, its operation and the reports alone. */
function planAlone(view: GuestView): GuestPlan {
  const { guest } = view;
  if (guest.isDeleting) return planDeletion(view);
  if (guest.status.migration !== undefined) return planMigration(view, guest.status.migration);
  const { eviction } = guest.status;
  if (eviction !== undefined) return planEviction(view, eviction);
  if (guest.status.placement === undefined) return planUnplaced(view);
  return planPlaced(view);
}

function planUnplaced(view: GuestView): GuestPlan {
  const { guest } = view;
  if (view.operation?.isCancelRequested) return cancelUnplaced(view);
  if (guest.spec.desired !== "stopped") return { do: "place" };
  const isObserved = guest.status.observedGeneration === guest.generation;
  if (guest.status.phase === "STOPPED" && isObserved) return settleOnly(view);
  const stopped = withPhase(guest, { phase: "STOPPED", reason: "", message: "never started" });
  return writeObserved(view, {
    ...stopped,
    status: { ...stopped.status, observedGeneration: guest.generation },
  });
}

const CANCELLED_UNPLACED: ErrorDetail = {
  kind: "cancelled",
  reason: "CANCELLED",
  message: "cancelled before it was placed",
  metadata: {},
};

function cancelUnplaced(view: GuestView): GuestPlan {
  const { guest, operation, nowMs } = view;
  const generation = guest.generation + 1;
  const status = { ...guest.status, observedGeneration: generation };
  const stopped = withPhase(
    { ...guest, spec: { ...guest.spec, desired: "stopped" }, generation, status },
    { phase: "STOPPED", reason: "CANCELLED", message: CANCELLED_UNPLACED.message },
  );
  const ended =
    operation && endOperation(operation, { state: "cancelled", error: CANCELLED_UNPLACED, nowMs });
  return { do: "write", guest: releaseOperation(stopped, ended), operation: ended, releases: [] };
}

function planDeletion(view: GuestView): GuestPlan {
  const { guest, operation, nowMs } = view;
  const places = placementsOf(guest);
  const remaining = places.filter(({ nodeId }) => !isGone(view, nodeId));
  if (remaining.length === 0) {
    const ended =
      operation && endOperation(operation, { state: "succeeded", message: "gone", nowMs });
    return { do: "write", guest: undefined, operation: ended, releases: places };
  }
  const reachable = remaining.filter(({ nodeId }) => view.linkOf(nodeId) === "synced");
  const assignments = reachable.map(({ nodeId }) => ({
    nodeId,
    assignment: assignmentFor(view, { placement: placementOn(guest, nodeId), desired: "absent" }),
  }));
  return assignments.length > 0 ? { do: "act", assignments } : IDLE;
}

function placementOn(guest: Guest, nodeId: string) {
  const { placement, migration } = guest.status;
  const epoch = guest.status.epochLast;
  if (migration?.target.nodeId === nodeId) return { ...migration.target, epoch };
  const { engine, mode } = placement ?? { engine: "qemu" as const, mode: "hybrid" as const };
  return { engine, mode, epoch };
}
