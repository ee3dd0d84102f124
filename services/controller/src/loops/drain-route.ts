/**
 * The moves that empty a node, worked out from the cluster as it is whenever one can begin: no plan
 * is kept, so any leader goes on, and nothing is done for a plan that has become wrong.
 */
import {
  type Clock,
  type DrainMove,
  type Evacuation,
  evacuate,
  type Guest,
  MOVES_EACH_MAX,
  type MovableGuest,
  type Operation,
} from "@innkeeper/core";
import { movableOf } from "../commands/movable-guest.js";
import type { Mirror } from "../mirror/mirror.js";
import type { NodeViews } from "./node-views.js";

/** The search asks so often at most whether a move is legal: some tenths of a second. */
const QUESTIONS_MAX = 20_000;
/** Pause after a search that found nothing. */
const SEARCH_AGAIN_MS = 5_000;
const SEED = 1;

interface Context {
  readonly mirror: Mirror;
  readonly nodeViews: NodeViews;
  readonly clock: Pick<Clock, "monotonicMs">;
}

export class DrainRoutes {
  /** When a search for the drain may run again. */
  readonly #notBeforeMs = new Map<string, number>();

  constructor(private readonly context: Context) {}

  /** @param ready those that may begin; others on the node are busy, moving, or must wait */
  next(operation: Operation, ready: ReadonlySet<string>): readonly DrainMove[] {
    const nodeId = operation.drain?.nodeId ?? "";
    const movable = movableGuests(this.context);
    const isReady = ({ request }: MovableGuest): boolean => ready.has(request.guestUid);
    const direct = this.#evacuate(nodeId, movable.filter(isReady), 0);
    if (direct.stuck.length === 0 || !this.#maySearch(operation)) return this.#told(direct);
    const known = new Map(operation.drain?.entries.map((each) => [each.guestUid, each]));
    const others = movable.filter(
      ({ request }) => request.migratingFrom.nodeId !== nodeId && mayMoveAside(known, request),
    );
    const found = this.#evacuate(nodeId, [...movable.filter(isReady), ...others], QUESTIONS_MAX);
    if (found.stuck.length > 0) {
      this.#notBeforeMs.set(operation.id, this.context.clock.monotonicMs() + SEARCH_AGAIN_MS);
    }
    return this.#told(found);
  }

  #evacuate(nodeId: string, guests: readonly MovableGuest[], questionsMax: number): Evacuation {
    // Each of the node moves once: when it is away it is no business of the drain any more.
    const movesLeft = (uid: string): number => this.#movesLeft(uid, nodeId);
    const options = { seed: SEED, questionsMax, movesLeft };
    return this.context.nodeViews.within((placer) => evacuate(placer, nodeId, { guests, options }));
  }

  #movesLeft(guestUid: string, nodeId: string): number {
    const guest = this.context.mirror.guestByUid(guestUid)?.value;
    return guest?.status.placement?.nodeId === nodeId ? 1 : MOVES_EACH_MAX;
  }

  /** While something moves, room is held twice: it looks fuller than it will be. */
  #maySearch({ id, drain }: Operation): boolean {
    const isMoving = drain?.entries.some(({ state }) => state === "moving") === true;
    return !isMoving && this.context.clock.monotonicMs() >= (this.#notBeforeMs.get(id) ?? 0);
  }

  /** Who finds no way is tried all the same, and learns why. */
  #told({ moves, stuck }: Evacuation): readonly DrainMove[] {
    const steps = [
      ...moves.map(({ guest, toNodeId }) => ({ uid: guest.request.guestUid, toNodeId })),
      ...stuck.map(({ request }) => ({ uid: request.guestUid, toNodeId: "" })),
    ];
    return steps.flatMap(({ uid, toNodeId }) => {
      const guest = this.context.mirror.guestByUid(uid)?.value;
      return guest === undefined ? [] : [{ guest, toNodeId }];
    });
  }
}

/** Those of the ledger were counted already. */
function mayMoveAside(
  known: ReadonlyMap<string, { readonly attempts: number; readonly isAside?: true }>,
  { guestUid }: MovableGuest["request"],
): boolean {
  const entry = known.get(guestUid);
  return entry === undefined || (entry.isAside === true && entry.attempts < MOVES_EACH_MAX);
}

export function movableGuests({ mirror }: Pick<Context, "mirror">): readonly MovableGuest[] {
  return mirror
    .guests()
    .map((guest) => movableOf(mirror, guest))
    .filter((guest) => guest !== undefined);
}

/** Why a guest's group would have too many down or moving; undefined = it may move. */
export function whyBudgetForbids(mirror: Mirror, guest: Guest): string | undefined {
  const { disruptionBudget: budget } = guest.spec;
  if (budget === undefined) return undefined;
  const { downMax, guestLabel } = budget;
  const { key, value } = guestLabel;
  const away = mirror
    .guests()
    .filter(({ uid, projectId }) => uid !== guest.uid && projectId === guest.projectId)
    .filter(({ labels }) => Object.hasOwn(labels, key) && labels[key] === value)
    .filter(({ status }) => status.phase !== "RUNNING" || status.eviction !== undefined).length;
  const isOwn = guest.labels[key] === value ? 1 : 0;
  if (away + isOwn <= downMax) return undefined;
  const others = `${away} others of ${key}=${value} are down or moving`;
  return `its budget is ${downMax}, and ${others}`;
}

/** A budget of none: nobody of the group ever moves. */
export function whyBudgetAlwaysForbids({ labels, spec }: Guest): string | undefined {
  const { disruptionBudget: budget } = spec;
  if (budget === undefined || budget.downMax > 0) return undefined;
  const { key, value } = budget.guestLabel;
  return labels[key] === value ? `its budget lets none of ${key}=${value} move` : undefined;
}
