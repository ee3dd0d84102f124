/**
 * The plain way: from the fullest node to the emptiest goes the guest that makes them most alike,
 * until none does. Objects, no rules, no scheduler.
 */
import type { Resources } from "@innkeeper/core";
import { NODE } from "./case.js";

interface PlainNode {
  cpuMillis: number;
  memoryMib: number;
  readonly guests: Resources[];
}

export interface PlainOutcome {
  readonly ms: number;
  readonly moves: number;
  readonly imbalance: number;
}

export function movePlainly(
  count: number,
  guests: readonly { at: number; resources: Resources }[],
): PlainOutcome {
  const nodes: PlainNode[] = Array.from({ length: count }, () => ({
    cpuMillis: 0,
    memoryMib: 0,
    guests: [],
  }));
  for (const { at, resources } of guests) put(nodes[at], resources);
  const startedMs = performance.now();
  let moves = 0;
  while (moveOne(nodes)) moves += 1;
  return { ms: performance.now() - startedMs, moves, imbalance: imbalanceOf(nodes) };
}

function moveOne(nodes: readonly PlainNode[]): boolean {
  const ordered = [...nodes].sort((left, right) => loadOf(right) - loadOf(left));
  const [from, to] = [ordered[0], ordered.at(-1)];
  if (from === undefined || to === undefined) return false;
  let [best, leastWorst] = [-1, loadOf(from)];
  from.guests.forEach((guest, index) => {
    const worst = Math.max(loadOf(from, guest, -1), loadOf(to, guest, 1));
    if (worst < leastWorst) [best, leastWorst] = [index, worst];
  });
  const [guest] = best < 0 ? [] : from.guests.splice(best, 1);
  if (guest === undefined) return false;
  from.cpuMillis -= guest.cpuMillis;
  from.memoryMib -= guest.memoryMib;
  put(to, guest);
  return true;
}

function put(node: PlainNode | undefined, guest: Resources): void {
  if (node === undefined) return;
  node.cpuMillis += guest.cpuMillis;
  node.memoryMib += guest.memoryMib;
  node.guests.push(guest);
}

function loadOf(node: PlainNode, guest?: Resources, sign = 0): number {
  const cpuMillis = node.cpuMillis + sign * (guest?.cpuMillis ?? 0);
  const memoryMib = node.memoryMib + sign * (guest?.memoryMib ?? 0);
  return Math.max(cpuMillis / NODE.cpuMillis, memoryMib / NODE.memoryMib);
}

function imbalanceOf(nodes: readonly PlainNode[]): number {
  const loads = nodes.map((node) => loadOf(node));
  const mean = loads.reduce((sum, load) => sum + load, 0) / loads.length;
  return Math.sqrt(loads.reduce((sum, load) => sum + (load - mean) ** 2, 0) / loads.length);
}
