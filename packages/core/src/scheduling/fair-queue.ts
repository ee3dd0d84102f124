/**
 * Guests that wait for a place, in the order in which they are asked.
 *
 * F1 The greatest priority first. Waiting raises it by one each minute: nobody starves.
 * F2 Of equal priority, the project that holds least of the cluster, counted by the resource of
 *    which it holds most (dominant resource fairness, Ghodsi et al., NSDI 2011). Each guest that is
 *    taken counts as held.
 * F3 Of one project, who has waited longest.
 */
import { addResources, RESOURCE_KINDS, type Resources } from "../domain/resources.js";

/** So long a wait is worth one step of priority. */
export const AGING_MS = 60_000;

export interface WaitingGuest {
  readonly guestUid: string;
  readonly projectId: string;
  readonly priority: number;
  /** Since when it has waited. */
  readonly sinceMs: number;
  readonly resources: Resources;
}

export interface FairShares {
  readonly nowMs: number;
  /** Of all nodes. */
  readonly total: Resources;
  readonly heldBy: (projectId: string) => Resources;
}

interface ProjectQueue {
  /** The next one last, when it is sorted. */
  readonly guests: WaitingGuest[];
  isSorted: boolean;
}

/** A project with its next guest, for one take. */
interface Head {
  readonly projectId: string;
  readonly queue: ProjectQueue;
  held: Resources;
  share: number;
}

export class FairQueue {
  readonly #projects = new Map<string, ProjectQueue>();
  readonly #uids = new Set<string>();

  get size(): number {
    return this.#uids.size;
  }

  /** Nothing changes for one that is in it. */
  add(guest: WaitingGuest): void {
    if (this.#uids.has(guest.guestUid)) return;
    this.#uids.add(guest.guestUid);
    const queue = this.#projects.get(guest.projectId) ?? { guests: [], isSorted: true };
    this.#projects.set(guest.projectId, queue);
    queue.guests.push(guest);
    queue.isSorted = false;
  }

  /** Takes out those whose turn it is, at most so many. */
  take(countMax: number, shares: FairShares): readonly WaitingGuest[] {
    const heads = [...this.#projects].map(([projectId, queue]) => {
      sort(queue);
      const held = shares.heldBy(projectId);
      return { projectId, queue, held, share: dominantShare(held, shares.total) };
    });
    const taken: WaitingGuest[] = [];
    while (taken.length < countMax && this.#uids.size > 0) {
      taken.push(this.#takeOne(heads, shares));
    }
    return taken;
  }

  #takeOne(heads: Head[], { nowMs, total }: FairShares): WaitingGuest {
    const first = heads.reduce((best, head) => (isBefore(head, best, nowMs) ? head : best));
    const guest = first.queue.guests.pop() as WaitingGuest;
    this.#uids.delete(guest.guestUid);
    first.held = addResources(first.held, guest.resources);
    first.share = dominantShare(first.held, total);
    if (first.queue.guests.length === 0) {
      this.#projects.delete(first.projectId);
      heads.splice(heads.indexOf(first), 1);
    }
    return guest;
  }
}

/** What counts now (F1). */
export function agedPriority(
  { priority, sinceMs }: Pick<WaitingGuest, "priority" | "sinceMs">,
  nowMs: number,
): number {
  return priority + Math.floor(Math.max(0, nowMs - sinceMs) / AGING_MS);
}

/** Share of the cluster that is held of the resource of which most is held; 0 to 1. */
export function dominantShare(held: Resources, total: Resources): number {
  return Math.max(...RESOURCE_KINDS.map((kind) => held[kind] / Math.max(1, total[kind])));
}

/** Within a project age and priority make an order that time does not change. */
function sort(queue: ProjectQueue): void {
  if (queue.isSorted) return;
  const rank = ({ priority, sinceMs }: WaitingGuest): number => priority * AGING_MS - sinceMs;
  queue.guests.sort((a, b) => rank(a) - rank(b) || (a.guestUid < b.guestUid ? 1 : -1));
  queue.isSorted = true;
}

function isBefore(left: Head, right: Head, nowMs: number): boolean {
  const [a, b] = [nextOf(left), nextOf(right)];
  const difference = agedPriority(a, nowMs) - agedPriority(b, nowMs);
  if (difference !== 0) return difference > 0;
  if (left.share !== right.share) return left.share < right.share;
  return a.sinceMs < b.sinceMs;
}

function nextOf({ queue }: Head): WaitingGuest {
  return queue.guests[queue.guests.length - 1] as WaitingGuest;
}
