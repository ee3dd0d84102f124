/**
 * Where guests leave so that one of a greater priority has room: of all nodes that lack nothing but
 * room, the one whose victims cost least (E1), then the nearest on the ring.
 */
import { RESOURCE_KINDS, type Resources } from "../../domain/resources.js";
import { KINDS, writeAmounts } from "../node-class.js";
import type { NodeTable } from "../node-table.js";
import { tieBreak } from "../scorers.js";
import {
  compareCosts,
  costOf,
  leastVictims,
  type Preemptible,
  type VictimCost,
  type VictimQuestion,
} from "./least-victims.js";
import type { Preemptibles } from "./preemptibles.js";

export interface Preemption {
  readonly slot: number;
  /** In the order of their cost. */
  readonly victims: readonly Preemptible[];
}

export interface PreemptionQuestion extends Pick<VictimQuestion, "priority" | "mayLeave"> {
  readonly resources: Resources;
  /** Where on the ring the nearest of equal nodes is looked for. */
  readonly start: number;
  /** Whether the node would take the guest if it had room. */
  readonly wouldTake: (slot: number) => boolean;
}

interface Asked {
  readonly question: PreemptionQuestion;
  /** By kind. */
  readonly needs: Float64Array;
  readonly table: NodeTable;
  readonly preemptibles: Preemptibles;
}

interface Best extends Preemption {
  readonly cost: VictimCost;
  readonly tie: number;
}

export function chooseVictims(
  question: PreemptionQuestion,
  table: NodeTable,
  preemptibles: Preemptibles,
): Preemption | undefined {
  preemptibles.prepare();
  const needs = new Float64Array(KINDS);
  writeAmounts(needs, question.resources);
  const asked = { question, needs, table, preemptibles };
  let best: Best | undefined;
  for (let slot = 0; slot < table.length; slot += 1) {
    if ((preemptibles.leastPriority[slot] as number) >= question.priority) continue;
    const tie = tieBreak(table.ring[slot] as number, question.start);
    if (best !== undefined && !couldBeCheaper(slot, tie, { best, asked })) continue;
    if (!question.wouldTake(slot)) continue;
    best = cheaper(best, victimsAt(slot, tie, { asked, best }));
  }
  return best && { slot: best.slot, victims: best.victims };
}

/** Told from the columns alone. */
function couldBeCheaper(
  slot: number,
  tie: number,
  { best, asked }: { best: Best; asked: Asked },
): boolean {
  const { preemptibles } = asked;
  const { priority, count, memoryMib } = best.cost;
  const least = preemptibles.leastPriority[slot] as number;
  if (least !== priority) return least < priority;
  const countMin = fewest(slot, asked);
  if (countMin !== count) return countMin < count;
  const memoryMibMin = countMin * (preemptibles.leastMemoryMib[slot] as number);
  return memoryMibMin === memoryMib ? tie < best.tie : memoryMibMin < memoryMib;
}

/** No fewer guests of the lowest priority on the slot are enough; Infinity = all are not. */
function fewest(slot: number, { needs, table, preemptibles }: Asked): number {
  const { most, sum } = preemptibles;
  let count = 1;
  for (let kind = 0; kind < KINDS; kind += 1) {
    const at = slot * KINDS + kind;
    const need = needs[kind] as number;
    const lack = need === 0 ? 0 : need - (table.free[at] as number);
    if (lack <= 0) continue;
    if (lack > (sum[at] as number)) return Number.POSITIVE_INFINITY;
    count = Math.max(count, Math.ceil(lack / (most[at] as number)));
  }
  return count;
}

function victimsAt(
  slot: number,
  tie: number,
  { asked, best }: { asked: Asked; best: Best | undefined },
): Best | undefined {
  const { question, table, preemptibles } = asked;
  const { priority, mayLeave } = question;
  const lacks = lackingAt(slot, question.resources, table);
  const candidates = preemptibles.at(slot);
  const victims = leastVictims({ candidates, lacks, priority, mayLeave, limit: best?.cost });
  return victims && { slot, victims, cost: costOf(victims), tie };
}

function lackingAt(slot: number, resources: Resources, { free }: NodeTable): Resources {
  const lacks = { cpuMillis: 0, memoryMib: 0, diskMib: 0 };
  RESOURCE_KINDS.forEach((kind, index) => {
    const need = resources[kind];
    lacks[kind] = need === 0 ? 0 : need - (free[slot * KINDS + index] as number);
  });
  return lacks;
}

function cheaper(best: Best | undefined, other: Best | undefined): Best | undefined {
  if (best === undefined || other === undefined) return best ?? other;
  const difference = compareCosts(other.cost, best.cost) || other.tie - best.tie;
  return difference < 0 ? other : best;
}
