/**
 * Which nodes have the labels that a request wants: worked out once for equal wishes, and again only
 * when nodes change.
 */
import type { PlacementRules } from "../domain/placement-rules.js";
import { TAINT_PREFIX } from "../domain/placement-rules.js";
import type { NodeSlots } from "./guest-counts.js";
import { areLabelsWanted } from "./label-filters.js";
import type { Wanted } from "./search.js";

/** Different wishes that are remembered. */
const WISHES_MAX = 1024;

export class LabelIndex {
  readonly #slots: NodeSlots;
  readonly #wanted = new Map<string, Wanted>();
  readonly #keys = new WeakMap<PlacementRules, string>();
  #attributesRevision = -1;
  #isTainted = false;

  constructor(slots: NodeSlots) {
    this.#slots = slots;
  }

  /** Undefined = every node will do. */
  of(rules: PlacementRules): Wanted | undefined {
    this.#follow();
    if (rules.where.length === 0 && !this.#isTainted) return undefined;
    const key = this.#keyOf(rules);
    const known = this.#wanted.get(key);
    if (known !== undefined) return known;
    if (this.#wanted.size >= WISHES_MAX) this.#wanted.clear();
    const fresh = this.#work(rules);
    this.#wanted.set(key, fresh);
    return fresh;
  }

  #follow(): void {
    const { attributesRevision, length } = this.#slots;
    if (this.#attributesRevision === attributesRevision) return;
    this.#attributesRevision = attributesRevision;
    this.#wanted.clear();
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

  #work(rules: PlacementRules): Wanted {
    const isWanted = new Uint8Array(this.#slots.length);
    for (let slot = 0; slot < isWanted.length; slot += 1) {
      const node = this.#slots.recordAt(slot);
      if (node !== undefined && areLabelsWanted(rules, node.labels)) isWanted[slot] = 1;
    }
    const slots = Int32Array.from(isWanted.keys()).filter((slot) => isWanted[slot] === 1);
    return { isWanted, slots };
  }
}
