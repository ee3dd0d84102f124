/**
 * A change of what a guest has, while it runs where that is possible: the frame of resizes and of
 * disks that come, grow and go. What grows is taken from the node and from the quota in the same
 * commit; what shrinks is given back when the node has confirmed it (plan-resize.ts).
 */
import {
  allocatable,
  type CounterChange,
  DomainError,
  type Guest,
  type GuestSpec,
  isSameDisks,
  isSameLimits,
  isSameSnapshots,
  NO_LIMITS,
  type NodeRecord,
  nodeCounter,
  RESOURCE_KINDS,
  type Resources,
  recordKey,
  subtractResources,
  takenBy,
  usageOf,
  withNewIntent,
} from "@innkeeper/core";
import type { Versioned } from "../mirror/mirror.js";
import { type GuestChange, illegalTransition, refuseIfBusy } from "./change-guest.js";
import type { CommandContext } from "./command-context.js";
import { refuseDiskOfPreemptible } from "./guest-disk.js";
import { refuseWhatCannotChange } from "./live-change.js";
import { lineChecks, lineCounters, projectLine } from "./quota-line.js";

/** Phases in which a guest can be resized: it runs, or nothing of it does. */
const RESIZABLE: readonly Guest["status"]["phase"][] = ["RUNNING", "STOPPED", "FAILED"];

/** The parts of a spec that may change. */
export type SizeChange = Partial<
  Pick<GuestSpec, "resources" | "limits" | "dataDisks" | "snapshots">
>;

/**
 * @throws `conflict` (GUEST_BUSY), `precondition` (ILLEGAL_TRANSITION, NO_LIVE_RESIZE), `capacity`
 * (QUOTA_EXCEEDED, NODE_FULL).
 */
export function changeSize(context: CommandContext, guest: Guest, change: SizeChange): GuestChange {
  const { placement, phase } = guest.status;
  const node = placement && context.mirror.node(placement.nodeId);
  const changed = withChange(guest, change);
  refuseDiskOfPreemptible("preemptible", changed.spec);
  if (placement && phase === "RUNNING") {
    refuseWhatCannotChange(guest, { placement, node: node?.value, spec: changed.spec });
  }
  return commitOf(context, { guest, resized: changed, node });
}

/** @throws `conflict` (GUEST_BUSY), `precondition` (ILLEGAL_TRANSITION). */
export function refuseUnlessResizable(context: CommandContext, guest: Guest): void {
  refuseIfBusy(context, guest);
  if (!mayResize(guest)) throw illegalTransition(guest, "resize");
}

/** One that runs and is about to be paused or stopped could no longer confirm it. */
function mayResize({ isDeleting, spec, status }: Guest): boolean {
  if (isDeleting || !RESIZABLE.includes(status.phase)) return false;
  return status.phase !== "RUNNING" || spec.desired === "running";
}

function withChange(guest: Guest, change: SizeChange): Guest {
  const { resources: from, limits = NO_LIMITS, dataDisks = [], snapshots = [] } = guest.spec;
  const spec = { ...guest.spec, ...change };
  const isSameSize = RESOURCE_KINDS.every((kind) => from[kind] === spec.resources[kind]);
  const isSameRest =
    isSameLimits(limits, spec.limits) &&
    isSameDisks(dataDisks, spec.dataDisks) &&
    isSameSnapshots(snapshots, spec.snapshots);
  if (isSameSize && isSameRest) return guest;
  const resize = guest.status.placement && { from, before: { limits, dataDisks, snapshots } };
  return withNewIntent({
    ...guest,
    generation: guest.generation + 1,
    spec,
    status: { ...guest.status, resize },
  });
}

function commitOf(
  { mirror }: CommandContext,
  change: { guest: Guest; resized: Guest; node: Versioned<NodeRecord> | undefined },
) {
  const { guest, resized, node } = change;
  const line = projectLine(mirror, guest.projectId);
  const more = subtractResources(takenBy(resized), takenBy(guest));
  if (node) refuseOverNode(node.value, more, mirror.allocatedOn(node.value.id));
  return {
    guest: resized,
    checks: [
      ...lineChecks(line),
      ...(node ? [{ key: recordKey("node", node.value.id), revision: node.revision }] : []),
    ],
    counters: [
      ...lineCounters(line, { ...usageOf(more), guests: 0 }),
      ...(node ? nodeChanges(node.value, more) : []),
    ],
  };
}

function nodeChanges(node: NodeRecord, more: Resources): CounterChange[] {
  const limit = allocatable(node);
  return changedKinds(more).map((kind) => ({
    key: nodeCounter(node.id, kind),
    delta: more[kind],
    max: more[kind] > 0 ? limit[kind] : undefined,
  }));
}

function changedKinds(more: Resources) {
  return RESOURCE_KINDS.filter((kind) => more[kind] !== 0);
}

/** A friendly early answer; what holds is the bounded counter in the commit. */
function refuseOverNode(node: NodeRecord, more: Resources, allocated: Resources): void {
  const limit = allocatable(node);
  for (const kind of RESOURCE_KINDS) {
    const left = Math.max(0, limit[kind] - allocated[kind]);
    if (more[kind] <= 0 || more[kind] <= left) continue;
    throw new DomainError({
      kind: "capacity",
      reason: "NODE_FULL",
      message: `node ${node.id} has ${left} of ${kind} left, ${more[kind]} more are needed`,
      metadata: { node: node.id, resource: kind, left: String(left), need: String(more[kind]) },
    });
  }
}
