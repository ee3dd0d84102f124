/**
 * What would have to change so that a guest that fits nowhere fits: one change at a time, each of
 * them enough by itself.
 */
import { allocatable } from "../domain/node.js";
import {
  addResources,
  mapResources,
  RESOURCE_KINDS,
  type Resources,
  subtractResources,
} from "../domain/resources.js";
import type { NodeView, PlacementRequest } from "./filters.js";
import { countAnew, type PlacedMember } from "./group-rules.js";
import { allRejections, type PlacementResult } from "./place.js";
import { relaxedRequests } from "./relaxed-requests.js";

/** A guest that may move while it runs. */
export interface MovableGuest {
  readonly guestId: string;
  /** As for a migration. */
  readonly request: PlacementRequest & {
    readonly migratingFrom: NonNullable<PlacementRequest["migratingFrom"]>;
  };
}

export type PlacementChange =
  | { readonly kind: "uncordon"; readonly nodeId: string }
  | { readonly kind: "move"; readonly guest: MovableGuest; readonly toNodeId: string }
  | { readonly kind: "drop"; readonly wish: string; readonly request: PlacementRequest }
  | { readonly kind: "free"; readonly nodeId: string; readonly resources: Resources };

/** The cluster as it is, in which the request fits nowhere. */
export interface FullCluster {
  readonly nodes: readonly NodeView[];
  readonly members: readonly PlacedMember[];
  readonly movable: readonly MovableGuest[];
  readonly place: (request: PlacementRequest) => PlacementResult;
}

/** Moves that are looked at; each costs a decision. */
const MOVES_TRIED_MAX = 64;

/** Those that cost least first; empty when no single change is enough. */
export function smallestChanges(
  request: PlacementRequest,
  cluster: FullCluster,
): readonly PlacementChange[] {
  const short = nodesShortOfRoom(request, cluster);
  const [nearest] = short;
  return [
    ...uncordoned(request, cluster),
    ...moved(request, cluster, short),
    ...dropped(request, cluster),
    ...(nearest
      ? [{ kind: "free" as const, nodeId: nearest.nodeId, resources: nearest.lacks }]
      : []),
  ];
}

/** The change in words, as an order to whoever can make it. */
export function changeText(change: PlacementChange): string {
  switch (change.kind) {
    case "uncordon":
      return `uncordon ${change.nodeId}`;
    case "move": {
      const { guest, toNodeId } = change;
      const { projectId, migratingFrom } = guest.request;
      return `move ${projectId}/${guest.guestId} from ${migratingFrom.nodeId} to ${toNodeId} first`;
    }
    case "drop":
      return `give up ${change.wish}`;
    case "free":
      return `free ${amounts(change.resources)} on ${change.nodeId}`;
  }
}

function amounts(resources: Resources): string {
  return RESOURCE_KINDS.filter((kind) => resources[kind] > 0)
    .map((kind) => `${resources[kind]} ${kind}`)
    .join(" and ");
}

function uncordoned(request: PlacementRequest, cluster: FullCluster): PlacementChange[] {
  const asked = { request, counts: countsIn(request, cluster) };
  const found = cluster.nodes.find((view) => {
    const rejected = allRejections(asked, view);
    return rejected.length > 0 && rejected.every(({ filter }) => filter === "cordon");
  });
  return found ? [{ kind: "uncordon", nodeId: found.node.id }] : [];
}

function dropped(request: PlacementRequest, { nodes, place }: FullCluster): PlacementChange[] {
  const relaxed = relaxedRequests(
    request,
    nodes.map(({ node }) => node),
  );
  return relaxed
    .filter((each) => place(each.request).isPlaced)
    .map((each) => ({ kind: "drop", ...each }));
}

interface ShortNode {
  readonly nodeId: string;
  readonly lacks: Resources;
  /** The largest share of a resource of the node that is lacking. */
  readonly share: number;
}

/** Nodes that lack room and nothing else, those that lack least first. */
function nodesShortOfRoom(request: PlacementRequest, cluster: FullCluster): ShortNode[] {
  const asked = { request, counts: countsIn(request, cluster) };
  return cluster.nodes
    .filter((view) => {
      const filters: readonly string[] = allRejections(asked, view).map(({ filter }) => filter);
      const isShort = filters.every((each) => RESOURCE_KINDS.some((kind) => kind === each));
      return filters.length > 0 && isShort && canEverHold(request, view);
    })
    .map((view) => shortage(request, view))
    .sort((left, right) => left.share - right.share || (left.nodeId < right.nodeId ? -1 : 1));
}

function canEverHold({ resources }: PlacementRequest, { node }: NodeView): boolean {
  const all = allocatable(node);
  return RESOURCE_KINDS.every((kind) => resources[kind] <= all[kind]);
}

function shortage({ resources }: PlacementRequest, { node, allocated }: NodeView): ShortNode {
  const all = allocatable(node);
  const over = subtractResources(addResources(allocated, resources), all);
  const lacks = mapResources((kind) => (resources[kind] > 0 ? Math.max(0, over[kind]) : 0));
  const shares = RESOURCE_KINDS.map((kind) => lacks[kind] / Math.max(1, all[kind]));
  return { nodeId: node.id, lacks, share: Math.max(...shares) };
}

/** The smallest guest whose leaving is enough, and that finds a place elsewhere. */
function moved(
  request: PlacementRequest,
  cluster: FullCluster,
  short: readonly ShortNode[],
): PlacementChange[] {
  const leaving = short.flatMap(({ nodeId, lacks }) => enoughOn(nodeId, lacks, cluster.movable));
  for (const guest of leaving.slice(0, MOVES_TRIED_MAX)) {
    const result = cluster.place(guest.request);
    if (!result.isPlaced) continue;
    const change = { kind: "move" as const, guest, toNodeId: result.decision.nodeId };
    if (fitsAfter(request, cluster, change)) return [change];
  }
  return [];
}

function enoughOn(
  nodeId: string,
  lacks: Resources,
  movable: readonly MovableGuest[],
): readonly MovableGuest[] {
  return movable
    .filter(({ request }) => request.migratingFrom.nodeId === nodeId)
    .filter(({ request }) => RESOURCE_KINDS.every((kind) => request.resources[kind] >= lacks[kind]))
    .sort((left, right) => left.request.resources.memoryMib - right.request.resources.memoryMib);
}

function fitsAfter(
  request: PlacementRequest,
  cluster: FullCluster,
  { guest, toNodeId }: Extract<PlacementChange, { kind: "move" }>,
): boolean {
  const { nodeId } = guest.request.migratingFrom;
  const view = cluster.nodes.find(({ node }) => node.id === nodeId);
  if (view === undefined) return false;
  const members = cluster.members.map((each) =>
    each.guestUid === guest.request.guestUid ? { ...each, nodeId: toNodeId } : each,
  );
  const asked = { request, counts: countsIn(request, { ...cluster, members }) };
  const allocated = subtractResources(view.allocated, guest.request.resources);
  return allRejections(asked, { ...view, allocated }).length === 0;
}

function countsIn(request: PlacementRequest, { nodes, members }: FullCluster) {
  return countAnew(
    request,
    nodes.map(({ node }) => node),
    members,
  );
}
