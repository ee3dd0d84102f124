/**
 * The guests that may be made to leave, by node, kept as they come and go. Of each node columns
 * know what its guests of the lowest priority amount to, so that most nodes need not be looked at.
 */
import { RESOURCE_KINDS } from "../../domain/resources.js";
import { KINDS } from "../node-class.js";
import type { NodeTable } from "../node-table.js";
import { byCost, type Preemptible } from "./least-victims.js";

const NOBODY: readonly Preemptible[] = [];

export class Preemptibles {
  /** Lowest priority on the slot; Infinity = nobody there may be made to leave. */
  leastPriority = new Float64Array(0);
  /** Of the guests of that priority: the least memory, and by kind the most and the sum. */
  leastMemoryMib = new Float64Array(0);
  most = new Float64Array(0);
  sum = new Float64Array(0);
  readonly #table: NodeTable;
  readonly #byNode = new Map<string, readonly Preemptible[]>();
  #bySlot: (readonly Preemptible[])[] = [];
  #attributesRevision = -1;

  constructor(table: NodeTable) {
    this.#table = table;
  }

  add(nodeId: string, guest: Preemptible): void {
    const there = this.#byNode.get(nodeId) ?? NOBODY;
    this.#set(nodeId, [...there, guest].sort(byCost));
  }

  remove(nodeId: string, guestUid: string): void {
    const there = this.#byNode.get(nodeId) ?? NOBODY;
    this.#set(
      nodeId,
      there.filter((each) => each.guestUid !== guestUid),
    );
  }

  /** By cost, the cheapest first. */
  at(slot: number): readonly Preemptible[] {
    return this.#bySlot[slot] ?? NOBODY;
  }

  /** Follows nodes that came or went; to be called before slots are looked at. */
  prepare(): void {
    const { attributesRevision, length } = this.#table;
    if (this.#attributesRevision === attributesRevision) return;
    this.#attributesRevision = attributesRevision;
    this.leastPriority = new Float64Array(length).fill(Number.POSITIVE_INFINITY);
    this.leastMemoryMib = new Float64Array(length);
    this.most = new Float64Array(length * KINDS);
    this.sum = new Float64Array(length * KINDS);
    this.#bySlot = [];
    for (const [nodeId, there] of this.#byNode) this.#place(nodeId, there);
  }

  #set(nodeId: string, there: readonly Preemptible[]): void {
    if (there.length === 0) this.#byNode.delete(nodeId);
    else this.#byNode.set(nodeId, there);
    if (this.#attributesRevision === this.#table.attributesRevision) this.#place(nodeId, there);
  }

  #place(nodeId: string, there: readonly Preemptible[]): void {
    const slot = this.#table.slotOf(nodeId);
    if (slot === undefined) return;
    const [cheapest] = there;
    this.#bySlot[slot] = there;
    this.leastPriority[slot] = cheapest?.priority ?? Number.POSITIVE_INFINITY;
    this.leastMemoryMib[slot] = cheapest?.resources.memoryMib ?? 0;
    const least = there.filter(({ priority }) => priority === cheapest?.priority);
    RESOURCE_KINDS.forEach((kind, index) => {
      const amounts = least.map(({ resources }) => resources[kind]);
      this.most[slot * KINDS + index] = Math.max(0, ...amounts);
      this.sum[slot * KINDS + index] = amounts.reduce((sum, each) => sum + each, 0);
    });
  }
}
