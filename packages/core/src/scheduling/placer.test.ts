import { describe, expect, it } from "vitest";
import { MODES } from "../domain/mode.js";
import { NO_NEEDS } from "../domain/needs.js";
import { allocatable } from "../domain/node.js";
import {
  GROUP_RULE_KINDS,
  type GroupRule,
  NO_RULES,
  PLACEMENT_POLICIES,
  type PlacementRules,
} from "../domain/placement-rules.js";
import { RESOURCE_KINDS, type Resources } from "../domain/resources.js";
import { aNode } from "../testing/builders.js";
import { forEachSeed, type Prng } from "../testing/prng.js";
import type { PlacementRequest } from "./filters.js";
import type { PlacedMember } from "./group-rules.js";
import { KINDS, writeAmounts } from "./node-class.js";
import { type PlacementContext, place } from "./place.js";
import { Placer } from "./placer.js";

const NODES_SMALL = 4;
const NODES_MIDDLE = 60;
const NODES_MANY = 300;

describe("the placer, against the plain loop", () => {
  it("decides the same on small clusters, whatever changed before (A1)", () => {
    forEachSeed(300, (prng) => expectSameDecisions(prng, { nodes: NODES_SMALL, changes: 10 }));
  });

  it("decides the same on clusters of many nodes, many of them equal (Q1)", () => {
    forEachSeed(20, (prng) => expectSameDecisions(prng, { nodes: NODES_MIDDLE, changes: 150 }));
  });

  it("decides the same while only allocations change and few wishes come again and again", () => {
    forEachSeed(10, (prng) => {
      const placer = new Placer();
      for (let index = 0; index < NODES_MANY; index += 1) {
        placer.table.setNode({ ...randomNode(prng, `n${index}`), isCordoned: false });
      }
      const wishes = Array.from({ length: 3 }, () => ({ ...randomRules(prng, 0.5), groups: [] }));
      for (let count = 0; count < 2000; count += 1) {
        allocateRandomly(prng, placer.table, prng.integer(0, NODES_MANY - 1));
        const request = { ...randomRequest(prng, []), nodeId: "", rules: prng.pick(wishes) };
        const context = { revision: 1, seed: prng.next32(), policy: "spread" as const };
        expect(placer.choose(request, context)).toBe(placer.scan(request, context));
        if (count % 500 === 0) expectSame(placer, request, { ...context, members: [] });
      }
    });
  });

  it("finds the same best few in large clusters, without looking at every node (Q1)", () => {
    forEachSeed(300, (prng) => {
      const nodes = prng.pick([NODES_SMALL, NODES_MIDDLE]);
      changeAndAsk(prng, { placer: new Placer(0), nodes, changes: 20 }, expectSameBestFew);
    });
  });

  it("keeps allocations of nodes that come later or come again", () => {
    const placer = new Placer();
    const taken = { cpuMillis: 100, memoryMib: 7, diskMib: 0 };
    placer.table.allocate("n1", taken);
    placer.table.setNode(aNode());
    expect(placer.table.views()).toEqual([{ node: aNode(), allocated: taken }]);
    placer.table.removeNode("n1");
    expect(placer.table.views()).toEqual([]);
    placer.table.release("n1", taken);
    placer.table.allocate("n1", { ...taken, memoryMib: 8 });
    placer.table.setNode(aNode());
    expect(placer.table.views()[0]?.allocated).toEqual({ ...taken, memoryMib: 8 });
  });

  it("looks at few nodes: fills equal nodes evenly, one after the other", () => {
    const placer = new Placer();
    for (let index = 0; index < 100; index += 1) placer.table.setNode(aNode({ id: `n${index}` }));
    const request = { ...REQUEST, resources: { cpuMillis: 1000, memoryMib: 1, diskMib: 0 } };
    const counts = new Array<number>(100).fill(0);
    for (let seed = 0; seed < 300; seed += 1) {
      const slot = placer.choose(request, { seed, policy: "spread" });
      counts[slot] = (counts[slot] ?? 0) + 1;
      placer.table.changeAt(slot, request.resources, 1);
    }
    expect(new Set(counts)).toEqual(new Set([3]));
  });
});

const REQUEST: PlacementRequest = {
  guestUid: "g",
  projectId: "p",
  labels: {},
  rules: NO_RULES,
  resources: { cpuMillis: 0, memoryMib: 0, diskMib: 0 },
  mode: "auto",
  imageKind: "linux",
  needs: NO_NEEDS,
  nodeId: "",
  migratingFrom: undefined,
};

function expectSameDecisions(prng: Prng, size: { nodes: number; changes: number }): void {
  changeAndAsk(prng, { ...size, placer: new Placer() }, expectSame);
}

type Expect = typeof expectSame;

/** Changes the cluster at random and asks after each change. */
function changeAndAsk(
  prng: Prng,
  { placer, nodes, changes }: { placer: Placer; nodes: number; changes: number },
  expectFor: Expect,
): void {
  const members: PlacedMember[] = [];
  for (let count = 0; count < changes; count += 1) {
    const nodeId = `n${prng.integer(0, nodes - 1)}`;
    changeRandomly(prng, placer, nodeId);
    moveRandomly(prng, { placer, members, nodeId });
    const policy = prng.chance(0.6) ? "spread" : prng.pick(PLACEMENT_POLICIES);
    const context = { revision: count, seed: prng.next32(), policy };
    expectFor(placer, randomRequest(prng, members), { ...context, members });
  }
}

/** A guest comes to the node, or one leaves. */
function moveRandomly(
  prng: Prng,
  { placer, members, nodeId }: { placer: Placer; members: PlacedMember[]; nodeId: string },
): void {
  if (members.length > 0 && prng.chance(0.4)) {
    const [gone] = members.splice(prng.integer(0, members.length - 1), 1);
    if (gone) placer.members.remove(gone.nodeId, gone);
    return;
  }
  const labels = { app: prng.pick(["a", "b"]) };
  const guestUid = `g${prng.next32()}`;
  const member = { guestUid, projectId: prng.pick(["p", "q"]), labels, nodeId };
  members.push(member);
  placer.members.add(nodeId, member);
}

function expectSame(
  placer: Placer,
  request: PlacementRequest,
  context: PlacementContext & { readonly members: readonly PlacedMember[] },
): void {
  const plain = place(request, { ...context, nodes: placer.table.views() });
  expect(placer.place(request, context)).toEqual(plain);
  const slot = placer.choose(request, context);
  const chosen = placer.table.recordAt(slot)?.id;
  expect(chosen).toBe(plain.isPlaced ? plain.decision.nodeId : undefined);
  expect(placer.scan(request, context)).toBe(slot);
}

/** What is told of nodes that fit, and of those that do not when none does. */
function expectSameBestFew(...[placer, request, context]: Parameters<Expect>): void {
  const plain = place(request, { ...context, nodes: placer.table.views() });
  const found = placer.place(request, context);
  if (!plain.isPlaced || !found.isPlaced) {
    expect(found).toEqual(plain);
    return;
  }
  const { message } = found.decision;
  expect(message).toMatch(/on n[0-9]+: best of all that fit/);
  expect(found.decision).toEqual({ ...plain.decision, message, rejections: [] });
}

function changeRandomly(prng: Prng, { table }: Placer, nodeId: string): void {
  const slot = table.slotOf(nodeId);
  if (slot === undefined || prng.chance(0.3)) table.setNode(randomNode(prng, nodeId));
  else if (prng.chance(0.1)) table.removeNode(nodeId);
  else allocateRandomly(prng, table, slot);
}

function allocateRandomly(prng: Prng, table: Placer["table"], slot: number): void {
  const { node, allocated } = table.viewAt(slot);
  const limit = allocatable(node);
  const amount = (kind: keyof Resources): number =>
    prng.integer(0, Math.max(0, limit[kind] - allocated[kind]));
  const more = Object.fromEntries(RESOURCE_KINDS.map((kind) => [kind, amount(kind)]));
  if (prng.chance(0.4)) table.release(node.id, allocated);
  else table.allocate(node.id, { ...allocated, ...more });
}

function randomNode(prng: Prng, id: string): ReturnType<typeof aNode> {
  const sizes = [0, 4, 10];
  return aNode({
    id,
    capacity: {
      cpuMillis: prng.pick(sizes),
      memoryMib: prng.pick(sizes),
      diskMib: prng.pick([0, 9]),
    },
    overcommitPercent: { cpuMillis: prng.pick([100, 250]) },
    state: prng.chance(0.9) ? "ready" : "unreachable",
    isCordoned: prng.chance(0.1),
    labels: randomLabels(prng),
    ...(prng.chance(0.5) ? { bridge: "br0" } : {}),
    abilities: aNode()
      .abilities.slice(0, prng.chance(0.7) ? 3 : 1)
      .map((each) => ({ ...each, startMs: prng.pick([undefined, 60, 500]) }))
      .map((each) => ({ ...each, ...(prng.chance(0.5) ? { canForward: true } : {}) })),
    templates: aNode()
      .abilities.filter(() => prng.chance(0.2))
      .map(({ engine, mode }) => ({ engine, mode, ...MACHINE, startMs: prng.pick([90, 700]) })),
  });
}

const MACHINE = { imageDigest: "d", vcpuCount: 1, memoryMib: 1, diskMib: 0, commandLine: "" };

function randomRequest(prng: Prng, members: readonly PlacedMember[]): PlacementRequest {
  const ability = aNode().abilities[0];
  const moved = members.length > 0 && prng.chance(0.1) ? prng.pick(members) : undefined;
  return {
    ...REQUEST,
    resources: {
      cpuMillis: prng.integer(0, 5),
      memoryMib: prng.integer(0, 3),
      diskMib: prng.integer(0, 2),
    },
    mode: prng.pick(["auto", ...MODES]),
    imageKind: prng.pick(["linux", "pvh"]),
    needs: {
      liveMigration: prng.chance(0.1),
      ownKernel: prng.chance(0.2),
      startWithinMs: prng.pick([undefined, undefined, 100, 1000]),
    },
    ...(prng.chance(0.5) ? { template: { machine: MACHINE } } : {}),
    nodeId: prng.chance(0.9) ? "" : prng.pick(["n0", "n1", "n99"]),
    rules: randomRules(prng),
    ports: prng.chance(0.3) ? ["tcp/1"] : [],
    isBridged: prng.chance(0.1),
    heldPorts: new Map(prng.chance(0.2) ? [[prng.pick(["n0", "n1", "n99"]), "tcp/1"]] : []),
    ...(moved && { ...moved, migratingFrom: { nodeId: moved.nodeId, ability: ability as never } }),
  };
}

function randomRules(prng: Prng, share = 0.15): PlacementRules {
  const zones = prng.pick([["a"], ["a", "b"], ["c"]]);
  const where = [
    { key: "zone", operator: prng.pick(["in", "notin", "exists"] as const), values: zones },
    { key: "speed", operator: "gt" as const, values: [prng.pick(["1", "2"])] },
  ];
  return {
    where: where.filter(() => prng.chance(share)),
    tolerations: prng.pick([[], ["gpu"], ["gpu=x"]]),
    groups: Array.from({ length: prng.pick([0, 0, 1, 2]) }, () => randomGroup(prng)),
  };
}

function randomGroup(prng: Prng): GroupRule {
  const kind = prng.pick(GROUP_RULE_KINDS);
  return {
    kind,
    guestLabel: { key: "app", value: prng.pick(["a", "b"]) },
    topology: prng.pick(["node", "zone"]),
    maxSkew: kind === "spread" ? prng.integer(1, 2) : 0,
    isHard: prng.chance(0.6),
  };
}

function randomLabels(prng: Prng): Record<string, string> {
  const all = { zone: prng.pick(["a", "b", "c"]), speed: prng.pick(["1", "2", "fast"]) };
  const tainted = { ...all, "taint/gpu": prng.pick(["x", ""]) };
  return prng.pick<Record<string, string>>([{}, { zone: "a" }, all, all, tainted]);
}

describe("writeAmounts", () => {
  it("writes in the order of the kinds", () => {
    const amounts = new Float64Array(KINDS);
    writeAmounts(amounts, { cpuMillis: 1, memoryMib: 2, diskMib: 3 });
    const expected = { cpuMillis: 1, memoryMib: 2, diskMib: 3 };
    expect([...amounts]).toEqual(RESOURCE_KINDS.map((kind) => expected[kind]));
  });
});
