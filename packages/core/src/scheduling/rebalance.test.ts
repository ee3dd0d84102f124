import { describe, expect, it } from "vitest";
import { NO_NEEDS } from "../domain/needs.js";
import { NO_RULES, type PlacementRules } from "../domain/placement-rules.js";
import { aNode } from "../testing/builders.js";
import { forEachSeed, type Prng } from "../testing/prng.js";
import { Placer } from "./placer.js";
import { planRebalance, type RebalanceMove, type RebalancePlan } from "./rebalance.js";
import type { MovableGuest } from "./smallest-change.js";

const OPTIONS = { movesMax: 1000, gainMin: 1e-5, seed: 1 };
const NONE = { cpuMillis: 0, memoryMib: 0, diskMib: 0 };
const SIZE = { ...NONE, cpuMillis: 1000, memoryMib: 100 };

/** Nodes of 10 CPUs and 1000 MiB with so many guests each. */
class Case {
  readonly placer = new Placer();
  readonly guests: MovableGuest[] = [];

  constructor(counts: readonly number[], rules: PlacementRules = NO_RULES) {
    counts.forEach((count, index) => {
      const id = `n${index}`;
      this.placer.table.setNode(
        aNode({ id, capacity: { ...NONE, cpuMillis: 10_000, memoryMib: 1000 } }),
      );
      for (let guest = 0; guest < count; guest += 1) this.add(id, { rules });
    });
  }

  add(nodeId: string, { resources = SIZE, rules = NO_RULES, app = "web" } = {}): void {
    const ability = aNode().abilities[0];
    if (ability === undefined) throw new Error("the node of tests can run something");
    const guestUid = `g${this.guests.length}`;
    const request = {
      guestUid,
      projectId: "p",
      labels: { app },
      rules,
      resources,
      mode: "auto" as const,
      imageKind: "linux" as const,
      needs: NO_NEEDS,
      nodeId: "",
      migratingFrom: { nodeId, ability },
    };
    this.guests.push({ guestId: guestUid, request });
    this.placer.table.allocate(nodeId, resources);
    this.placer.members.add(nodeId, request);
  }

  plan(options: Partial<typeof OPTIONS> = {}): RebalancePlan {
    return planRebalance(this.placer, this.guests, { ...OPTIONS, ...options });
  }

  countsAfter(moves: readonly RebalanceMove[]): number[] {
    const at = new Map(
      this.guests.map(({ request }) => [request.guestUid, request.migratingFrom.nodeId]),
    );
    for (const { guestUid, toNodeId } of moves) at.set(guestUid, toNodeId);
    const nodes = this.placer.table.ids.map((id) => [...at.values()].filter((each) => each === id));
    return nodes.map((there) => there.length);
  }
}

describe("rebalancing", () => {
  it("makes equal nodes equally loaded with the fewest moves there are", () => {
    const unequal = new Case([8, 4, 0, 0]);
    const { imbalance, moves } = unequal.plan();
    expect(imbalance).toBeCloseTo(0.3317, 3);
    expect(moves).toHaveLength(6);
    expect(unequal.countsAfter(moves)).toEqual([3, 3, 3, 3]);
    expect(moves.at(-1)?.imbalance).toBeCloseTo(0, 6);
  });

  it("has nothing to move where all is even, or where the gain is too small", () => {
    expect(new Case([3, 3, 3]).plan().moves).toEqual([]);
    expect(new Case([3, 3, 4]).plan().moves).toEqual([]);
    expect(new Case([8, 0]).plan({ gainMin: 0.21 }).moves).toEqual([]);
  });

  it("begins with the moves that help most, and makes no more than it may", () => {
    const [all, two] = [
      new Case([8, 4, 0, 0]).plan(),
      new Case([8, 4, 0, 0]).plan({ movesMax: 2 }),
    ];
    expect(two.moves).toEqual(all.moves.slice(0, 2));
  });

  it("R1: leaves alone what may not be together, even if it is more even so", () => {
    const apart = { kind: "apart", guestLabel: { key: "app", value: "web" } } as const;
    const rule = { ...apart, topology: "node", maxSkew: 0, isHard: true };
    const kept = new Case([0, 1, 1], { ...NO_RULES, groups: [rule] });
    for (let count = 0; count < 6; count += 1) kept.add("n0");
    const to = new Set(kept.plan().moves.map(({ toNodeId }) => toNodeId));
    expect(to).toEqual(new Set(["n1", "n2"]));
    const soft = new Case([1, 1], { ...NO_RULES, groups: [{ ...rule, isHard: false }] });
    for (let count = 0; count < 6; count += 1) soft.add("n0", { app: "db" });
    const moved = soft.plan().moves.map(({ guestUid }) => guestUid);
    expect(moved).not.toContain("g0");
  });

  it("looks at the scarcest resource, and takes what fits best of unlike guests", () => {
    const unlike = new Case([0, 0]);
    unlike.add("n0", { resources: { ...SIZE, cpuMillis: 100, memoryMib: 600 } });
    unlike.add("n0", { resources: { ...SIZE, cpuMillis: 4000, memoryMib: 10 } });
    const { moves } = unlike.plan();
    expect(moves).toMatchObject([{ fromNodeId: "n0", toNodeId: "n1" }]);
    expect(moves[0]?.imbalance).toBeLessThan(0.11);
  });

  it("R1 to R3 on random clusters, and the table is as it was", () => {
    forEachSeed(200, expectSound);
  });
});

function expectSound(prng: Prng): void {
  const random = new Case(Array.from({ length: prng.integer(1, 6) }, () => 0));
  const nodeIds = random.placer.table.ids;
  for (let count = prng.integer(0, 40); count > 0; count -= 1)
    addRandomly(prng, random, prng.pick(nodeIds));
  const before = JSON.stringify(random.placer.table.views());
  const { imbalance, moves } = random.plan();
  expect(JSON.stringify(random.placer.table.views())).toBe(before);
  expect(new Set(moves.map(({ guestUid }) => guestUid)).size).toBe(moves.length);
  let last = imbalance;
  for (const move of moves) {
    const gain = (last - move.imbalance) * nodeIds.length;
    expect(gain).toBeGreaterThanOrEqual(OPTIONS.gainMin - 1e-9);
    carryOut(random, move);
    expect(imbalanceOf(random.placer)).toBeCloseTo(move.imbalance, 6);
    last = move.imbalance;
  }
}

function addRandomly(prng: Prng, random: Case, nodeId: string): void {
  const resources = {
    ...NONE,
    cpuMillis: 100 * prng.integer(1, 30),
    memoryMib: 10 * prng.integer(1, 30),
  };
  const view = random.placer.table.views().find(({ node }) => node.id === nodeId);
  const fits =
    10_000 - (view?.allocated.cpuMillis ?? 0) >= resources.cpuMillis &&
    1000 - (view?.allocated.memoryMib ?? 0) >= resources.memoryMib;
  if (fits) random.add(nodeId, { resources });
}

function carryOut(
  { placer, guests }: Case,
  { guestUid, fromNodeId, toNodeId }: RebalanceMove,
): void {
  const request = guests.find((each) => each.request.guestUid === guestUid)?.request;
  if (request === undefined) throw new Error(`no guest ${guestUid}`);
  const asked = { ...request, nodeId: toNodeId };
  expect(placer.choose(asked, { seed: 0, policy: "spread" })).toBe(placer.table.slotOf(toNodeId));
  placer.table.allocate(toNodeId, request.resources);
  placer.table.release(fromNodeId, request.resources);
}

/** Worked out anew, by its definition. */
function imbalanceOf({ table }: Placer): number {
  const loads = table
    .views()
    .map(({ allocated }) => Math.max(allocated.cpuMillis / 10_000, allocated.memoryMib / 1000));
  const mean = loads.reduce((sum, load) => sum + load, 0) / loads.length;
  return Math.sqrt(loads.reduce((sum, load) => sum + (load - mean) ** 2, 0) / loads.length);
}
