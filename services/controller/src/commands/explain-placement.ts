/**
 * Where a guest would go now, and what stands against it: asked without changing anything, for a
 * guest that is there and for one that is not.
 */
import {
  allRejections,
  type Candidate,
  candidateOn,
  changeText,
  countAnew,
  DomainError,
  type FullCluster,
  type Guest,
  heldBy,
  type NodeView,
  notFound,
  type PlacedMember,
  type PlacementChange,
  type PlacementRequest,
  type PlacementResult,
  placementsOf,
  type Rejection,
  smallestChanges,
  subtractResources,
  usageOf,
} from "@innkeeper/core";
import type { NodeViews } from "../loops/node-views.js";
import { placementRequest } from "../loops/placement-request.js";
import { findGuest, type GuestRef } from "./change-guest.js";
import type { CommandContext } from "./command-context.js";
import { type CreateGuestInput, prepareCreation } from "./create-guest.js";
import { movableOf } from "./movable-guest.js";
import { projectLine, refuseOverQuota } from "./quota-line.js";

type Context = CommandContext & { readonly nodeViews: NodeViews };

export interface PlacementExplanation {
  /** Undefined when admission would refuse it. */
  readonly result: PlacementResult | undefined;
  /** Why admission would refuse it. */
  readonly refusal: DomainError | undefined;
  /** What stands against the node that was asked for, or against every node when nothing fits. */
  readonly rejections: readonly Rejection[];
  /** How good the node that was asked for is, if it fits. */
  readonly candidate: Candidate | undefined;
  /** When nothing fits: single changes, each of which is enough. */
  readonly changes: readonly { readonly change: PlacementChange; readonly text: string }[];
}

/** @param nodeId look at this one; empty = at all. @throws `not-found` for the node */
export function explainNewGuest(
  context: Context,
  input: Omit<CreateGuestInput, "requestId">,
  nodeId: string,
): PlacementExplanation {
  try {
    const { transaction } = prepareCreation(context, input);
    const guest = transaction.puts[0]?.value as Guest;
    const line = projectLine(context.mirror, guest.projectId);
    refuseOverQuota(context.mirror, line, usageOf(heldBy(guest.spec)));
    return explained(context, guest, nodeId);
  } catch (refusal) {
    if (!(refusal instanceof DomainError) || refusal.reason === "NODE_NOT_FOUND") throw refusal;
    return { result: undefined, refusal, rejections: [], candidate: undefined, changes: [] };
  }
}

/** As if it had no place yet. @throws `not-found` for guest or node */
export function explainGuest(
  context: Context,
  ref: GuestRef,
  nodeId: string,
): PlacementExplanation {
  return explained(context, findGuest(context, ref).value, nodeId);
}

function explained(context: Context, guest: Guest, nodeId: string): PlacementExplanation {
  if (nodeId !== "" && !context.mirror.node(nodeId)) throw notFound("node", nodeId);
  const request = placementRequest(guest, context.mirror);
  const cluster = clusterWithout(context, guest);
  const result = cluster.place(request);
  const changes = result.isPlaced ? [] : smallestChanges(request, cluster);
  const view = cluster.nodes.find(({ node }) => node.id === nodeId);
  const policy = context.nodeViews.policyOf(request);
  const here = view && onNode({ ...request, policy }, cluster, view);
  return {
    result,
    refusal: undefined,
    rejections: here?.rejections ?? (result.isPlaced ? [] : result.rejections),
    candidate: here?.candidate,
    changes: changes.map((change) => ({ change, text: changeText(change) })),
  };
}

function onNode(request: PlacementRequest, { nodes, members }: FullCluster, view: NodeView) {
  const all = nodes.map(({ node }) => node);
  const asked = { request, counts: countAnew(request, all, members) };
  const rejections = allRejections(asked, view);
  const context = { revision: 0, seed: 0, policy: request.policy ?? "spread" };
  const candidate = rejections.length === 0 ? candidateOn(view, asked, context) : undefined;
  return { rejections, candidate };
}

/** The cluster as the scheduler sees it, the guest's own places free. */
function clusterWithout({ mirror, nodeViews, ids }: Context, guest: Guest): FullCluster {
  const own = placementsOf(guest);
  const nodes = nodeViews.all().map((view) => {
    const mine = own.find(({ nodeId }) => nodeId === view.node.id);
    return mine ? { ...view, allocated: subtractResources(view.allocated, mine.resources) } : view;
  });
  const guests = mirror.guests().filter(({ uid }) => uid !== guest.uid);
  const place = (request: PlacementRequest): PlacementResult =>
    nodeViews.without(own, guest, (turn) => turn.place(request, ids.random32()));
  const movable = guests
    .map((each) => movableOf(mirror, each))
    .filter((each) => each !== undefined);
  return { nodes, members: guests.flatMap(membersOf), movable, place };
}

function membersOf(guest: Guest): PlacedMember[] {
  const { uid: guestUid, projectId, labels } = guest;
  return placementsOf(guest).map(({ nodeId }) => ({ nodeId, guestUid, projectId, labels }));
}
