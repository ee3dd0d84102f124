/**
 * Which nodes have the labels that a request wants: worked out once for equal wishes, and again
 * only when nodes change.
 */
import type { PlacementRules } from "../domain/placement-rules.js";
import { TAINT_PREFIX } from "../domain/placement-rules.js";
import { areLabelsWanted } from "./label-filters.js";
import { NodePool } from "./node-pool.js";
import type { NodeTable } from "./node-table.js";

/** Different wishes that are remembered. */
const WISHES_MAX = 1024;
/** Wishes with tournaments of their own: each change of a node is told to all of them. */
const BUILT_MAX = 32;
/** So few nodes are looked at one by one faster than in a tournament. */
const FEW = 16;

export class LabelIndex {
  readonly #slots: NodeTable;
  readonly #wanted = new Map<string, NodePool>();
  readonly #keys = new WeakMap<PlacementRules, string>();
  #attributesRevision = -1;
  #isTainted = false;
  #built: NodePool[] = [];
  #changes = 0;

  constructor(slots: NodeTable) {
    this.#slots = slots;
    slots.onChange = (slot) => {
      this.#changes += 1;
      for (let index = 0; index < this.#built.length; index += 1) this.#built[index]?.update(slot);
    };
  }

  /** Undefined = every node will do. */
  of(rules: PlacementRules): NodePool | undefined {
    this.#follow();
    if (rules.where.length === 0 && !this.#isTainted) return undefined;
    const pool = this.#poolOf(rules);
    if (!pool.isBuilt && this.#isWorthwhile(pool)) {
      pool.build();
      this.#built.push(pool);
    }
    pool.askedAt = this.#changes;
    return pool;
  }

  #poolOf(rules: PlacementRules): NodePool {
    const key = this.#keyOf(rules);
    const known = this.#wanted.get(key);
    if (known !== undefined) return known;
    if (this.#wanted.size >= WISHES_MAX) this.#forget();
    const pool = this.#sameOrNew(this.#work(rules));
    this.#wanted.set(key, pool);
    return pool;
  }

  /** Wishes that allow the same nodes share a pool. */
  #sameOrNew(fresh: NodePool): NodePool {
    for (const known of new Set(this.#wanted.values())) {
      if (known.isWanted.every((each, slot) => each === fresh.isWanted[slot])) return known;
    }
    return fresh;
  }

  #forget(): void {
    this.#wanted.clear();
    this.#built = [];
  }

  /** Asked for again before as many changes as it has nodes, and there is room. */
  #isWorthwhile({ slots, askedAt }: NodePool): boolean {
    if (slots.length <= FEW || this.#changes - askedAt > slots.length) return false;
    if (this.#built.length >= BUILT_MAX) this.#dropOne();
    return this.#built.length < BUILT_MAX;
  }

  /** The one that was asked for longest ago, if that is long enough. */
  #dropOne(): void {
    const oldest = this.#built.reduce((a, b) => (a.askedAt <= b.askedAt ? a : b));
    if (this.#changes - oldest.askedAt <= oldest.slots.length) return;
    oldest.drop();
    this.#built = this.#built.filter((each) => each !== oldest);
  }

  #follow(): void {
    const { attributesRevision, length } = this.#slots;
    if (this.#attributesRevision === attributesRevision) return;
    this.#attributesRevision = attributesRevision;
    this.#forget();
    this.#isTainted = false;
    for (let slot = 0; slot < length && !this.#isTainted; slot += 1) {
      const labels = this.#slots.recordAt(slot)?.labels ?? {};
      this.#isTainted = Object.keys(labels).some((key) => key.startsWith(TAINT_PREFIX));
    }
  }

  #keyOf(rules: PlacementRules): string {
    const known = this.#keys.get(rules);
    if (known !== undefined) return known;
    const key = JSON.stringify([rules.where, rules.tolerations]);
    this.#keys.set(rules, key);
    return key;
  }

  #work(rules: PlacementRules): NodePool {
    const isWanted = new Uint8Array(this.#slots.length);
    for (let slot = 0; slot < isWanted.length; slot += 1) {
      const node = this.#slots.recordAt(slot);
      if (node !== undefined && areLabelsWanted(rules, node.labels)) isWanted[slot] = 1;
    }
    return new NodePool(this.#slots, isWanted);
  }
}
