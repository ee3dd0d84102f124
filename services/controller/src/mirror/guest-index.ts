/** The guests of the mirror by what is asked for: uid, gang, node. */
import { type Guest, placementsOf, type RecordKey } from "@innkeeper/core";

const NONE: ReadonlySet<string> = new Set();

export class GuestIndex {
  readonly #keys = new Map<string, RecordKey>();
  readonly #gangs = new Map<string, Set<string>>();
  readonly #nodes = new Map<string, Set<string>>();
  /** Uids of those that hold nothing of any node. */
  readonly withoutPlace = new Set<string>();

  keyOf(uid: string): RecordKey | undefined {
    return this.#keys.get(uid);
  }

  inGang(gangId: string): ReadonlySet<string> {
    return this.#gangs.get(gangId) ?? NONE;
  }

  onNode(nodeId: string): ReadonlySet<string> {
    return this.#nodes.get(nodeId) ?? NONE;
  }

  add(key: RecordKey, guest: Guest): void {
    const { uid, gangId } = guest;
    const places = placementsOf(guest);
    this.#keys.set(uid, key);
    if (gangId !== undefined) put(this.#gangs, gangId, uid);
    for (const { nodeId } of places) put(this.#nodes, nodeId, uid);
    if (places.length === 0) this.withoutPlace.add(uid);
  }

  remove(guest: Guest): void {
    const { uid, gangId } = guest;
    this.#keys.delete(uid);
    if (gangId !== undefined) take(this.#gangs, gangId, uid);
    for (const { nodeId } of placementsOf(guest)) take(this.#nodes, nodeId, uid);
    this.withoutPlace.delete(uid);
  }
}

function put(sets: Map<string, Set<string>>, id: string, member: string): void {
  const known = sets.get(id);
  if (known === undefined) sets.set(id, new Set([member]));
  else known.add(member);
}

function take(sets: Map<string, Set<string>>, id: string, member: string): void {
  const known = sets.get(id);
  known?.delete(member);
  if (known?.size === 0) sets.delete(id);
}
