/**
 * The nodes whose labels one wish allows. While it is asked for often it has tournaments of its
 * own, so nodes outside never stand in the way; otherwise its nodes are looked at one by one.
 */
import { NodeClass, type NodeColumns } from "./node-class.js";

/** What a pool is made from. */
export interface PooledTable extends NodeColumns {
  readonly classes: readonly NodeClass[];
  readonly classOf: Int32Array;
}

export class NodePool {
  readonly isWanted: Uint8Array;
  readonly slots: Int32Array;
  /** Empty while it has no tournaments. */
  classes: NodeClass[] = [];
  columns: NodeColumns;
  /** Count of all changes when it was last asked for. */
  askedAt = Number.NEGATIVE_INFINITY;
  readonly #table: PooledTable;
  #classAt: (NodeClass | undefined)[] = [];

  constructor(table: PooledTable, isWanted: Uint8Array) {
    this.#table = table;
    this.columns = table;
    this.isWanted = isWanted;
    this.slots = Int32Array.from(isWanted.keys()).filter((slot) => isWanted[slot] === 1);
  }

  get isBuilt(): boolean {
    return this.classes.length > 0;
  }

  build(): void {
    const { classes, classOf, free, ring, isOpen } = this.#table;
    this.columns = { free, ring, isOpen, leaf: new Int32Array(this.isWanted.length) };
    this.#classAt = [];
    for (const slot of this.slots) {
      const index = classOf[slot] as number;
      const { example } = classes[index] as NodeClass;
      const pooled = this.#classAt[index] ?? new NodeClass(index, example);
      this.#classAt[index] = pooled;
      pooled.add(slot);
    }
    this.classes = this.#classAt.filter((each) => each !== undefined);
  }

  drop(): void {
    this.classes = [];
    this.#classAt = [];
  }

  update(slot: number): void {
    if (this.isWanted[slot] !== 1) return;
    this.#classAt[this.#table.classOf[slot] as number]?.update(slot, this.columns);
  }
}
