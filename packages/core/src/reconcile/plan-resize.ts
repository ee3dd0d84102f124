/**
 * A change of resources under way: it is over when the guest's node says so.
 *
 * Z1 What a guest gives back is released only when its node has confirmed it (I2, I3).
 * Z2 A change that cannot be made leaves the guest with what it had, and its operation says why.
 */
import type { CopyReport, CopyState } from "../domain/assignment.js";
import type { ErrorDetail } from "../domain/errors.js";
import { type Guest, type Resize, takenBy } from "../domain/guest.js";
import { subtractResources } from "../domain/resources.js";
import { type GuestPlan, type GuestView, type Release, withNewIntent } from "./guest-view.js";
import { endOperation, releaseOperation, settleOperation } from "./settle-operation.js";

/** Then the node has made the change, or has no copy left that holds anything. */
const IS_SETTLED: readonly CopyState[] = ["running", "stopped", "failed", "backing-off"];

const STANDS_STILL: ErrorDetail = {
  kind: "precondition",
  reason: "GUEST_PAUSED",
  message: "the guest stands still and can give nothing back",
  metadata: {},
};

/**
 * The write that ends the change; undefined while it is under way. `observed` is the guest as the
 * report shows it.
 */
export function planResize(
  view: GuestView,
  copy: CopyReport,
  { observed, resize }: { readonly observed: Guest; readonly resize: Resize },
): GuestPlan | undefined {
  if (copy.state === "paused") return takeBack(view, resize, STANDS_STILL);
  if (!IS_SETTLED.includes(copy.state)) return undefined;
  const error = copy.changeError ?? (copy.state === "running" ? copy.error : undefined);
  if (error !== undefined) return takeBack(view, resize, error);
  const guest = { ...observed, status: { ...observed.status, resize: undefined } };
  const operation = settleOperation(view.operation, guest, view.nowMs);
  const releases = releasedBy(view.guest, guest);
  return { do: "write", guest: releaseOperation(guest, operation), operation, releases };
}

function takeBack(view: GuestView, { from, before: rest }: Resize, error: ErrorDetail): GuestPlan {
  const before = view.guest;
  const guest = withNewIntent({
    ...before,
    generation: before.generation + 1,
    spec: { ...before.spec, ...rest, resources: from },
    status: { ...before.status, resize: undefined },
  });
  const { nowMs } = view;
  const operation =
    view.operation && endOperation(view.operation, { state: "failed", error, nowMs });
  const releases = releasedBy(before, guest);
  return { do: "write", guest: releaseOperation(guest, operation), operation, releases };
}

function releasedBy(before: Guest, after: Guest): Release[] {
  const nodeId = before.status.placement?.nodeId;
  if (nodeId === undefined) return [];
  return [{ nodeId, resources: subtractResources(takenBy(before), takenBy(after)) }];
}
