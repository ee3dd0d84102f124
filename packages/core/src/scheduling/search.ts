/**
 * Finds the best node in a table: the greatest score, then the nearest after the seed on the ring,
 * then the lesser id. No sampling, and nothing is allocated for a node that is looked at.
 *
 * Q1 Whatever it skips could not have won: the answer is that of a full scan (T1 to T3).
 */
import { NO_RESOURCES, RESOURCE_KINDS, type Resources } from "../domain/resources.js";
import { KINDS, type NodeClass } from "./node-class.js";
import type { NodeTable } from "./node-table.js";
import { fitOf, type PlacementPolicy, scoreOf, tieBreak } from "./scorers.js";

/** What is asked, with everything that follows from node classes worked out. */
export interface Question {
  readonly resources: Resources;
  readonly policy: PlacementPolicy;
  /** Where on the ring the nearest of equal nodes is looked for. */
  readonly start: number;
  /** Preference of the best usable mode, by class; negative = none is usable. */
  readonly preferences: Float64Array;
  /** The only slot that will do; {@link ANYBODY} = any, {@link NOBODY} = that node is not known. */
  readonly only: number;
  /** A slot that will not do, or {@link NOBODY}. */
  readonly except: number;
}

export const NOBODY = -1;
export const ANYBODY = -2;

const NOTHING: Question = {
  resources: NO_RESOURCES,
  policy: "spread",
  start: 0,
  preferences: new Float64Array(0),
  only: NOBODY,
  except: NOBODY,
};

export class Search {
  readonly #table: NodeTable;
  readonly #needs = new Float64Array(KINDS);
  #question: Question = NOTHING;
  #bestScore = 0;
  #bestTie = 0;
  #bestSlot = NOBODY;
  /** The class that is being searched. */
  #class!: NodeClass;
  #preference = 0;
  #start = 0;

  constructor(table: NodeTable) {
    this.#table = table;
  }

  /** Slot of the best node, or {@link NOBODY}. */
  find(question: Question): number {
    this.ask(question);
    if (question.only !== ANYBODY) this.#look(question.only);
    else if (question.policy === "spread") this.#searchClasses();
    else this.#scanAll();
    return this.#bestSlot;
  }

  /** The same, by looking at every node. */
  scan(question: Question): number {
    this.ask(question);
    this.#scanAll();
    return this.#bestSlot;
  }

  /** Prepares {@link fits} and {@link scoreAt}. */
  ask(question: Question): void {
    this.#question = question;
    for (let kind = 0; kind < KINDS; kind += 1) {
      this.#needs[kind] = question.resources[RESOURCE_KINDS[kind] as keyof Resources];
    }
    this.#bestScore = Number.NEGATIVE_INFINITY;
    this.#bestTie = -1;
    this.#bestSlot = NOBODY;
  }

  /** Whether the node takes the guest. */
  fits(slot: number): boolean {
    const { isOpen, classOf } = this.#table;
    const { only, preferences } = this.#question;
    if (isOpen[slot] === 0 || (only !== ANYBODY && only !== slot)) return false;
    if ((preferences[classOf[slot] as number] as number) < 0) return false;
    return this.#isAllowed(slot);
  }

  scoreAt(slot: number): number {
    const { classes, classOf, free } = this.#table;
    const index = classOf[slot] as number;
    const { kinds, totals } = classes[index] as NodeClass;
    let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (let position = 0; position < kinds.length; position += 1) {
      const kind = kinds[position] as number;
      const left = (free[slot * KINDS + kind] as number) - (this.#needs[kind] as number);
      const share = left / (totals[kind] as number);
      if (share < low) low = share;
      if (share > high) high = share;
    }
    if (kinds.length === 0) low = high = 0;
    const { policy, preferences } = this.#question;
    return scoreOf(fitOf(policy, low, high), preferences[index] as number);
  }

  /** Of two nodes that fit. */
  isBetter(slot: number, other: number): boolean {
    const [score, otherScore] = [this.scoreAt(slot), this.scoreAt(other)];
    if (score !== otherScore) return score > otherScore;
    const [tie, otherTie] = [this.#tieAt(slot), this.#tieAt(other)];
    if (tie !== otherTie) return tie < otherTie;
    const { ids } = this.#table;
    return (ids[slot] as string) < (ids[other] as string);
  }

  #tieAt(slot: number): number {
    return tieBreak(this.#table.ring[slot] as number, this.#question.start);
  }

  #scanAll(): void {
    const { length } = this.#table;
    for (let slot = 0; slot < length; slot += 1) this.#look(slot);
  }

  #look(slot: number): void {
    if (slot !== NOBODY && this.fits(slot)) this.#consider(slot);
  }

  #searchClasses(): void {
    const { preferences, start } = this.#question;
    for (const nodeClass of this.#table.classes) {
      this.#class = nodeClass;
      this.#preference = preferences[nodeClass.index] as number;
      if (this.#preference < 0 || nodeClass.size === 0 || !this.#couldHold(nodeClass)) continue;
      nodeClass.prepare(this.#table);
      const bound = this.#bound(1);
      if (bound < this.#bestScore) continue;
      this.#start = nodeClass.startOf(start, this.#table);
      this.#enter(1, bound);
    }
  }

  #couldHold({ limits }: NodeClass): boolean {
    for (let kind = 0; kind < KINDS; kind += 1) {
      if ((this.#needs[kind] as number) > (limits[kind] as number)) return false;
    }
    return true;
  }

  /** Looks below the node unless nothing there can win. */
  #enter(node: number, bound: number): void {
    if (bound < this.#bestScore) return;
    if (bound === this.#bestScore && this.#nearestTie(node) > this.#bestTie) return;
    if (node >= this.#class.leaves) this.#reach(this.#class.slotAt(node - this.#class.leaves));
    else this.#descend(2 * node);
  }

  /** The better side first: then the other is often skipped. */
  #descend(left: number): void {
    const boundLeft = this.#bound(left);
    const boundRight = this.#bound(left + 1);
    const isRightFirst =
      boundRight > boundLeft || (boundRight === boundLeft && this.#holdsStart(left + 1));
    if (isRightFirst) {
      this.#enter(left + 1, boundRight);
      this.#enter(left, boundLeft);
    } else {
      this.#enter(left, boundLeft);
      this.#enter(left + 1, boundRight);
    }
  }

  #reach(slot: number): void {
    if (this.#isAllowed(slot)) this.#consider(slot);
  }

  /** No node below scores more (T1, T2); -Infinity when none below has room. */
  #bound(node: number): number {
    const { kinds, totals } = this.#class;
    let most = Number.NEGATIVE_INFINITY;
    for (let index = 0; index < kinds.length; index += 1) {
      const kind = kinds[index] as number;
      const need = this.#needs[kind] as number;
      const left = this.#class.most(node, kind) - need;
      if (need > 0 && left < 0) continue;
      const share = left / (totals[kind] as number);
      if (share > most) most = share;
    }
    if (kinds.length === 0)
      most = this.#class.most(node, 0) === Number.NEGATIVE_INFINITY ? most : 0;
    return scoreOf(fitOf("spread", most, most), this.#preference);
  }

  #nearestTie(node: number): number {
    const width = widthOf(node, this.#class.leaves);
    const first = node * width - this.#class.leaves;
    const isInside = this.#start >= first && this.#start < first + width;
    return this.#tieAt(this.#class.slotAt(isInside ? this.#start : first));
  }

  #holdsStart(node: number): boolean {
    const width = widthOf(node, this.#class.leaves);
    const first = node * width - this.#class.leaves;
    return this.#start >= first && this.#start < first + width;
  }

  #isAllowed(slot: number): boolean {
    return slot !== this.#question.except && this.#hasRoom(slot);
  }

  #hasRoom(slot: number): boolean {
    const { free } = this.#table;
    for (let kind = 0; kind < KINDS; kind += 1) {
      const need = this.#needs[kind] as number;
      if (need > 0 && need > (free[slot * KINDS + kind] as number)) return false;
    }
    return true;
  }

  #consider(slot: number): void {
    const score = this.scoreAt(slot);
    if (score < this.#bestScore) return;
    const tie = this.#tieAt(slot);
    if (score === this.#bestScore && !this.#isNearer(slot, tie)) return;
    this.#bestScore = score;
    this.#bestTie = tie;
    this.#bestSlot = slot;
  }

  #isNearer(slot: number, tie: number): boolean {
    if (tie !== this.#bestTie) return tie < this.#bestTie;
    const { ids } = this.#table;
    return (ids[slot] as string) < (ids[this.#bestSlot] as string);
  }
}

/** How many leaves stand below a node of a tournament. */
function widthOf(node: number, leaves: number): number {
  return leaves >> (31 - Math.clz32(node));
}
