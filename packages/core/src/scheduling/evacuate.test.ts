import { describe, expect, it } from "vitest";
import { NO_NEEDS } from "../domain/needs.js";
import { type GroupRule, NO_RULES } from "../domain/placement-rules.js";
import { aNode } from "../testing/builders.js";
import { forEachSeed, type Prng } from "../testing/prng.js";
import { type Evacuation, type EvacuationMove, evacuate, MOVES_EACH_MAX } from "./evacuate.js";
import { Placer } from "./placer.js";
import type { MovableGuest } from "./smallest-change.js";

const HOME = "n0";
const OPTIONS = { seed: 3, questionsMax: 1_000_000 };
const APART: GroupRule = {
  kind: "apart",
  guestLabel: { key: "app", value: "x" },
  topology: "node",
  maxSkew: 0,
  isHard: true,
};

/**
 * `node: [capacity in MiB, guests by size]`; a guest of a size with `x` stands apart from others.
 */
type Layout = Readonly<Record<string, readonly [number, readonly (number | string)[]]>>;

interface Small {
  readonly placer: Placer;
  readonly guests: readonly MovableGuest[];
  readonly capacity: ReadonlyMap<string, number>;
}

function clusterOf(layout: Layout): Small {
  const placer = new Placer();
  const guests: MovableGuest[] = [];
  const capacity = new Map<string, number>();
  for (const [nodeId, [memoryMib, sizes]] of Object.entries(layout)) {
    const resources = { cpuMillis: 64_000, memoryMib, diskMib: 0 };
    const isCordoned = nodeId === HOME;
    placer.table.setNode(aNode({ id: nodeId, capacity: resources, isCordoned }));
    capacity.set(nodeId, memoryMib);
    for (const size of sizes) {
      const guest = guestOn(nodeId, `${nodeId}-${guests.length}`, size);
      guests.push(guest);
      placer.table.allocate(nodeId, guest.request.resources);
      placer.members.add(nodeId, guest.request);
    }
  }
  return { placer, guests, capacity };
}

function guestOn(nodeId: string, guestUid: string, size: number | string): MovableGuest {
  const ability = aNode().abilities[0];
  if (ability === undefined) throw new Error("the node of tests can run something");
  const isApart = typeof size === "string";
  const request = {
    guestUid,
    projectId: "p",
    labels: { app: isApart ? "x" : "y" },
    rules: isApart ? { ...NO_RULES, groups: [APART] } : NO_RULES,
    resources: { cpuMillis: 100, memoryMib: Number.parseInt(String(size), 10), diskMib: 0 },
    mode: "auto" as const,
    imageKind: "linux" as const,
    needs: NO_NEEDS,
    nodeId: "",
    migratingFrom: { nodeId, ability },
  };
  return { guestId: guestUid, request };
}

function plan({ placer, guests }: Small, options: Partial<typeof OPTIONS> = {}): Evacuation {
  return evacuate(placer, HOME, { guests, options: { ...OPTIONS, ...options } });
}

function told({ moves }: Evacuation): string[] {
  return moves.map(({ guest, toNodeId }) => `${guest.guestId} to ${toNodeId}`);
}

describe("the evacuation of a node", () => {
  it("sends each guest where placement would, the largest first", () => {
    const small = clusterOf({ n0: [100, [10, 30]], n1: [100, []], n2: [100, [50]] });
    const evacuation = plan(small);
    expect(told(evacuation)).toEqual(["n0-1 to n1", "n0-0 to n1"]);
    expect(evacuation).toMatchObject({ stuck: [], isCutOff: false });
  });

  it("moves another guest out of the way", () => {
    const small = clusterOf({ n0: [100, [60]], n1: [100, [50]], n2: [100, [50]] });
    const { moves, stuck } = plan(small);
    expect(stuck).toEqual([]);
    expect(moves).toHaveLength(2);
    expect(moves[1]?.guest.guestId).toBe("n0-0");
  });

  it("breaks a circle over a third node", () => {
    // 50 and 40 must change places, and only n3 has room for one of them in between.
    const small = clusterOf({ n0: [100, [20]], n1: [60, [50]], n2: [50, [40]], n3: [40, []] });
    const evacuation = plan(small);
    expect(evacuation.stuck.map(({ guestId }) => guestId)).toEqual([]);
    expectLegal(small, evacuation.moves);
  });

  it("keeps guests apart, and says who finds no way", () => {
    const small = clusterOf({ n0: [100, ["10x", 10]], n1: [100, ["10x"]] });
    const { moves, stuck, isCutOff } = plan(small);
    expect(moves.map(({ guest }) => guest.guestId)).toEqual(["n0-1"]);
    expect(stuck.map(({ guestId }) => guestId)).toEqual(["n0-0"]);
    expect(isCutOff).toBe(false);
  });

  it("leaves the table as it was", () => {
    const small = clusterOf({ n0: [100, [60]], n1: [100, [50]], n2: [100, [50]] });
    const before = JSON.stringify(small.placer.table.views());
    plan(small);
    expect(JSON.stringify(small.placer.table.views())).toBe(before);
  });

  it("says when it did not look at everything", () => {
    const small = clusterOf({ n0: [100, [60]], n1: [100, [50]], n2: [100, [50]] });
    expect(plan(small, { questionsMax: 1 })).toMatchObject({ isCutOff: true });
    expect(plan(small, { questionsMax: 0 })).toMatchObject({ moves: [], isCutOff: false });
  });

  it("finds a sequence whenever trying all does, legal, none longer than needed (V1, V2)", () => {
    let [solved, unsolved, aside] = [0, 0, 0];
    forEachSeed(300, (prng) => {
      const small = clusterOf(randomLayout(prng));
      const evacuation = plan(small);
      expectLegal(small, evacuation.moves);
      const shortest = tryAll(small);
      expect(evacuation.stuck.length === 0).toBe(shortest !== undefined);
      if (shortest === undefined) unsolved += 1;
      else solved += 1;
      const isHelped = evacuation.moves.some(({ fromNodeId }) => fromNodeId !== HOME);
      if (!isHelped) return;
      aside += 1;
      if (shortest !== undefined) expect(evacuation.moves).toHaveLength(shortest);
    });
    expect(Math.min(solved, unsolved, aside)).toBeGreaterThan(20);
  });
});

function randomLayout(prng: Prng): Layout {
  const sizes = (most: number) =>
    Array.from({ length: prng.integer(0, most) }, () => {
      const size = 10 * prng.integer(1, 5);
      return prng.chance(0.2) ? `${size}x` : size;
    });
  const node = (most: number): readonly [number, readonly (number | string)[]] => {
    const there = sizes(most);
    const taken = there.reduce<number>((sum, each) => sum + Number.parseInt(String(each), 10), 0);
    return [taken + 10 * prng.integer(0, 4), there];
  };
  return {
    n0: [200, [...sizes(1), 10 * prng.integer(1, 5)]],
    n1: node(2),
    n2: node(1),
    n3: node(1),
  };
}

function expectLegal(small: Small, moves: readonly EvacuationMove[]): void {
  let positions = small.guests.map(({ request }) => request.migratingFrom.nodeId);
  for (const { guest, fromNodeId, toNodeId } of moves) {
    const index = small.guests.indexOf(guest);
    expect(positions[index]).toBe(fromNodeId);
    expect(mayMove(small, positions, { index, toNodeId })).toBe(true);
    positions = positions.with(index, toNodeId);
  }
}

/** By arithmetic of its own. */
function mayMove(
  { guests, capacity }: Small,
  positions: readonly string[],
  { index, toNodeId }: { index: number; toNodeId: string },
): boolean {
  if (toNodeId === HOME || positions[index] === toNodeId) return false;
  const there = guests.filter((_, other) => positions[other] === toNodeId);
  const taken = there.reduce((sum, { request }) => sum + request.resources.memoryMib, 0);
  const { request } = guests[index] as MovableGuest;
  if (taken + request.resources.memoryMib > (capacity.get(toNodeId) ?? 0)) return false;
  const isApart = request.rules.groups.length > 0;
  return !isApart || there.every((each) => each.request.labels["app"] !== "x");
}

interface Tried {
  readonly positions: readonly string[];
  /** Moves of each guest. */
  readonly made: readonly number[];
}

/** Breadth first over all positions; the length of the shortest sequence. */
function tryAll(small: Small): number | undefined {
  const positions = small.guests.map(({ request }) => request.migratingFrom.nodeId);
  let level: readonly Tried[] = [{ positions, made: small.guests.map(() => 0) }];
  const seen = new Set<string>();
  for (let length = 0; level.length > 0; length += 1) {
    if (level.some((each) => !each.positions.includes(HOME))) return length;
    level = level
      .flatMap((each) => nextOf(small, each))
      .filter((each) => {
        const key = JSON.stringify(each);
        return !seen.has(key) && seen.add(key);
      });
  }
  return undefined;
}

function nextOf(small: Small, { positions, made }: Tried): readonly Tried[] {
  return made.flatMap((count, index) => {
    if (count >= MOVES_EACH_MAX) return [];
    const targets = [...small.capacity.keys()];
    return targets
      .filter((toNodeId) => mayMove(small, positions, { index, toNodeId }))
      .map((to) => ({ positions: positions.with(index, to), made: made.with(index, count + 1) }));
  });
}
