/** Who waits for a place, and in which order they are asked. */
import {
  agedPriority,
  dominantShare,
  FairQueue,
  type FairShares,
  type Guest,
  type WaitingGuest,
} from "@innkeeper/core";
import type { NodeViews } from "../loops/node-views.js";
import { needsPlace, waitingGuest } from "../loops/placement-status.js";
import type { CommandContext } from "./command-context.js";

type Context = Pick<CommandContext, "mirror" | "clock"> & { readonly nodeViews: NodeViews };

export interface QueuedGuest {
  readonly guest: Guest;
  readonly agedPriority: number;
  readonly waitedMs: number;
}

export interface QueuedProject {
  readonly projectId: string;
  readonly guestCount: number;
  /** Of the cluster, 0 to 1. */
  readonly share: number;
  readonly longestWaitMs: number;
}

export interface QueueOfGuests {
  readonly guestCount: number;
  readonly projects: readonly QueuedProject[];
  /** In their order. */
  readonly guests: readonly QueuedGuest[];
}

export function placementQueue(context: Context, guestsMax: number): QueueOfGuests {
  const { mirror, clock, nodeViews } = context;
  const nowMs = clock.nowMs();
  const queue = new FairQueue();
  const waiting = [...mirror.guestsWithoutPlace()]
    .map((uid) => mirror.guestByUid(uid)?.value)
    .filter((guest) => guest !== undefined)
    .filter(needsPlace)
    .map(waitingGuest);
  for (const guest of waiting) queue.add(guest);
  const shares = nodeViews.shares(nowMs);
  const guests = queue.take(guestsMax, shares).flatMap((each) => {
    const guest = mirror.guestByUid(each.guestUid)?.value;
    if (guest === undefined) return [];
    return [{ guest, agedPriority: agedPriority(each, nowMs), waitedMs: waitedMs(each, nowMs) }];
  });
  return { guestCount: waiting.length, projects: projectsOf(waiting, shares), guests };
}

function projectsOf(waiting: readonly WaitingGuest[], shares: FairShares): QueuedProject[] {
  const { nowMs, total, heldBy } = shares;
  const ids = [...new Set(waiting.map(({ projectId }) => projectId))].sort();
  return ids.map((projectId) => {
    const own = waiting.filter((each) => each.projectId === projectId);
    const longestWaitMs = own.reduce((most, each) => Math.max(most, waitedMs(each, nowMs)), 0);
    const share = dominantShare(heldBy(projectId), total);
    return { projectId, guestCount: own.length, share, longestWaitMs };
  });
}

function waitedMs({ sinceMs }: WaitingGuest, nowMs: number): number {
  return Math.max(0, nowMs - sinceMs);
}
