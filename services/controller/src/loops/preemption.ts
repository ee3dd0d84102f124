/**
 * Makes guests of lower priority leave for one that fits nowhere. Never silently: who leaves has
 * the reason in its status, who is waited for is named by the one that waits.
 *
 * M1 Nobody leaves for a guest that others are leaving for already.
 * M2 What is freed for a guest is for nobody of a lower priority: they would leave in turns for
 *    ever.
 * M3 No more guests of a group are down than their budgets allow.
 */
import {
  type DisruptionBudget,
  evicted,
  type Guest,
  guestKey,
  type PlacementRequest,
  type Preempting,
  type Transaction,
} from "@innkeeper/core";
import type { Mirror, Versioned } from "../mirror/mirror.js";
import type { PlacementTurn } from "./node-views.js";

/** Who leaves, for one turn of decisions. */
export class Preemption {
  readonly #leaving = new Set<string>();
  readonly #down = new Map<string, ReadonlySet<string>>();

  constructor(
    private readonly mirror: Mirror,
    /** Whether a node answers now: nobody can leave one that does not. */
    private readonly isReachable: (nodeId: string) => boolean,
  ) {}

  /** Some are leaving for it now. */
  isAwaited({ uid, status }: Guest): boolean {
    const { preempting } = status;
    if (preempting === undefined || !this.isReachable(preempting.nodeId)) return false;
    return preempting.victimUids.some((each) => {
      const victim = this.mirror.guestByUid(each)?.value;
      return victim?.status.eviction?.by.guestUid === uid;
    });
  }

  /** Whom it makes leave; undefined when that is not allowed or would not be enough. */
  choose(
    guest: Guest,
    { turn, request, seed }: { turn: PlacementTurn; request: PlacementRequest; seed: number },
  ): Preempting | undefined {
    const { priority = 0 } = guest.spec;
    const mayLeave = (uids: readonly string[]): boolean => this.#mayLeave(uids);
    const found = turn.preempt(request, { priority, mayLeave }, seed);
    for (const uid of found?.victimUids ?? []) this.#leaving.add(uid);
    return found;
  }

  /** What makes them leave. */
  evictions(guest: Guest, { victimUids }: Preempting, nowMs: number): Partial<Transaction> {
    const { uid: guestUid, projectId, id, spec } = guest;
    const by = { guestUid, name: `${projectId}/${id}`, priority: spec.priority ?? 0 };
    const victims = victimUids.map((uid) => this.mirror.guestByUid(uid) as Versioned<Guest>);
    return {
      checks: victims.map(({ value, revision }) => ({ key: guestKey(value), revision })),
      puts: victims.map(({ value }) => ({
        key: guestKey(value),
        value: { ...evicted(value, by), updatedAtMs: nowMs },
      })),
    };
  }

  #mayLeave(uids: readonly string[]): boolean {
    const guests = uids.map((uid) => this.mirror.guestByUid(uid)?.value);
    return guests.every(
      (guest) => guest !== undefined && this.#isFree(guest) && this.#isWithinBudget(guest, uids),
    );
  }

  #isFree({ uid, isDeleting, operationId, status }: Guest): boolean {
    const { migration, resize, eviction, phase } = status;
    const isChanging = migration !== undefined || resize !== undefined || eviction !== undefined;
    if (isDeleting || operationId !== "" || isChanging) return false;
    return phase !== "LOST" && !this.#leaving.has(uid);
  }

  #isWithinBudget({ projectId, spec }: Guest, uids: readonly string[]): boolean {
    const budget = spec.disruptionBudget;
    if (budget === undefined) return true;
    const down = new Set(this.#downIn(projectId, budget));
    for (const uid of [...uids, ...this.#leaving]) {
      const guest = this.mirror.guestByUid(uid)?.value;
      if (guest !== undefined && isOf(guest, projectId, budget)) down.add(uid);
    }
    return down.size <= budget.downMax;
  }

  #downIn(projectId: string, budget: DisruptionBudget): ReadonlySet<string> {
    const { key, value } = budget.guestLabel;
    const name = `${projectId} ${key}=${value}`;
    const known = this.#down.get(name);
    if (known !== undefined) return known;
    const group = this.mirror.guests().filter((each) => isOf(each, projectId, budget));
    const down = new Set(group.filter(isDown).map(({ uid }) => uid));
    this.#down.set(name, down);
    return down;
  }
}

function isOf(
  { projectId, labels }: Guest,
  ofProject: string,
  { guestLabel: { key, value } }: DisruptionBudget,
): boolean {
  return projectId === ofProject && Object.hasOwn(labels, key) && labels[key] === value;
}

function isDown({ status }: Guest): boolean {
  return status.phase !== "RUNNING" || status.eviction !== undefined;
}
