import { describe, expect, it } from "vitest";
import { NO_NEEDS } from "../domain/needs.js";
import { type GroupRule, NO_RULES } from "../domain/placement-rules.js";
import {
  addResources,
  type Resources,
  subtractResources,
  sumResources,
} from "../domain/resources.js";
import { aNode } from "../testing/builders.js";
import { forEachSeed, type Prng } from "../testing/prng.js";
import type { NodeView, PlacementRequest } from "./filters.js";
import type { PlacedMember } from "./group-rules.js";
import { place } from "./place.js";
import {
  changeText,
  type FullCluster,
  type MovableGuest,
  type PlacementChange,
  smallestChanges,
} from "./smallest-change.js";

const NONE: Resources = { cpuMillis: 0, memoryMib: 0, diskMib: 0 };
const SEEDS = 1500;

describe("the smallest change", () => {
  it("makes the request placeable when it is made, each by itself", () => {
    const seen = new Map<string, number>();
    forEachSeed(SEEDS, (prng) => {
      const world = someWorld(prng);
      const request = someRequest(prng);
      if (placeIn(world, request).isPlaced) return;
      for (const change of smallestChanges(request, clusterOf(world))) {
        seen.set(change.kind, (seen.get(change.kind) ?? 0) + 1);
        const after = made(change, world, request);
        expect(placeIn(after.world, after.request).isPlaced, changeText(change)).toBe(true);
      }
    });
    expect([...seen.keys()].sort()).toEqual(["drop", "free", "move", "uncordon"]);
  });

  it("proposes to move a guest only to where it fits", () => {
    forEachSeed(SEEDS, (prng) => {
      const world = someWorld(prng);
      const request = someRequest(prng);
      if (placeIn(world, request).isPlaced) return;
      for (const change of smallestChanges(request, clusterOf(world))) {
        if (change.kind !== "move") continue;
        const result = placeIn(world, { ...change.guest.request, nodeId: change.toNodeId });
        expect(result.isPlaced).toBe(true);
      }
    });
  });

  it("says it as an order, with amounts and names", () => {
    const resources = { cpuMillis: 0, memoryMib: 512, diskMib: 1024 };
    expect(changeText({ kind: "free", nodeId: "n3", resources })).toBe(
      "free 512 memoryMib and 1024 diskMib on n3",
    );
    expect(changeText({ kind: "uncordon", nodeId: "n1" })).toBe("uncordon n1");
    expect(changeText({ kind: "drop", wish: "--node n9", request: someRequestOf() })).toBe(
      "give up --node n9",
    );
  });

  it("does not propose to free more than a node ever has", () => {
    const world = { nodes: [nodeWith("n0", { memoryMib: 256 })], guests: [] };
    const request = someRequestOf({ resources: { ...NONE, memoryMib: 512 } });
    expect(smallestChanges(request, clusterOf(world))).toEqual([]);
  });
});

interface World {
  readonly nodes: readonly NodeView[];
  readonly guests: readonly { readonly nodeId: string; readonly request: PlacementRequest }[];
}

function placeIn({ nodes, guests }: World, request: PlacementRequest) {
  return place(request, {
    revision: 1,
    seed: 1,
    policy: "spread",
    nodes,
    members: membersOf(guests),
  });
}

function membersOf(guests: World["guests"]): readonly PlacedMember[] {
  return guests.map(({ nodeId, request }) => {
    const { guestUid, projectId, labels } = request;
    return { nodeId, guestUid, projectId, labels };
  });
}

function clusterOf(world: World): FullCluster {
  const [ability] = aNode().abilities;
  if (ability === undefined) throw new Error("the node can run something");
  const movable: MovableGuest[] = world.guests.map(({ nodeId, request }) => ({
    guestId: request.guestUid,
    request: { ...request, migratingFrom: { nodeId, ability } },
  }));
  const members = membersOf(world.guests);
  return { nodes: world.nodes, members, movable, place: (request) => placeIn(world, request) };
}

/** The world and the request after the change. */
function made(change: PlacementChange, world: World, request: PlacementRequest) {
  switch (change.kind) {
    case "uncordon": {
      const open = ({ node, allocated }: NodeView): NodeView => ({
        node: { ...node, isCordoned: node.isCordoned && node.id !== change.nodeId },
        allocated,
      });
      return { world: { ...world, nodes: world.nodes.map(open) }, request };
    }
    case "drop":
      return { world, request: change.request };
    case "free": {
      const freed = (view: NodeView): NodeView => ({
        ...view,
        allocated: subtractResources(
          view.allocated,
          view.node.id === change.nodeId ? change.resources : NONE,
        ),
      });
      return { world: { ...world, nodes: world.nodes.map(freed) }, request };
    }
    case "move": {
      const { guestUid } = change.guest.request;
      const guests = world.guests.map((each) =>
        each.request.guestUid === guestUid ? { ...each, nodeId: change.toNodeId } : each,
      );
      return { world: withAllocations({ ...world, guests }), request };
    }
  }
}

function withAllocations({ nodes, guests }: World): World {
  const counted = nodes.map(({ node }) => {
    const there = guests.filter(({ nodeId }) => nodeId === node.id);
    return { node, allocated: sumResources(there.map((each) => each.request.resources)) };
  });
  return { nodes: counted, guests };
}

function nodeWith(id: string, capacity: Partial<Resources>, labels = {}): NodeView {
  const all = { cpuMillis: 8000, memoryMib: 1024, diskMib: 1024, ...capacity };
  const overcommitPercent = { cpuMillis: 100, memoryMib: 100, diskMib: 100 };
  const abilities = aNode().abilities.slice(0, 1);
  const node = aNode({ id, labels, capacity: all, reserve: NONE, overcommitPercent, abilities });
  return { node, allocated: NONE };
}

/** Nodes that are nearly full, with guests that were placed one after the other. */
function someWorld(prng: Prng): World {
  const nodes = Array.from({ length: prng.integer(1, 4) }, (_, index) => {
    const labels = {
      zone: prng.pick(["a", "b"]),
      ...(prng.chance(0.2) ? { "taint/gpu": "" } : {}),
    };
    const { node, allocated } = nodeWith(`n${index}`, {}, labels);
    return { node: { ...node, isCordoned: prng.chance(0.2) }, allocated };
  });
  let world: World = { nodes, guests: [] };
  for (let count = prng.integer(4, 16); count > 0; count -= 1) {
    const request = someRequestOf({
      guestUid: `g${count}`,
      labels: { app: prng.pick(["web", "db"]) },
      resources: { ...NONE, memoryMib: 128 * prng.integer(1, 4) },
      rules: { ...NO_RULES, tolerations: ["gpu"] },
    });
    const result = placeIn(world, request);
    if (!result.isPlaced) continue;
    const { nodeId } = result.decision;
    world = {
      nodes: world.nodes.map((view) => ({
        ...view,
        allocated: addResources(view.allocated, view.node.id === nodeId ? request.resources : NONE),
      })),
      guests: [...world.guests, { nodeId, request }],
    };
  }
  return world;
}

function someRequest(prng: Prng): PlacementRequest {
  const groups: GroupRule[] = prng.chance(0.4) ? [someRule(prng)] : [];
  const where = prng.chance(0.3)
    ? [{ key: "zone", operator: "in" as const, values: [prng.pick(["a", "b", "c"])] }]
    : [];
  return someRequestOf({
    resources: { ...NONE, memoryMib: 128 * prng.integer(1, 7) },
    rules: { where, groups, tolerations: prng.chance(0.5) ? ["gpu"] : [] },
    nodeId: prng.chance(0.2) ? prng.pick(["n0", "n9"]) : "",
  });
}

function someRule(prng: Prng): GroupRule {
  return {
    kind: prng.pick(["apart", "near", "spread"]),
    guestLabel: { key: "app", value: prng.pick(["web", "db"]) },
    topology: prng.pick(["node", "zone"]),
    maxSkew: 1,
    isHard: prng.chance(0.8),
  };
}

function someRequestOf(parts: Partial<PlacementRequest> = {}): PlacementRequest {
  return {
    guestUid: "new",
    projectId: "p",
    labels: {},
    rules: NO_RULES,
    resources: { ...NONE, memoryMib: 256 },
    mode: "auto",
    needs: NO_NEEDS,
    imageKind: "linux",
    nodeId: "",
    migratingFrom: undefined,
    ...parts,
  };
}
