import { describe, expect, it } from "vitest";
import { MODES } from "../domain/mode.js";
import { NO_NEEDS } from "../domain/needs.js";
import { allocatable, type NodeRecord } from "../domain/node.js";
import { CANDIDATES_MAX, REJECTIONS_MAX } from "../domain/placement.js";
import { NO_RULES } from "../domain/placement-rules.js";
import {
  addResources,
  NO_RESOURCES,
  RESOURCE_KINDS,
  type Resources,
  subtractResources,
} from "../domain/resources.js";
import { aNode } from "../testing/builders.js";
import { forEachSeed, type Prng } from "../testing/prng.js";
import { type NodeView, type PlacementRequest, usableAbilities } from "./filters.js";
import { MODE_PREFERENCE } from "./offers.js";
import { type PlacementInput, type PlacementResult, place } from "./place.js";

describe("place, against the simplest scheduler there is", () => {
  it("places when some node can take the guest, and only then", () => {
    forEachSeed(3000, (prng) => {
      const { request, input } = randomQuestion(prng);
      const fitting = input.nodes.filter((view) => fits(request, view));
      expect(place(request, input).isPlaced).toBe(fitting.length > 0);
    });
  });

  it("never promises more than a node may promise (I2)", () => {
    forEachSeed(3000, (prng) => {
      const { request, input } = randomQuestion(prng);
      const result = place(request, input);
      if (!result.isPlaced) return;
      const { node, allocated } = viewOf(input, result.decision.nodeId);
      const taken = addResources(allocated, request.resources);
      for (const kind of RESOURCE_KINDS) {
        if (request.resources[kind] === 0) continue;
        expect(taken[kind]).toBeLessThanOrEqual(allocatable(node)[kind]);
      }
    });
  });

  it("takes a node that no other beats, by the documented score", () => {
    forEachSeed(3000, (prng) => {
      const { request, input } = randomQuestion(prng);
      const result = place(request, input);
      if (!result.isPlaced) return;
      const scores = input.nodes
        .filter((view) => fits(request, view))
        .map((view) => scoreOf(request, view));
      const chosen = scoreOf(request, viewOf(input, result.decision.nodeId));
      expect(chosen).toBeCloseTo(Math.max(...scores), 9);
    });
  });

  it("gives the same decision for the same input, in whatever order the nodes come (I8)", () => {
    forEachSeed(1000, (prng) => {
      const { request, input } = randomQuestion(prng);
      const first = place(request, input);
      expect(place(request, structuredClone(input))).toEqual(first);
      const shuffled = place(request, { ...input, nodes: prng.shuffle(input.nodes) });
      expect(withoutRejections(shuffled)).toEqual(withoutRejections(first));
    });
  });

  it("fills a cluster guest by guest without ever overcommitting it", () => {
    forEachSeed(50, (prng) => {
      let views = Array.from({ length: 4 }, (_, index) => randomView(prng, `n${index}`));
      for (let guest = 0; guest < 60; guest += 1) {
        const request = randomRequest(prng);
        const nodeId = nodeOf(place(request, inputOf(views, guest)));
        views = views.map((view) =>
          view.node.id === nodeId
            ? { ...view, allocated: addResources(view.allocated, request.resources) }
            : view,
        );
      }
      for (const { node, allocated } of views) {
        const free = subtractResources(allocatable(node), allocated);
        for (const kind of RESOURCE_KINDS) expect(free[kind]).toBeGreaterThanOrEqual(0);
      }
    });
  });
});

describe("the decision", () => {
  const nodes = ["n1", "n2", "n3"].map((id) => viewWith({ id }));

  it("spreads over equal nodes by the seed", () => {
    const chosen = new Set<string>();
    for (let seed = 0; seed < 50; seed += 1)
      chosen.add(nodeOf(place(REQUEST, inputOf(nodes, seed))));
    expect([...chosen].sort()).toEqual(["n1", "n2", "n3"]);
  });

  it("takes the emptiest node first, whatever the seed", () => {
    const [full, half, empty] = [12_000, 8000, 0].map((memoryMib, index) => ({
      ...(nodes[index] as NodeView),
      allocated: { ...NO_RESOURCES, memoryMib },
    })) as [NodeView, NodeView, NodeView];
    for (let seed = 0; seed < 20; seed += 1) {
      expect(nodeOf(place(REQUEST, inputOf([full, empty, half], seed)))).toBe("n3");
    }
  });

  it("takes the least emulation that a node offers, unless a mode is asked for", () => {
    const modeOf = (mode: PlacementRequest["mode"]): string => {
      const result = place({ ...REQUEST, mode }, inputOf(nodes, 1));
      return result.isPlaced ? result.decision.mode : "none";
    };
    expect([modeOf("auto"), modeOf("hybrid")]).toEqual(["paravirt", "hybrid"]);
    expect(modeOf("container")).toBe("none");
  });

  it("explains itself: input, best candidates in order, sentence", () => {
    const many = Array.from({ length: 9 }, (_, index) => viewWith({ id: `n${index}` }));
    const result = place(REQUEST, {
      revision: 77,
      seed: 5,
      policy: "spread",
      members: [],
      nodes: many,
    });
    expect(result).toMatchObject({ isPlaced: true, decision: { revision: 77, seed: 5 } });
    if (!result.isPlaced) return;
    const { candidates, message, nodeId } = result.decision;
    expect(candidates).toHaveLength(CANDIDATES_MAX);
    expect(candidates[0]?.nodeId).toBe(nodeId);
    const scores = candidates.map((each) => each.score);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    for (const score of scores) expect(score).toBeGreaterThanOrEqual(0);
    for (const score of scores) expect(score).toBeLessThanOrEqual(1);
    expect(message).toMatch(/^paravirt \(least emulation offered\) on n\d: best of 9 that fit/);
  });

  it("keeps a bounded number of rejections", () => {
    const full = Array.from({ length: 100 }, (_, index) =>
      viewWith({ id: `n${index}`, isCordoned: true }),
    );
    const result = place(REQUEST, inputOf(full, 1));
    expect(!result.isPlaced && result.rejections.length).toBe(REJECTIONS_MAX);
  });

  it("has nothing to reject without nodes", () => {
    expect(place(REQUEST, inputOf([], 1))).toEqual({ isPlaced: false, rejections: [] });
  });
});

const REQUEST: PlacementRequest = {
  guestUid: "g",
  projectId: "p",
  labels: {},
  rules: NO_RULES,
  resources: { cpuMillis: 1000, memoryMib: 256, diskMib: 0 },
  mode: "auto",
  imageKind: "linux",
  needs: NO_NEEDS,
  nodeId: "",
  migratingFrom: undefined,
};

function viewWith(overrides: Parameters<typeof aNode>[0]): NodeView {
  return { node: aNode(overrides), allocated: NO_RESOURCES };
}

function inputOf(nodes: readonly NodeView[], seed: number): PlacementInput {
  return { revision: 1, seed, policy: "spread", members: [], nodes };
}

function nodeOf(result: PlacementResult): string {
  return result.isPlaced ? result.decision.nodeId : "none";
}

function randomQuestion(prng: Prng): { request: PlacementRequest; input: PlacementInput } {
  const nodes = Array.from({ length: prng.integer(0, 4) }, (_, index) =>
    randomView(prng, `n${index}`),
  );
  return {
    request: randomRequest(prng),
    input: {
      revision: prng.integer(1, 99),
      seed: prng.next32(),
      policy: "spread",
      members: [],
      nodes,
    },
  };
}

function randomRequest(prng: Prng): PlacementRequest {
  return {
    ...REQUEST,
    resources: randomResources(prng, 4),
    mode: prng.pick(["auto", ...MODES]),
    imageKind: prng.pick(["linux", "pvh"]),
    nodeId: prng.chance(0.8) ? "" : prng.pick(["n0", "n1", "n9"]),
  };
}

function randomView(prng: Prng, id: string): NodeView {
  const node = aNode({
    id,
    capacity: randomResources(prng, 10),
    reserve: randomResources(prng, 2),
    overcommitPercent: { cpuMillis: prng.pick([100, 250]), memoryMib: 100, diskMib: 100 },
    state: prng.chance(0.9) ? "ready" : "unreachable",
    isCordoned: prng.chance(0.1),
    abilities: aNode().abilities.filter(() => prng.chance(0.7)),
  });
  return { node, allocated: randomPart(prng, node) };
}

function randomResources(prng: Prng, max: number): Resources {
  const draw = (): number => prng.integer(0, max);
  return { cpuMillis: draw(), memoryMib: draw(), diskMib: draw() };
}

function randomPart(prng: Prng, node: NodeRecord): Resources {
  const limit = allocatable(node);
  return {
    cpuMillis: prng.integer(0, limit.cpuMillis),
    memoryMib: prng.integer(0, limit.memoryMib),
    diskMib: prng.integer(0, limit.diskMib),
  };
}

function viewOf({ nodes }: PlacementInput, nodeId: string): NodeView {
  return nodes.find(({ node }) => node.id === nodeId) as NodeView;
}

/** The oracle: can this node take the guest? */
function fits(request: PlacementRequest, { node, allocated }: NodeView): boolean {
  const isThere = node.state === "ready" && !node.isCordoned;
  const isWanted = request.nodeId === "" || request.nodeId === node.id;
  const hasMode = node.abilities.some(
    ({ mode }) =>
      ["hybrid", "paravirt"].includes(mode) && (request.mode === "auto" || request.mode === mode),
  );
  const hasRoom = RESOURCE_KINDS.every((kind) => {
    const promised = Math.floor((node.capacity[kind] * node.overcommitPercent[kind]) / 100);
    const left = Math.max(0, promised - node.reserve[kind]) - allocated[kind];
    return request.resources[kind] === 0 || request.resources[kind] <= left;
  });
  return isThere && isWanted && hasMode && hasRoom;
}

/** 0.8 for what stays free of the scarcest resource, 0.2 for how little is emulated. */
function scoreOf(request: PlacementRequest, { node, allocated }: NodeView): number {
  const limit = allocatable(node);
  const shares = RESOURCE_KINDS.filter((kind) => limit[kind] > 0).map(
    (kind) => (limit[kind] - allocated[kind] - request.resources[kind]) / limit[kind],
  );
  const preferences = usableAbilities(request, node).map(({ mode }) => MODE_PREFERENCE[mode]);
  return 0.8 * (shares.length === 0 ? 0 : Math.min(...shares)) + 0.2 * Math.max(...preferences);
}

function withoutRejections(result: PlacementResult): unknown {
  if (!result.isPlaced) return { count: result.rejections.length };
  const { rejections, ...decision } = result.decision;
  return { ...decision, count: rejections.length };
}
