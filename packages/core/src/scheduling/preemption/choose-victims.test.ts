import { describe, expect, it } from "vitest";
import { NO_NEEDS } from "../../domain/needs.js";
import { NO_RULES } from "../../domain/placement-rules.js";
import { RESOURCE_KINDS, type Resources, subtractResources } from "../../domain/resources.js";
import { aNode } from "../../testing/builders.js";
import { forEachSeed, type Prng } from "../../testing/prng.js";
import { allRejections } from "../place.js";
import { Placer } from "../placer.js";
import { ringPlace, ringStart, tieBreak } from "../scorers.js";
import {
  compareCosts,
  costOf,
  leastVictims,
  type Preemptible,
  type VictimQuestion,
} from "./least-victims.js";

const CONTEXT = { seed: 11, policy: "spread" as const };
const CAPACITY = { cpuMillis: 8000, memoryMib: 8192, diskMib: 0 };
const EVERYBODY: VictimQuestion["mayLeave"] = () => true;

describe("preemption", () => {
  it("finds the cheapest victims of all nodes, as trying every set does", () => {
    let found = 0;
    forEachSeed(300, (prng) => {
      const { placer, guests } = fullCluster(prng);
      const barred = new Set(guests.filter(() => prng.chance(0.2)).map(({ guestUid }) => guestUid));
      const mayLeave: VictimQuestion["mayLeave"] = (uids) =>
        uids.length <= 3 && uids.every((uid) => !barred.has(uid));
      const resources = amounts(prng, 4000);
      const priority = prng.integer(0, 4);
      const request = { ...REQUEST, resources };
      const chosen = placer.preempt(request, { priority, mayLeave }, CONTEXT);
      const wanted = bruteForce({ placer, guests }, { request, priority, mayLeave });
      expect(chosen && told(placer.table.ids[chosen.slot], chosen.victims)).toEqual(wanted);
      if (wanted !== undefined) found += 1;
    });
    expect(found).toBeGreaterThan(50);
  });

  it("makes nobody leave who has the same priority", () => {
    const { placer } = oneNode([guest("a", 5, 8192)]);
    const ask = (priority: number) =>
      placer.preempt(
        { ...REQUEST, resources: { cpuMillis: 0, memoryMib: 1, diskMib: 0 } },
        { priority, mayLeave: EVERYBODY },
        CONTEXT,
      );
    expect(ask(5)).toBeUndefined();
    expect(ask(6)?.victims.map(({ guestUid }) => guestUid)).toEqual(["a"]);
  });

  it("follows guests that go and nodes that come again", () => {
    const { placer } = oneNode([guest("a", 0, 4096), guest("b", 0, 4096)]);
    const request = { ...REQUEST, resources: { cpuMillis: 0, memoryMib: 4096, diskMib: 0 } };
    const ask = () => placer.preempt(request, { priority: 1, mayLeave: EVERYBODY }, CONTEXT);
    expect(ask()?.victims.map(({ guestUid }) => guestUid)).toEqual(["a"]);
    placer.preemptibles.remove("n1", "a");
    expect(ask()?.victims.map(({ guestUid }) => guestUid)).toEqual(["b"]);
    placer.table.removeNode("n1");
    expect(ask()).toBeUndefined();
    placer.table.setNode(aNode({ id: "n1", capacity: CAPACITY }));
    expect(ask()?.victims.map(({ guestUid }) => guestUid)).toEqual(["b"]);
  });

  it("spares whom it can when there are too many sets to try", () => {
    const candidates = Array.from({ length: 40 }, (_, index) => guest(`g${index}`, 0, 100));
    const lacks = { cpuMillis: 0, memoryMib: 2000, diskMib: 0 };
    const question = { candidates, lacks, priority: 1, mayLeave: EVERYBODY, limit: undefined };
    expect(leastVictims(question)).toHaveLength(20);
  });
});

const REQUEST = {
  guestUid: "new",
  projectId: "p",
  labels: {},
  rules: NO_RULES,
  mode: "auto",
  needs: NO_NEEDS,
  imageKind: "linux",
  nodeId: "",
  migratingFrom: undefined,
} as const;

interface Guest extends Preemptible {
  readonly nodeId: string;
}

function guest(guestUid: string, priority: number, memoryMib: number): Preemptible {
  return { guestUid, priority, resources: { cpuMillis: 0, memoryMib, diskMib: 0 } };
}

function oneNode(guests: readonly Preemptible[]) {
  const placer = new Placer();
  placer.table.setNode(aNode({ id: "n1", capacity: CAPACITY }));
  for (const each of guests) {
    placer.table.allocate("n1", each.resources);
    placer.preemptibles.add("n1", each);
  }
  return { placer };
}

function amounts(prng: Prng, most: number): Resources {
  return {
    cpuMillis: 250 * prng.integer(0, most / 250),
    memoryMib: 256 * prng.integer(0, most / 256),
    diskMib: 0,
  };
}

function fullCluster(prng: Prng) {
  const placer = new Placer();
  const guests: Guest[] = [];
  for (let index = 0; index < 4; index += 1) {
    const nodeId = `n${index}`;
    const isCordoned = prng.chance(0.2);
    placer.table.setNode(aNode({ id: nodeId, capacity: CAPACITY, isCordoned }));
    for (let count = 0; count < 5; count += 1) {
      const resources = amounts(prng, 2500);
      const guestUid = `${nodeId}-${count}`;
      const free = placer.table.free.slice(index * 3, index * 3 + 3);
      const fits = RESOURCE_KINDS.every((kind, at) => resources[kind] <= (free[at] as number));
      if (!fits) continue;
      const added = { guestUid, nodeId, priority: prng.integer(0, 3), resources };
      placer.table.allocate(nodeId, resources);
      placer.preemptibles.add(nodeId, added);
      guests.push(added);
    }
  }
  return { placer, guests };
}

function bruteForce(
  { placer, guests }: { placer: Placer; guests: readonly Guest[] },
  asked: Pick<VictimQuestion, "priority" | "mayLeave"> & {
    request: Parameters<Placer["choose"]>[0];
  },
) {
  const { request, priority, mayLeave } = asked;
  const counts = { inPlaceOf: () => 0, fewest: () => 0 };
  const all = placer.table.views().flatMap(({ node, allocated }) => {
    const there = guests.filter((each) => each.nodeId === node.id && each.priority < priority);
    return subsets(there)
      .filter((victims) => victims.length > 0)
      .filter((victims) => mayLeave(victims.map(({ guestUid }) => guestUid)))
      .filter((victims) => {
        let left = allocated;
        for (const { resources } of victims) left = subtractResources(left, resources);
        return allRejections({ request, counts }, { node, allocated: left }).length === 0;
      })
      .map((victims) => ({ nodeId: node.id, victims, cost: costOf(victims) }));
  });
  const tie = (nodeId: string) => tieBreak(ringPlace(nodeId), ringStart(CONTEXT.seed));
  all.sort((a, b) => compareCosts(a.cost, b.cost) || tie(a.nodeId) - tie(b.nodeId));
  const [best] = all;
  return best && told(best.nodeId, best.victims);
}

/** Which of several equally cheap sets of a node is taken does not matter. */
function told(nodeId: string | undefined, victims: readonly Preemptible[]) {
  return { nodeId, cost: costOf(victims) };
}

function subsets<T>(all: readonly T[]): T[][] {
  const masks = Array.from({ length: 2 ** all.length }, (_, mask) => mask);
  return masks.map((mask) => all.filter((_, index) => (mask & (1 << index)) !== 0));
}
