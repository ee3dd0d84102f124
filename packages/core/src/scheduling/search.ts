/**
 * Finds the best node in a table: the greatest score, then the nearest after the seed on the ring,
 * then the lesser id. No sampling, and nothing is allocated for a node that is looked at.
 *
 * Q1 Whatever it skips could not have won: the answer is that of a full scan (T1 to T3).
 */
import type { PlacementPolicy } from "../domain/placement-rules.js";
import { NO_RESOURCES, type Resources } from "../domain/resources.js";
import { KINDS, type NodeClass, type NodeColumns, writeAmounts } from "./node-class.js";
import type { NodePool } from "./node-pool.js";
import type { NodeTable } from "./node-table.js";
import { FIT_WEIGHT, fitOf, MODE_WEIGHT, scoreOf, tieBreak } from "./scorers.js";

/** What is asked, with everything that follows from node classes worked out. */
export interface Question {
  readonly resources: Resources;
  readonly policy: PlacementPolicy;
  /** Where on the ring the nearest of equal nodes is looked for. */
  readonly start: number;
  /** Preference of the best usable mode, by class; negative = none is usable. */
  readonly preferences: Float64Array;
  /** The nodes whose labels are wanted; undefined = all are. */
  readonly wanted: NodePool | undefined;
  readonly rules: readonly CompiledRule[];
  /** The only slot that will do; {@link ANYBODY} = any, {@link NOBODY} = that node is not known. */
  readonly only: number;
  /** A slot that will not do, or {@link NOBODY}. */
  readonly except: number;
  /** More slots that will not do; undefined = none. */
  readonly barred: ReadonlySet<number> | undefined;
}

/** A rule between guests: how many of them may be in the place of a slot. */
export interface CompiledRule {
  readonly placeAt: Int32Array;
  readonly counts: ReadonlyMap<number, number>;
  readonly least: number;
  readonly most: number;
  readonly isHard: boolean;
}

export const NOBODY = -1;
export const ANYBODY = -2;
/** Levels of a tournament, and one more for each: far above what memory holds. */
const OPEN_MAX = 64;

const NOTHING: Question = {
  resources: NO_RESOURCES,
  policy: "spread",
  start: 0,
  preferences: new Float64Array(0),
  wanted: undefined,
  rules: [],
  only: NOBODY,
  except: NOBODY,
  barred: undefined,
};

export class Search {
  readonly #table: NodeTable;
  readonly #needs = new Float64Array(KINDS);
  #question: Question = NOTHING;
  #bestBroken = 0;
  #bestScore = 0;
  #bestTie = 0;
  #bestSlot = NOBODY;
  /** The class that is being searched. */
  #class!: NodeClass;
  #columns: NodeColumns;
  #preference = 0;
  #preferenceScore = 0;
  readonly #classNeeds = new Float64Array(KINDS);
  #promises = new Float64Array(0);
  /** Tournament nodes still to be looked below, the most promising last. */
  readonly #open = { nodes: new Int32Array(OPEN_MAX), bounds: new Float64Array(OPEN_MAX) };

  constructor(table: NodeTable) {
    this.#table = table;
    this.#columns = table;
  }

  /** Slot of the best node, or {@link NOBODY}. */
  find(question: Question): number {
    this.ask(question);
    const { only, wanted } = question;
    if (only !== ANYBODY) this.#look(only);
    else if (wanted !== undefined && !wanted.isBuilt) this.#scanThese(wanted.slots);
    else this.#findAmongMany();
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
    writeAmounts(this.#needs, question.resources);
    this.#bestBroken = Number.POSITIVE_INFINITY;
    this.#bestScore = Number.NEGATIVE_INFINITY;
    this.#bestTie = -1;
    this.#bestSlot = NOBODY;
  }

  /** Whether the node takes the guest. */
  fits(slot: number): boolean {
    return this.#hasRoom(slot) && this.wouldTake(slot);
  }

  /** Whether it would if it had room. */
  wouldTake(slot: number): boolean {
    const { isOpen, classOf } = this.#table;
    const { only, preferences } = this.#question;
    if (isOpen[slot] === 0 || (only !== ANYBODY && only !== slot)) return false;
    if ((preferences[classOf[slot] as number] as number) < 0) return false;
    return this.#isWanted(slot) && this.#brokenAt(slot, true) === 0;
  }

  scoreAt(slot: number): number {
    const { classes, classOf, free } = this.#table;
    const index = classOf[slot] as number;
    const { kinds, totals } = classes[index] as NodeClass;
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (let position = 0; position < kinds.length; position += 1) {
      const kind = kinds[position] as number;
      const left = (free[slot * KINDS + kind] as number) - (this.#needs[kind] as number);
      const share = left / (totals[kind] as number);
      low = Math.min(low, share);
      high = Math.max(high, share);
    }
    const isEmpty = kinds.length === 0;
    const { policy, preferences } = this.#question;
    const fit = isEmpty ? fitOf(policy, 0, 0) : fitOf(policy, low, high);
    return scoreOf(fit, preferences[index] as number);
  }

  /** Of two nodes that fit. */
  isBetter(slot: number, other: number): boolean {
    const broken = this.#brokenAt(slot, false);
    const otherBroken = this.#brokenAt(other, false);
    if (broken !== otherBroken) return broken < otherBroken;
    const score = this.scoreAt(slot);
    const otherScore = this.scoreAt(other);
    if (score !== otherScore) return score > otherScore;
    const tie = this.#tieAt(slot);
    const otherTie = this.#tieAt(other);
    if (tie !== otherTie) return tie < otherTie;
    const { ids } = this.#table;
    return (ids[slot] as string) < (ids[other] as string);
  }

  #tieAt(slot: number): number {
    return tieBreak(this.#table.ring[slot] as number, this.#question.start);
  }

  /** The tournament finds a node that keeps every rule; only without one are soft rules weighed. */
  #findAmongMany(): void {
    const { policy, rules } = this.#question;
    const isSelective = rules.some((rule) => rule.least > 0);
    if (policy !== "spread" || isSelective) {
      this.#scanAll();
      return;
    }
    this.#searchClasses();
    if (this.#bestSlot === NOBODY && rules.some((rule) => !rule.isHard)) this.#scanAll();
  }

  #scanThese(slots: Int32Array): void {
    for (let index = 0; index < slots.length; index += 1) this.#look(slots[index] as number);
  }

  #scanAll(): void {
    const { length } = this.#table;
    for (let slot = 0; slot < length; slot += 1) this.#look(slot);
  }

  #look(slot: number): void {
    if (slot !== NOBODY && this.fits(slot)) this.#consider(slot);
  }

  /** The class that promises most comes first: then the others are often skipped. */
  #searchClasses(): void {
    const pool = this.#question.wanted ?? this.#table;
    this.#columns = this.#question.wanted?.columns ?? this.#table;
    const { classes } = pool;
    if (this.#promises.length < classes.length) this.#promises = new Float64Array(classes.length);
    let first = 0;
    for (let index = 0; index < classes.length; index += 1) {
      this.#promises[index] = this.#promiseOf(classes[index] as NodeClass);
      if ((this.#promises[index] as number) > (this.#promises[first] as number)) first = index;
    }
    for (let turn = 0; turn < classes.length; turn += 1) {
      const index = (first + turn) % classes.length;
      this.#select(classes[index] as NodeClass);
      this.#enter(this.#promises[index] as number);
    }
  }

  /** No node of the class scores more. */
  #promiseOf(nodeClass: NodeClass): number {
    this.#select(nodeClass);
    const isUsable = this.#preference >= 0 && nodeClass.size > 0 && this.#couldHold(nodeClass);
    if (!isUsable) return Number.NEGATIVE_INFINITY;
    nodeClass.prepare(this.#columns);
    return this.#bound(1);
  }

  #select(nodeClass: NodeClass): void {
    this.#class = nodeClass;
    this.#preference = this.#question.preferences[nodeClass.index] as number;
    this.#preferenceScore = MODE_WEIGHT * this.#preference;
    for (let kind = 0; kind < KINDS; kind += 1) {
      const has = (nodeClass.limits[kind] as number) > 0;
      this.#classNeeds[kind] = has ? (this.#needs[kind] as number) : Number.NEGATIVE_INFINITY;
    }
  }

  #couldHold({ limits }: NodeClass): boolean {
    for (let kind = 0; kind < KINDS; kind += 1) {
      if ((this.#needs[kind] as number) > (limits[kind] as number)) return false;
    }
    return true;
  }

  /** Looks below the root of the selected class wherever something could win. */
  #enter(rootBound: number): void {
    const { leaves, slots } = this.#class;
    const { nodes, bounds } = this.#open;
    let count = this.#couldWin(1, rootBound) ? 1 : 0;
    nodes[0] = 1;
    bounds[0] = rootBound;
    while (count > 0) {
      count -= 1;
      const node = nodes[count] as number;
      if (!this.#couldWin(node, bounds[count] as number)) continue;
      if (node >= leaves) this.#reach(slots[node - leaves] as number);
      else count = this.#descend(2 * node, count);
    }
  }

  #couldWin(node: number, bound: number): boolean {
    if (bound < this.#bestScore || bound === Number.NEGATIVE_INFINITY) return false;
    return bound !== this.#bestScore || this.#nearestTie(node) <= this.#bestTie;
  }

  /** The better side is taken up first: then the other is often skipped. */
  #descend(left: number, count: number): number {
    const { nodes, bounds } = this.#open;
    const boundLeft = this.#bound(left);
    const boundRight = this.#bound(left + 1);
    const isRightFirst =
      boundRight > boundLeft ||
      (boundRight === boundLeft && this.#nearestTie(left + 1) < this.#nearestTie(left));
    const first = isRightFirst ? 1 : 0;
    nodes[count] = left + 1 - first;
    bounds[count] = isRightFirst ? boundLeft : boundRight;
    nodes[count + 1] = left + first;
    bounds[count + 1] = isRightFirst ? boundRight : boundLeft;
    return count + 2;
  }

  #reach(slot: number): void {
    if (this.#isAllowed(slot)) this.#consider(slot);
  }

  /** No node below scores more (T1, T2); -Infinity when none below has room. */
  #bound(node: number): number {
    const { tree, totals } = this.#class;
    const needs = this.#classNeeds;
    const at = node * KINDS;
    let low = Number.POSITIVE_INFINITY;
    for (let kind = 0; kind < KINDS; kind += 1) {
      const need = needs[kind] as number;
      const left = (tree[at + kind] as number) - need;
      if (left < 0 && need > 0) return Number.NEGATIVE_INFINITY;
      const share = left / (totals[kind] as number);
      if (share < low) low = share;
    }
    if (low === Number.POSITIVE_INFINITY) low = Math.min(0, tree[at] as number);
    return FIT_WEIGHT * low + this.#preferenceScore;
  }

  /** No node below is nearer to the start. */
  #nearestTie(node: number): number {
    const { ringLeast, ringMost } = this.#class;
    const { start } = this.#question;
    const least = ringLeast[node] as number;
    const isAround = least < start && start <= (ringMost[node] as number);
    return isAround ? 0 : tieBreak(least, start);
  }

  /** Everything that does not follow from the class, soft rules included. */
  #isAllowed(slot: number): boolean {
    if (!this.#isWanted(slot) || !this.#hasRoom(slot)) return false;
    return this.#brokenAt(slot, true) === 0 && this.#brokenAt(slot, false) === 0;
  }

  #isWanted(slot: number): boolean {
    const { except, barred, wanted } = this.#question;
    if (barred?.has(slot) === true) return false;
    return slot !== except && (wanted === undefined || wanted.isWanted[slot] === 1);
  }

  /** Hard or soft rules that the node does not keep. */
  #brokenAt(slot: number, isHard: boolean): number {
    const { rules } = this.#question;
    let broken = 0;
    for (let index = 0; index < rules.length; index += 1) {
      const rule = rules[index] as CompiledRule;
      if (rule.isHard !== isHard) continue;
      const count = rule.counts.get(rule.placeAt[slot] as number) ?? 0;
      if (count < rule.least || count > rule.most) broken += 1;
    }
    return broken;
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
    const broken = this.#brokenAt(slot, false);
    if (broken > this.#bestBroken) return;
    if (broken < this.#bestBroken) this.#bestScore = Number.NEGATIVE_INFINITY;
    const score = this.scoreAt(slot);
    if (score < this.#bestScore) return;
    const tie = this.#tieAt(slot);
    if (score === this.#bestScore && !this.#isNearer(slot, tie)) return;
    this.#bestBroken = broken;
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
