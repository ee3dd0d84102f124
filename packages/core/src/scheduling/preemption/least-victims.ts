/**
 * Which guests of one node leave so that another, of a greater priority, has room there.
 *
 * E1 The cost of victims is compared in this order: the greatest priority among them, how many they
 *    are, how much memory they have. No cheaper set of the node would do, as far as
 *    {@link SETS_MAX} sets tell.
 */
import type { Resources } from "../../domain/resources.js";

/** A guest that may be made to leave. */
export interface Preemptible {
  readonly guestUid: string;
  readonly priority: number;
  /** What its node gets back. */
  readonly resources: Resources;
}

export interface VictimCost {
  readonly priority: number;
  readonly count: number;
  readonly memoryMib: number;
}

export interface VictimQuestion {
  /** Of this node, by {@link byCost}. */
  readonly candidates: readonly Preemptible[];
  /** What must be given back, of each kind; negative = there is more than enough. */
  readonly lacks: Resources;
  /** Only guests of a lower priority leave. */
  readonly priority: number;
  /** Whether these may leave together, by the budgets of their groups. */
  readonly mayLeave: (guestUids: readonly string[]) => boolean;
  /** Victims that cost more are of no interest; those that cost as much are. */
  readonly limit: VictimCost | undefined;
}

/** Sets looked at on one node and level; beyond it a set is taken of which nobody can be spared. */
const SETS_MAX = 20_000;

export function byCost(left: Preemptible, right: Preemptible): number {
  const difference = left.priority - right.priority;
  if (difference !== 0) return difference;
  const { memoryMib } = left.resources;
  return memoryMib - right.resources.memoryMib || (left.guestUid < right.guestUid ? -1 : 1);
}

export function costOf(victims: readonly Preemptible[]): VictimCost {
  let [priority, memoryMib] = [Number.NEGATIVE_INFINITY, 0];
  for (const victim of victims) {
    priority = Math.max(priority, victim.priority);
    memoryMib += victim.resources.memoryMib;
  }
  return { priority, count: victims.length, memoryMib };
}

/** Negative when the left one is cheaper (E1). */
export function compareCosts(left: VictimCost, right: VictimCost): number {
  return (
    left.priority - right.priority || left.count - right.count || left.memoryMib - right.memoryMib
  );
}

/** The cheapest victims, or undefined when no set will do. */
export function leastVictims(question: VictimQuestion): readonly Preemptible[] | undefined {
  const { candidates, limit, priority } = question;
  const most = Math.min(priority - 1, limit?.priority ?? Number.POSITIVE_INFINITY);
  const levels = new Set(candidates.map((each) => each.priority));
  for (const level of levels) {
    if (level > most) return undefined;
    const found = new Sets(question, level).cheapest();
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * Sets of guests up to one priority, small ones first; of one size, those of little memory first.
 */
class Sets {
  readonly #candidates: readonly Preemptible[];
  readonly #chosen: Preemptible[] = [];
  #best: readonly Preemptible[] | undefined;
  /** Only sets of less memory are of interest. */
  #memoryMibLimit = Number.POSITIVE_INFINITY;
  #looked = 0;

  constructor(
    private readonly question: VictimQuestion,
    private readonly level: number,
  ) {
    const { candidates, mayLeave } = question;
    this.#candidates = candidates
      .filter(({ priority, guestUid }) => priority <= level && mayLeave([guestUid]))
      .sort((left, right) => left.resources.memoryMib - right.resources.memoryMib);
  }

  cheapest(): readonly Preemptible[] | undefined {
    if (!isEnough(this.#candidates, this.question.lacks)) return undefined;
    const { limit } = this.question;
    const sameLevel = limit?.priority === this.level ? limit : undefined;
    const countMax = Math.min(sameLevel?.count ?? SETS_MAX, this.#candidates.length);
    for (let count = 1; count <= countMax; count += 1) {
      if (count === sameLevel?.count) this.#memoryMibLimit = sameLevel.memoryMib + 1;
      this.#extend(0, { missing: count, memoryMib: 0 });
      if (this.#best !== undefined) return this.#best;
      if (this.#looked > SETS_MAX) return this.#spared();
    }
    return undefined;
  }

  /** All of them but those who can be spared, the most costly first. */
  #spared(): readonly Preemptible[] | undefined {
    let kept = this.#candidates;
    for (const each of this.#candidates.toReversed()) {
      const fewer = kept.filter((other) => other !== each);
      if (isEnough(fewer, this.question.lacks)) kept = fewer;
    }
    return this.#mayLeave(kept) ? kept : undefined;
  }

  #extend(from: number, { missing, memoryMib }: { missing: number; memoryMib: number }): void {
    if (missing === 0) {
      this.#weigh(memoryMib);
      return;
    }
    for (let index = from; index <= this.#candidates.length - missing; index += 1) {
      const next = this.#candidates[index] as Preemptible;
      const more = next.resources.memoryMib;
      const isOver = memoryMib + missing * more >= this.#memoryMibLimit;
      if (isOver || this.#looked > SETS_MAX) return;
      this.#chosen.push(next);
      this.#extend(index + 1, { missing: missing - 1, memoryMib: memoryMib + more });
      this.#chosen.pop();
    }
  }

  #weigh(memoryMib: number): void {
    this.#looked += 1;
    if (memoryMib >= this.#memoryMibLimit) return;
    if (!isEnough(this.#chosen, this.question.lacks) || !this.#mayLeave(this.#chosen)) return;
    this.#best = [...this.#chosen];
    this.#memoryMibLimit = memoryMib;
  }

  #mayLeave(victims: readonly Preemptible[]): boolean {
    return this.question.mayLeave(victims.map(({ guestUid }) => guestUid));
  }
}

function isEnough(victims: readonly Preemptible[], lacks: Resources): boolean {
  let { cpuMillis, memoryMib, diskMib } = lacks;
  for (const { resources } of victims) {
    cpuMillis -= resources.cpuMillis;
    memoryMib -= resources.memoryMib;
    diskMib -= resources.diskMib;
  }
  return cpuMillis <= 0 && memoryMib <= 0 && diskMib <= 0;
}
