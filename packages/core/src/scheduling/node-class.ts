/**
 * Nodes with equal static attributes (what they may promise, what their engines can do) are one
 * class: what follows from these is computed once for all of them. Within a class the node that
 * stays emptiest is found in a tournament instead of a scan.
 *
 * T1 A tournament node knows the greatest free amount of each resource among the cluster's nodes
 *    below it. Nothing below scores more than these allow, so what is skipped could not have won.
 * T2 Bounds are computed with the operations of the score itself: rounding never hides a node.
 * T3 Leaves stand in the order of which resource is scarcer and by how much, equal nodes in the
 *    order of the ring. The order makes bounds tight; it ages with changes and is renewed, and no
 *    answer depends on it.
 */
import { allocatable, type NodeRecord } from "../domain/node.js";
import { RESOURCE_KINDS, type Resources } from "../domain/resources.js";

export const KINDS = RESOURCE_KINDS.length;
const LEAVES_MIN = 4;
/** The order is renewed after this many changes for each leaf. */
const CHANGES_PER_LEAF = 32;
/** Steps in which the difference of two free shares, -1 to 1, is told apart. */
const GAP_STEPS = 6;

/** What a class knows of its nodes; by slot. */
export interface NodeColumns {
  /** Free amounts, `KINDS` numbers for each slot. */
  readonly free: Float64Array;
  readonly ring: Float64Array;
  readonly isOpen: Uint8Array;
  /** Leaf of the slot in the tournament of its class. */
  readonly leaf: Int32Array;
}

export class NodeClass {
  /** What each node may promise. */
  readonly limits: Float64Array;
  /** Divisors of the shares; 1 for a resource the class does not have. */
  readonly totals: Float64Array;
  /** Kinds of which the class has something. */
  readonly kinds: Int32Array;
  /** Node 1 is the root, below node `n` are `2n` and `2n + 1`, leaf `p` is node `leaves + p`. */
  tree = new Float64Array(0);
  leaves = 0;
  /** Least and greatest place on the ring below each tournament node. */
  ringLeast = new Float64Array(0);
  ringMost = new Float64Array(0);
  slots = new Int32Array(0);
  readonly #members = new Set<number>();
  #changes = 0;
  #isStale = true;

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

  add(slot: number): void {
    this.#members.add(slot);
    this.#isStale = true;
  }

  remove(slot: number): void {
    this.#members.delete(slot);
    this.#isStale = true;
  }

  /** Builds the tournament anew when members came or went, or when its order is old. */
  prepare(columns: NodeColumns): void {
    if (!this.#isStale && this.#changes <= CHANGES_PER_LEAF * this.leaves) return;
    this.#isStale = false;
    this.#changes = 0;
    this.slots = this.#ordered(columns);
    this.leaves = LEAVES_MIN;
    while (this.leaves < this.slots.length) this.leaves *= 2;
    for (const [position, slot] of this.slots.entries()) {
      columns.leaf[slot] = this.leaves + position;
    }
    this.tree = new Float64Array(2 * this.leaves * KINDS).fill(Number.NEGATIVE_INFINITY);
    for (const slot of this.slots) this.#setLeaf(slot, columns);
    for (let node = this.leaves - 1; node > 0; node -= 1) this.#pull(node);
    this.#layRing(columns.ring);
  }

  /** The node's allocation or openness changed. */
  update(slot: number, columns: NodeColumns): void {
    if (this.#isStale) return;
    this.#changes += 1;
    let node = this.#setLeaf(slot, columns) >> 1;
    while (node > 0 && this.#pull(node)) node >>= 1;
  }

  #ordered(columns: NodeColumns): Int32Array<ArrayBuffer> {
    const members = [...this.#members];
    const keys = new Map(members.map((slot) => [slot, this.#orderKey(slot, columns)]));
    return Int32Array.from(
      members.sort((a, b) => (keys.get(a) as number) - (keys.get(b) as number)),
    );
  }

  #orderKey(slot: number, { free, ring }: NodeColumns): number {
    const [first = 0, ...others] = this.kinds;
    const share = (kind: number): number =>
      (free[slot * KINDS + kind] as number) / (this.totals[kind] as number);
    let cell = 0;
    for (const kind of others.slice(0, 2)) {
      const gap = Math.floor(((share(kind) - share(first) + 1) / 2) * GAP_STEPS);
      cell = cell * GAP_STEPS + Math.min(GAP_STEPS - 1, Math.max(0, gap));
    }
    return cell * 2 ** 32 + (ring[slot] as number);
  }

  #layRing(ring: Float64Array): void {
    const { leaves, slots } = this;
    this.ringLeast = new Float64Array(2 * leaves).fill(Number.POSITIVE_INFINITY);
    this.ringMost = new Float64Array(2 * leaves).fill(Number.NEGATIVE_INFINITY);
    slots.forEach((slot, position) => {
      this.ringLeast[leaves + position] = ring[slot] as number;
      this.ringMost[leaves + position] = ring[slot] as number;
    });
    for (let node = leaves - 1; node > 0; node -= 1) {
      this.ringLeast[node] = Math.min(
        this.ringLeast[2 * node] as number,
        this.ringLeast[2 * node + 1] as number,
      );
      this.ringMost[node] = Math.max(
        this.ringMost[2 * node] as number,
        this.ringMost[2 * node + 1] as number,
      );
    }
  }

  #setLeaf(slot: number, { free, isOpen, leaf }: NodeColumns): number {
    const node = leaf[slot] as number;
    const isClosed = isOpen[slot] === 0;
    for (let kind = 0; kind < KINDS; kind += 1) {
      const amount = free[slot * KINDS + kind] as number;
      this.tree[node * KINDS + kind] = isClosed ? Number.NEGATIVE_INFINITY : amount;
    }
    return node;
  }

  /** False when nothing changed: nothing above changes either. */
  #pull(node: number): boolean {
    const { tree } = this;
    const at = node * KINDS;
    const left = 2 * at;
    const right = left + KINDS;
    let isChanged = false;
    for (let index = 0; index < KINDS; index += 1) {
      const most = Math.max(tree[left + index] as number, tree[right + index] as number);
      if (tree[at + index] === most) continue;
      tree[at + index] = most;
      isChanged = true;
    }
    return isChanged;
  }
}

export function classKey(node: NodeRecord): string {
  return JSON.stringify([allocatable(node), node.abilities, node.templates ?? []]);
}

/** Writes the amounts in the order of the kinds. Spelled out: it is called for every decision. */
export function writeAmounts(into: Float64Array, resources: Resources): void {
  into[0] = resources.cpuMillis;
  into[1] = resources.memoryMib;
  into[2] = resources.diskMib;
}
