/** Policies to compare with, as plain loops over all nodes: what they look at is all they know. */
import { type DeviceNode, type DeviceRequest, WHOLE_DEVICE_MILLI } from "@innkeeper/core";
import type { Prng } from "@innkeeper/core/testing";

export interface PlainNode {
  cpuMillis: number;
  memoryMib: number;
  readonly deviceModel: string;
  readonly freeMilli: number[];
}

/** Lower is better. */
export type PlainScore = (node: PlainNode, request: DeviceRequest) => number;

/** What is left over, each kind as a share of the largest node's. */
export function bestFit(largest: PlainNode): PlainScore {
  const all = (largest.freeMilli.length || 1) * WHOLE_DEVICE_MILLI;
  return ({ cpuMillis, memoryMib, freeMilli }) =>
    cpuMillis / largest.cpuMillis + memoryMib / largest.memoryMib + sum(freeMilli) / all;
}

/** The request and what is free should not point the same way: the scarce is kept (DotProd). */
export function dotProduct(largest: PlainNode): PlainScore {
  const all = (largest.freeMilli.length || 1) * WHOLE_DEVICE_MILLI;
  return ({ cpuMillis, memoryMib, freeMilli }, request) =>
    (cpuMillis * request.cpuMillis) / largest.cpuMillis ** 2 +
    (memoryMib * request.memoryMib) / largest.memoryMib ** 2 +
    (sum(freeMilli) * request.deviceCount * request.deviceMilli) / all ** 2;
}

export function atRandom(prng: Prng): PlainScore {
  return () => prng.fraction();
}

export function plainNode(node: DeviceNode): PlainNode {
  const freeMilli = Array.from({ length: node.deviceCount }, () => WHOLE_DEVICE_MILLI);
  const { cpuMillis, memoryMib, deviceModel } = node;
  return { cpuMillis, memoryMib, deviceModel, freeMilli };
}

/** The most of each kind that any node has. */
export function largestOf(nodes: readonly PlainNode[]): PlainNode {
  const most = (of: (node: PlainNode) => number): number =>
    nodes.reduce((largest, node) => Math.max(largest, of(node)), 0);
  const devices = most(({ freeMilli }) => freeMilli.length);
  return {
    cpuMillis: most(({ cpuMillis }) => cpuMillis),
    memoryMib: most(({ memoryMib }) => memoryMib),
    deviceModel: "",
    freeMilli: Array.from({ length: devices }, () => WHOLE_DEVICE_MILLI),
  };
}

/** True when it was placed. */
export function placePlainly(
  nodes: readonly PlainNode[],
  request: DeviceRequest,
  score: PlainScore,
): boolean {
  let best: PlainNode | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const node of nodes) {
    if (!fits(node, request)) continue;
    const scored = score(node, request);
    if (scored >= least) continue;
    least = scored;
    best = node;
  }
  if (best === undefined) return false;
  best.cpuMillis -= request.cpuMillis;
  best.memoryMib -= request.memoryMib;
  takeDevices(best.freeMilli, request);
  return true;
}

function fits(node: PlainNode, request: DeviceRequest): boolean {
  const { deviceCount, deviceMilli, deviceModels } = request;
  if (node.cpuMillis < request.cpuMillis || node.memoryMib < request.memoryMib) return false;
  if (deviceCount === 0) return true;
  if (deviceModels.length > 0 && !deviceModels.includes(node.deviceModel)) return false;
  return node.freeMilli.filter((free) => free >= deviceMilli).length >= deviceCount;
}

/** From the devices that have least of those that have enough. */
function takeDevices(freeMilli: number[], { deviceCount, deviceMilli }: DeviceRequest): void {
  const order = freeMilli
    .map((free, device) => ({ free, device }))
    .filter(({ free }) => free >= deviceMilli)
    .sort((left, right) => left.free - right.free);
  for (const { free, device } of order.slice(0, deviceCount))
    freeMilli[device] = free - deviceMilli;
}

function sum(values: readonly number[]): number {
  let all = 0;
  for (const value of values) all += value;
  return all;
}
