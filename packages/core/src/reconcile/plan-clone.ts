/**
 * Cloning, as the leader sees it. One operation holds two guests: the new one, whose it is, and the
 * one whose disks are copied, which is lent to it: no command changes that one meanwhile.
 *
 * N1 Nothing is left of a clone that fails or is cancelled: the new guest is deleted.
 * N2 What the new guest's disks began as is forgotten in the commit that says that they are there.
 */
import type { ErrorDetail } from "../domain/errors.js";
import type { Guest } from "../domain/guest.js";
import { withPhase } from "../domain/guest-lifecycle.js";
import { isDone, type Operation } from "../domain/operation.js";
import { type GuestPlan, type GuestView, IDLE, withNewIntent } from "./guest-view.js";
import { endOperation } from "./settle-operation.js";

type PlanAlone = (view: GuestView) => GuestPlan;

/** Its operation is another guest's. */
export function isLent({ guest, operation }: GuestView): boolean {
  return operation !== undefined && operation.guestUid !== guest.uid;
}

/** It goes on as a guest that is not busy, and is one when the operation has ended. */
export function planLent(view: GuestView, planAlone: PlanAlone): GuestPlan {
  const { guest, operation } = view;
  if (operation !== undefined && isDone(operation)) {
    const free = { ...guest, operationId: "" };
    return { do: "write", guest: free, operation: undefined, releases: [] };
  }
  return planAlone({ ...view, operation: undefined });
}

export function planClone(view: GuestView, operation: Operation, planAlone: PlanAlone): GuestPlan {
  const { guest, nowMs } = view;
  if (operation.isCancelRequested) {
    return undone(guest, endOperation(operation, { state: "cancelled", error: CANCELLED, nowMs }));
  }
  const plan = planAlone(view);
  if (plan.do === "idle") return planProgress(view, operation);
  if (plan.do !== "write" || plan.operation === undefined || plan.guest === undefined) return plan;
  if (plan.operation.state !== "succeeded") return undone(plan.guest, plan.operation);
  const { cloneOf: _, ...spec } = plan.guest.spec;
  return { ...plan, guest: { ...plan.guest, spec } };
}

/** Says how far its node is with the disks. */
function planProgress({ guest, copyOn, nowMs }: GuestView, operation: Operation): GuestPlan {
  const { placement } = guest.status;
  const copy = placement && copyOn(placement.nodeId);
  if (copy?.clonedPercent === undefined || copy.epoch !== placement?.epoch) return IDLE;
  const message = `copies the disks: ${copy.clonedPercent} %`;
  if (operation.message === message) return IDLE;
  const told = { ...operation, message, updatedAtMs: nowMs };
  return { do: "write", guest, operation: told, releases: [] };
}

const CANCELLED: ErrorDetail = {
  kind: "cancelled",
  reason: "CANCELLED",
  message: "cancelled; nothing is left of the clone",
  metadata: {},
};

function undone(guest: Guest, operation: Operation): GuestPlan {
  const deleting = withPhase(guest, { phase: "DELETING", reason: "", message: "" });
  const gone = withNewIntent({ ...deleting, isDeleting: true, operationId: "" });
  return { do: "write", guest: gone, operation, releases: [] };
}
