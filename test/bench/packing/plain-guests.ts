/**
 * Guests that ask for processors and memory only, on equal nodes, as many as it takes. The lower
 * bound is that of the linear relaxation, which may cut guests in pieces: the sum of the scarcer
 * resource over what one node has.
 */
import {
  type DeviceRequest,
  NO_NEEDS,
  NO_RULES,
  type PlacementRequest,
  Placer,
} from "@innkeeper/core";
import { aNode, Prng } from "@innkeeper/core/testing";
import { againstBaseline, type BenchResult } from "../report.js";
import { bestFit, dotProduct, type PlainNode, type PlainScore, placePlainly } from "./baselines.js";

/** The most frequent node of the trace, without its devices. */
const NODE = { cpuMillis: 96_000, memoryMib: 393_216 };
const SEED = 42;

export function measurePlain(list: readonly DeviceRequest[]): BenchResult[] {
  const guests = new Prng(SEED).shuffle(list).map(withoutDevices).filter(fitsOneNode);
  const baseline = lowerBound(guests);
  const used = {
    "first-fit": nodesUsed(guests, () => 0),
    "best-fit": nodesUsed(guests, bestFit(emptyNode())),
    "dot-product": nodesUsed(guests, dotProduct(emptyNode())),
    innkeeper: nodesOfPlacer(guests),
  };
  const rows = Object.entries({ ...used, "lower-bound": baseline });
  return rows.map(([policy, value]) =>
    againstBaseline({ name: `plain-nodes:${policy}`, value, unit: "nodes", baseline }),
  );
}

function withoutDevices(request: DeviceRequest): DeviceRequest {
  return { ...request, deviceCount: 0, deviceMilli: 0, deviceModels: [] };
}

function fitsOneNode({ cpuMillis, memoryMib }: DeviceRequest): boolean {
  return cpuMillis <= NODE.cpuMillis && memoryMib <= NODE.memoryMib;
}

function lowerBound(guests: readonly DeviceRequest[]): number {
  const cpuMillis = guests.reduce((sum, guest) => sum + guest.cpuMillis, 0);
  const memoryMib = guests.reduce((sum, guest) => sum + guest.memoryMib, 0);
  return Math.ceil(Math.max(cpuMillis / NODE.cpuMillis, memoryMib / NODE.memoryMib));
}

function emptyNode(): PlainNode {
  return { ...NODE, deviceModel: "", freeMilli: [] };
}

function nodesUsed(guests: readonly DeviceRequest[], score: PlainScore): number {
  const nodes: PlainNode[] = [];
  for (const guest of guests) {
    if (placePlainly(nodes, guest, score)) continue;
    nodes.push(emptyNode());
    placePlainly(nodes, guest, score);
  }
  return nodes.length;
}

function nodesOfPlacer(guests: readonly DeviceRequest[]): number {
  const placer = new Placer();
  let count = 0;
  for (const { cpuMillis, memoryMib } of guests) {
    const request = { ...ANYONE, resources: { cpuMillis, memoryMib, diskMib: 0 } };
    let slot = placer.choose(request, { seed: SEED, policy: "pack" });
    if (slot < 0) {
      addNode(placer, count);
      count += 1;
      slot = placer.choose(request, { seed: SEED, policy: "pack" });
    }
    placer.table.changeAt(slot, request.resources, 1);
  }
  return count;
}

function addNode(placer: Placer, index: number): void {
  const none = { cpuMillis: 0, memoryMib: 0, diskMib: 0 };
  const capacity = { ...NODE, diskMib: 1 };
  const overcommitPercent = { cpuMillis: 100, memoryMib: 100, diskMib: 100 };
  placer.table.setNode(aNode({ id: `n${index}`, capacity, reserve: none, overcommitPercent }));
}

const ANYONE: Omit<PlacementRequest, "resources"> = {
  guestUid: "",
  projectId: "p",
  nodeId: "",
  migratingFrom: undefined,
  labels: {},
  rules: NO_RULES,
  mode: "auto",
  needs: NO_NEEDS,
  imageKind: "linux",
};
