/**
 * Counts of guests by label and place, kept as guests come and go: a rule is looked up, not
 * counted.
 *
 * K1 What is kept per node is the truth; counts per place follow from it and are made again when
 *    nodes change.
 */
import type { Labels } from "../domain/names.js";
import type { NodeRecord } from "../domain/node.js";
import type { GroupMember, GroupRule } from "../domain/placement-rules.js";
import { type GroupCounts, placeOf } from "./group-rules.js";

/** What the counts must know of the table of nodes. */
export interface NodeSlots {
  readonly length: number;
  readonly attributesRevision: number;
  readonly isOpen: Uint8Array;
  slotOf(nodeId: string): number | undefined;
  recordAt(slot: number): NodeRecord | undefined;
}

/** Guests of one project with one label. */
interface Group {
  readonly byNode: Map<string, number>;
  readonly byTopology: Map<string, PlaceCounts>;
}

/** Numbers of guests by place; places without one are absent. */
interface PlaceCounts {
  readonly attributesRevision: number;
  readonly counts: Map<number, number>;
}

interface Topology {
  readonly attributesRevision: number;
  /** Place of each slot. */
  readonly placeAt: Int32Array;
  /** Places with a node that takes guests. */
  readonly open: ReadonlySet<number>;
}

export class GuestCounts {
  readonly #slots: NodeSlots;
  readonly #groups = new Map<string, Group>();
  readonly #topologies = new Map<string, Topology>();
  /** Groups of a guest's labels, remembered by the very object. */
  readonly #known = new WeakMap<Labels, { projectId: string; groups: readonly Group[] }>();

  /** The same for rules. */
  readonly #byRule = new WeakMap<GroupRule, { projectId: string; group: Group }>();

  constructor(slots: NodeSlots) {
    this.#slots = slots;
  }

  add(nodeId: string, member: Omit<GroupMember, "guestUid">): void {
    for (const group of this.#groupsOf(member)) this.#count(group, nodeId, 1);
  }

  remove(nodeId: string, member: Omit<GroupMember, "guestUid">): void {
    for (const group of this.#groupsOf(member)) this.#count(group, nodeId, -1);
  }

  /** The rule's guests by place. */
  of(projectId: string, rule: GroupRule): ReadonlyMap<number, number> {
    const known = this.#byRule.get(rule);
    if (known?.projectId === projectId) return this.#countsIn(known.group, rule.topology).counts;
    const { key, value } = rule.guestLabel;
    const group = this.#group(projectId, key, value);
    this.#byRule.set(rule, { projectId, group });
    return this.#countsIn(group, rule.topology).counts;
  }

  placesOf(topology: string): Int32Array {
    return this.#topology(topology).placeAt;
  }

  fewest(projectId: string, rule: GroupRule): number {
    const { open } = this.#topology(rule.topology);
    const counts = this.of(projectId, rule);
    if (open.size === 0 || counts.size < open.size) return 0;
    let fewest = Number.POSITIVE_INFINITY;
    for (const place of open) fewest = Math.min(fewest, counts.get(place) ?? 0);
    return fewest;
  }

  /** For explanations. */
  countsFor(projectId: string): GroupCounts {
    return {
      fewest: (rule) => this.fewest(projectId, rule),
      inPlaceOf: (rule, { id }) => {
        const slot = this.#slots.slotOf(id);
        const place = slot === undefined ? undefined : this.placesOf(rule.topology)[slot];
        return place === undefined ? 0 : (this.of(projectId, rule).get(place) ?? 0);
      },
    };
  }

  #count(group: Group, nodeId: string, sign: 1 | -1): void {
    add(group.byNode, nodeId, sign);
    if (group.byTopology.size === 0) return;
    const slot = this.#slots.slotOf(nodeId);
    for (const [topology, { attributesRevision, counts }] of group.byTopology) {
      if (attributesRevision !== this.#slots.attributesRevision || slot === undefined) continue;
      add(counts, this.#topology(topology).placeAt[slot] as number, sign);
    }
  }

  #countsIn(group: Group, topology: string): PlaceCounts {
    const { attributesRevision } = this.#slots;
    const known = group.byTopology.get(topology);
    if (known?.attributesRevision === attributesRevision) return known;
    const counts = new Map<number, number>();
    const { placeAt } = this.#topology(topology);
    for (const [nodeId, count] of group.byNode) {
      const slot = this.#slots.slotOf(nodeId);
      if (slot !== undefined) add(counts, placeAt[slot] as number, count);
    }
    const fresh = { attributesRevision, counts };
    group.byTopology.set(topology, fresh);
    return fresh;
  }

  #topology(key: string): Topology {
    const { attributesRevision, length, isOpen } = this.#slots;
    const known = this.#topologies.get(key);
    if (known?.attributesRevision === attributesRevision) return known;
    const ids = new Map<string, number>();
    const open = new Set<number>();
    const placeAt = new Int32Array(length);
    for (let slot = 0; slot < length; slot += 1) {
      const node = this.#slots.recordAt(slot);
      if (node === undefined) continue;
      const place = numbered(ids, placeOf(key, node));
      placeAt[slot] = place;
      if (isOpen[slot] === 1) open.add(place);
    }
    const fresh = { attributesRevision, placeAt, open };
    this.#topologies.set(key, fresh);
    return fresh;
  }

  #groupsOf({ projectId, labels }: Omit<GroupMember, "guestUid">): readonly Group[] {
    const known = this.#known.get(labels);
    if (known?.projectId === projectId) return known.groups;
    const groups = Object.entries(labels).map(([key, value]) => this.#group(projectId, key, value));
    this.#known.set(labels, { projectId, groups });
    return groups;
  }

  #group(projectId: string, key: string, value: string): Group {
    const id = groupKey(projectId, key, value);
    const group = this.#groups.get(id) ?? { byNode: new Map(), byTopology: new Map() };
    this.#groups.set(id, group);
    return group;
  }
}

function groupKey(projectId: string, key: string, value: string): string {
  return `${projectId} ${key}=${value}`;
}

function numbered(ids: Map<string, number>, name: string): number {
  const id = ids.get(name) ?? ids.size;
  ids.set(name, id);
  return id;
}

/** A count of zero is not kept. */
function add<K>(counts: Map<K, number>, key: K, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
