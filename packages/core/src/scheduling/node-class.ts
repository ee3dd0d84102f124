/**
 * Nodes with equal static attributes (what they may promise, what their engines can do) are one
 * class: what follows from these is computed once for all of them. Within a class the node that
 * stays emptiest is found in a tournament instead of a scan.
 *
 * T1 A leaf holds the free amount of the node's scarcest resource, an inner node the greatest of
 *    each resource below it. What is scarcest now bounds what will be free of it afterwards, so no
 *    node below scores more than the bound, and a node is skipped only when it cannot win.
 * T2 Bounds are computed with the operations of the score itself: rounding never hides a node.
 * T3 Leaves stand in the order of the ring, so equal nodes below are told apart by position alone.
 */
import type { NodeRecord } from "../domain/node.js";
import { allocatable } from "../domain/node.js";
import { RESOURCE_KINDS } from "../domain/resources.js";

export const KINDS = RESOURCE_KINDS.length;
const LEAVES_MIN = 4;

/** What a class knows of its nodes; by slot. */
export interface NodeColumns {
  /** Free amounts, `KINDS` numbers for each slot. */
  readonly free: Float64Array;
  readonly ring: Float64Array;
  readonly isOpen: Uint8Array;
  readonly ids: readonly string[];
}

export class NodeClass {
  /** What each node may promise. */
  readonly limits: Float64Array;
  /** Divisors of the shares; 1 for a resource the class does not have. */
  readonly totals: Float64Array;
  /** Kinds of which the class has something. */
  readonly kinds: Int32Array;
  readonly #members = new Set<number>();
  #slots = new Int32Array(0);
  #tree = new Float64Array(0);
  #leaves = 0;
  #isStale = true;
  #positions = new Map<number, number>();

  constructor(
    readonly index: number,
    /** Any node of the class: stands for all. */
    readonly example: NodeRecord,
  ) {
    const limit = allocatable(example);
    const all = RESOURCE_KINDS.map((kind) => limit[kind]);
    this.limits = Float64Array.from(all);
    this.totals = Float64Array.from(all, (total) => total || 1);
    this.kinds = Int32Array.from(all.flatMap((total, kind) => (total > 0 ? [kind] : [])));
  }

  get size(): number {
    return this.#members.size;
  }

  /** Leaves of the tournament; leaf `n` is its node `leaves + n`, the root is node 1. */
  get leaves(): number {
    return this.#leaves;
  }

  add(slot: number): void {
    this.#members.add(slot);
    this.#isStale = true;
  }

  remove(slot: number): void {
    this.#members.delete(slot);
    this.#isStale = true;
  }

  slotAt(position: number): number {
    return this.#slots[position] as number;
  }

  /** The greatest free amount of a resource among the nodes below that lack it most. */
  most(node: number, kind: number): number {
    return this.#tree[node * KINDS + kind] as number;
  }

  /** Position of the first member at or after a place on the ring. */
  startOf(start: number, { ring }: NodeColumns): number {
    let [low, high] = [0, this.#slots.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ring[this.#slots[middle] as number] as number) < start) low = middle + 1;
      else high = middle;
    }
    return low === this.#slots.length ? 0 : low;
  }

  /** Builds the tournament anew when members came or went. */
  prepare(columns: NodeColumns): void {
    if (!this.#isStale) return;
    this.#isStale = false;
    const { ring, ids } = columns;
    const byRing = (a: number, b: number): number =>
      (ring[a] as number) - (ring[b] as number) ||
      ((ids[a] as string) < (ids[b] as string) ? -1 : 1);
    this.#slots = Int32Array.from([...this.#members].sort(byRing));
    this.#positions = new Map([...this.#slots].map((slot, position) => [slot, position]));
    this.#leaves = LEAVES_MIN;
    while (this.#leaves < this.#slots.length) this.#leaves *= 2;
    this.#tree = new Float64Array(2 * this.#leaves * KINDS).fill(Number.NEGATIVE_INFINITY);
    for (const slot of this.#slots) this.#setLeaf(slot, columns);
    for (let node = this.#leaves - 1; node > 0; node -= 1) this.#pull(node);
  }

  /** The node's allocation or openness changed. */
  update(slot: number, columns: NodeColumns): void {
    if (this.#isStale) return;
    let node = this.#setLeaf(slot, columns) >> 1;
    while (node > 0 && this.#pull(node)) node >>= 1;
  }

  #setLeaf(slot: number, { free, isOpen }: NodeColumns): number {
    const leaf = this.#leaves + (this.#positions.get(slot) as number);
    for (let kind = 0; kind < KINDS; kind += 1) {
      this.#tree[leaf * KINDS + kind] = Number.NEGATIVE_INFINITY;
    }
    if (isOpen[slot] === 0) return leaf;
    const scarcest = this.#scarcest(slot, free);
    this.#tree[leaf * KINDS + scarcest] = free[slot * KINDS + scarcest] as number;
    return leaf;
  }

  #scarcest(slot: number, free: Float64Array): number {
    let scarcest = this.kinds[0] ?? 0;
    let low = Number.POSITIVE_INFINITY;
    for (const kind of this.kinds) {
      const share = (free[slot * KINDS + kind] as number) / (this.totals[kind] as number);
      if (share >= low) continue;
      low = share;
      scarcest = kind;
    }
    return scarcest;
  }

  /** False when nothing changed: nothing above changes either. */
  #pull(node: number): boolean {
    const [tree, at, below] = [this.#tree, node * KINDS, 2 * node * KINDS];
    let isChanged = false;
    for (let kind = 0; kind < KINDS; kind += 1) {
      const left = tree[below + kind] as number;
      const right = tree[below + KINDS + kind] as number;
      const most = Math.max(left, right);
      if (tree[at + kind] === most) continue;
      tree[at + kind] = most;
      isChanged = true;
    }
    return isChanged;
  }
}

export function classKey(node: NodeRecord): string {
  return JSON.stringify([allocatable(node), node.abilities]);
}
