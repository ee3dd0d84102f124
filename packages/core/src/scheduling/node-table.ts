/**
 * All nodes as the scheduler sees them, as a structure of arrays: one slot for each node, one
 * column for each attribute. It is changed as nodes and allocations change, never built for a
 * decision.
 *
 * A1 `views()` is what this table holds, as objects: a decision from the table equals the decision
 *    from them.
 */
import { assert } from "../domain/assert.js";
import { allocatable, type NodeRecord } from "../domain/node.js";
import { mapResources, NO_RESOURCES, RESOURCE_KINDS, type Resources } from "../domain/resources.js";
import type { NodeView } from "./filters.js";
import { classKey, KINDS, NodeClass, type NodeColumns, writeAmounts } from "./node-class.js";
import { ringPlace } from "./scorers.js";

const SLOTS_MIN = 16;

export class NodeTable implements NodeColumns {
  free = new Float64Array(SLOTS_MIN * KINDS);
  ring = new Float64Array(SLOTS_MIN);
  isOpen = new Uint8Array(SLOTS_MIN);
  classOf = new Int32Array(SLOTS_MIN);
  leaf = new Int32Array(SLOTS_MIN);
  readonly ids: string[] = [];
  readonly classes: NodeClass[] = [];
  /** Called with the slot whose allocation changed. */
  onChange: (slot: number) => void = () => undefined;
  readonly #records: (NodeRecord | undefined)[] = [];
  readonly #slots = new Map<string, number>();
  readonly #classesByKey = new Map<string, NodeClass>();
  readonly #freeSlots: number[] = [];
  /** Allocations on nodes whose record has not come yet, or is gone. */
  readonly #homeless = new Map<string, Resources>();
  readonly #amounts = new Float64Array(KINDS);
  #attributesRevision = 0;

  /** One more than the highest slot in use. */
  get length(): number {
    return this.ids.length;
  }

  /** Grows with every change of what a node is; not with allocations. */
  get attributesRevision(): number {
    return this.#attributesRevision;
  }

  slotOf(nodeId: string): number | undefined {
    return this.#slots.get(nodeId);
  }

  recordAt(slot: number): NodeRecord | undefined {
    return this.#records[slot];
  }

  viewAt(slot: number): NodeView {
    const node = this.#records[slot];
    assert(node !== undefined, `slot ${slot} is in use`);
    return { node, allocated: this.#allocatedAt(slot, node) };
  }

  /** In the order of their slots. */
  views(): NodeView[] {
    return [...this.#records.keys()]
      .filter((slot) => this.#records[slot] !== undefined)
      .map((slot) => this.viewAt(slot));
  }

  /** Adds the node or takes its new record; its allocations stay. */
  setNode(node: NodeRecord): void {
    const known = this.#slots.get(node.id);
    if (known !== undefined && this.#records[known] === node) return;
    const allocated = known === undefined ? this.#homeless.get(node.id) : this.#allocated(known);
    this.#homeless.delete(node.id);
    const slot = known ?? this.#newSlot(node.id);
    const before = this.#records[slot];
    this.#records[slot] = node;
    this.isOpen[slot] = node.state === "ready" && !node.isCordoned ? 1 : 0;
    this.#setFree(slot, node, allocated ?? NO_RESOURCES);
    this.#classify(slot, node, before);
    this.#attributesRevision += 1;
  }

  removeNode(nodeId: string): void {
    const slot = this.#slots.get(nodeId);
    if (slot === undefined) return;
    this.#homeless.set(nodeId, this.#allocated(slot));
    this.#classAt(slot).remove(slot);
    this.#records[slot] = undefined;
    this.isOpen[slot] = 0;
    this.#slots.delete(nodeId);
    this.#freeSlots.push(slot);
    this.#attributesRevision += 1;
  }

  allocate(nodeId: string, resources: Resources): void {
    this.#change(nodeId, resources, 1);
  }

  release(nodeId: string, resources: Resources): void {
    this.#change(nodeId, resources, -1);
  }

  /** Allocated on a slot that is in use: `sign` 1, given back: -1. */
  changeAt(slot: number, resources: Resources, sign: 1 | -1): void {
    const { free } = this;
    const at = slot * KINDS;
    writeAmounts(this.#amounts, resources);
    for (let kind = 0; kind < KINDS; kind += 1) {
      free[at + kind] = (free[at + kind] as number) - sign * (this.#amounts[kind] as number);
    }
    this.#classAt(slot).update(slot, this);
    this.onChange(slot);
  }

  #change(nodeId: string, resources: Resources, sign: 1 | -1): void {
    const slot = this.#slots.get(nodeId);
    if (slot !== undefined) {
      this.changeAt(slot, resources, sign);
      return;
    }
    const before = this.#homeless.get(nodeId) ?? NO_RESOURCES;
    const after = mapResources((kind) => before[kind] + sign * resources[kind]);
    const isGone = RESOURCE_KINDS.every((kind) => after[kind] === 0);
    if (isGone) this.#homeless.delete(nodeId);
    else this.#homeless.set(nodeId, after);
  }

  #classAt(slot: number): NodeClass {
    return this.classes[this.classOf[slot] as number] as NodeClass;
  }

  #allocated(slot: number): Resources {
    return this.viewAt(slot).allocated;
  }

  #allocatedAt(slot: number, node: NodeRecord): Resources {
    const limit = allocatable(node);
    return mapResources(
      (kind) => limit[kind] - (this.free[slot * KINDS + RESOURCE_KINDS.indexOf(kind)] as number),
    );
  }

  #setFree(slot: number, node: NodeRecord, allocated: Resources): void {
    const limit = allocatable(node);
    RESOURCE_KINDS.forEach((kind, index) => {
      this.free[slot * KINDS + index] = limit[kind] - allocated[kind];
    });
  }

  #classify(slot: number, node: NodeRecord, before: NodeRecord | undefined): void {
    const key = classKey(node);
    const isSame = before !== undefined && classKey(before) === key;
    if (isSame) {
      this.#classAt(slot).update(slot, this);
      return;
    }
    if (before !== undefined) this.#classAt(slot).remove(slot);
    const found = this.#classesByKey.get(key) ?? this.#newClass(key, node);
    this.classOf[slot] = found.index;
    found.add(slot);
  }

  #newClass(key: string, example: NodeRecord): NodeClass {
    const added = new NodeClass(this.classes.length, example);
    this.classes.push(added);
    this.#classesByKey.set(key, added);
    return added;
  }

  #newSlot(nodeId: string): number {
    const slot = this.#freeSlots.pop() ?? this.ids.length;
    if (slot >= this.ring.length) this.#grow();
    this.ids[slot] = nodeId;
    this.ring[slot] = ringPlace(nodeId);
    this.#slots.set(nodeId, slot);
    return slot;
  }

  #grow(): void {
    const slots = this.ring.length * 2;
    this.free = grown(this.free, new Float64Array(slots * KINDS));
    this.ring = grown(this.ring, new Float64Array(slots));
    this.isOpen = grown(this.isOpen, new Uint8Array(slots));
    this.classOf = grown(this.classOf, new Int32Array(slots));
    this.leaf = grown(this.leaf, new Int32Array(slots));
  }
}

function grown<T extends Float64Array | Int32Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
