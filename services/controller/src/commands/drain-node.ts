/**
 * Drain: cordons a node and begins an operation that the leader carries out
 * (`loops/moves-loop.ts`). Planning one is the same search, without doing anything.
 */
import {
  conflict,
  evacuate,
  type Guest,
  isDone,
  MOVES_EACH_MAX,
  notFound,
  type Operation,
  placementsOf,
} from "@innkeeper/core";
import { movableGuests, whyBudgetAlwaysForbids } from "../loops/drain-route.js";
import type { NodeViews } from "../loops/node-views.js";
import { placementRequest } from "../loops/placement-request.js";
import { type CommandContext, mutate } from "./command-context.js";
import { cordonWith } from "./cordon-with.js";
import { abilityToMove, whyNotMovable } from "./migrate-guest.js";
import { newOperation } from "./new-operation.js";

export interface DrainNodeInput {
  readonly nodeId: string;
  /** Undefined = it never gives up. */
  readonly deadlineMs: number | undefined;
  readonly requestId: string;
}

/** @returns the operation's id. @throws `not-found`, `conflict` (NODE_DRAINING). */
export function drainNode(context: CommandContext, input: DrainNodeInput): Promise<string> {
  const { requestId, nodeId, deadlineMs } = input;
  const body = { do: "drain", nodeId, deadlineMs };
  return mutate(context, { id: requestId, body }, () => {
    const found = context.mirror.node(nodeId);
    if (found === undefined) throw notFound("node", nodeId);
    refuseWhileDraining(context, nodeId);
    const operation = newDrain(context, nodeId, deadlineMs);
    return cordonWith(operation, found, true);
  });
}

export interface PlannedMove {
  readonly guest: Guest;
  readonly fromNodeId: string;
  /** Empty when it cannot move. */
  readonly toNodeId: string;
  readonly blocker: string;
  /** By what moves took so far; undefined = none has ended, or it does not move. */
  readonly expectedMs: number | undefined;
}

type PlanContext = CommandContext & { readonly nodeViews: NodeViews };

/** Asked once, by somebody who waits for it. */
const QUESTIONS_MAX = 100_000;
const SEED = 1;

/**
 * In the order in which the moves are possible; guests of other nodes that make room are among
 * them. Who cannot move comes last. @throws `not-found`.
 */
export function planDrainOf(context: PlanContext, nodeId: string): readonly PlannedMove[] {
  const { mirror, nodeViews } = context;
  if (mirror.node(nodeId) === undefined) throw notFound("node", nodeId);
  const guests = movableGuests(context).filter(({ request }) => {
    const guest = mirror.guestByUid(request.guestUid)?.value;
    return guest !== undefined && whyBudgetAlwaysForbids(guest) === undefined;
  });
  const movesLeft = (uid: string): number => (isOn(mirror, uid, nodeId) ? 1 : MOVES_EACH_MAX);
  const options = { seed: SEED, questionsMax: QUESTIONS_MAX, movesLeft };
  const evacuation = nodeViews.within((placer) => evacuate(placer, nodeId, { guests, options }));
  const msPerMib = measuredMsPerMib(mirror);
  const moves = evacuation.moves.flatMap(({ guest, fromNodeId, toNodeId }) => {
    const found = mirror.guestByUid(guest.request.guestUid)?.value;
    if (found === undefined) return [];
    const expectedMs = msPerMib && Math.round(msPerMib * found.spec.resources.memoryMib);
    return [{ guest: found, fromNodeId, toNodeId, blocker: "", expectedMs }];
  });
  const going = new Set(moves.map(({ guest }) => guest.uid));
  const staying = mirror
    .guests()
    .filter((guest) => placementsOf(guest).some((each) => each.nodeId === nodeId))
    .filter(({ uid }) => !going.has(uid));
  return [...moves, ...staying.map((guest) => stays(context, guest, nodeId))];
}

function isOn(mirror: CommandContext["mirror"], guestUid: string, nodeId: string): boolean {
  return mirror.guestByUid(guestUid)?.value.status.placement?.nodeId === nodeId;
}

function stays(context: PlanContext, guest: Guest, nodeId: string): PlannedMove {
  const why = whyNotMovable(context, guest) ?? whyBudgetAlwaysForbids(guest);
  const blocker = why ?? whyNothingFits(context, guest, nodeId);
  return { guest, fromNodeId: nodeId, toNodeId: "", blocker, expectedMs: undefined };
}

function whyNothingFits(context: PlanContext, guest: Guest, nodeId: string): string {
  const ability = abilityToMove(context, guest);
  if (ability === undefined || guest.operationId !== "") return "another operation runs on it";
  const { mirror, nodeViews, ids } = context;
  const request = { ...placementRequest(guest, mirror), migratingFrom: { nodeId, ability } };
  const result = nodeViews.inTurn((turn) => turn.place(request, ids.random32()));
  if (result.isPlaced) return `room on ${result.decision.nodeId} goes to others`;
  const reasons = result.rejections.map((each) => `${each.nodeId}: ${each.message}`);
  return reasons.join("; ") || "there is no other node";
}

/** The middle of the migrations that have succeeded; undefined when there is none. */
function measuredMsPerMib(mirror: CommandContext["mirror"]): number | undefined {
  const rates = mirror
    .operations()
    .filter(({ kind, state }) => kind === "migrate" && state === "succeeded")
    .flatMap(({ guestUid, createdAtMs, updatedAtMs }) => {
      const guest = mirror.guestByUid(guestUid)?.value;
      return guest ? [(updatedAtMs - createdAtMs) / guest.spec.resources.memoryMib] : [];
    });
  return rates.sort((a, b) => a - b)[Math.floor(rates.length / 2)];
}

/** @throws `conflict` (NODE_DRAINING). */
export function refuseWhileDraining({ mirror }: CommandContext, nodeId: string): void {
  const running = mirror
    .operations()
    .find((operation) => operation.drain?.nodeId === nodeId && !isDone(operation));
  if (running === undefined) return;
  const message = `node "${nodeId}" is being drained already (${running.id})`;
  throw conflict("NODE_DRAINING", message, { node: nodeId, operation: running.id });
}

function newDrain(
  context: CommandContext,
  nodeId: string,
  deadlineMs: number | undefined,
): Operation {
  const operation = newOperation(context, undefined, "drain");
  const endsAtMs = deadlineMs === undefined ? undefined : operation.createdAtMs + deadlineMs;
  return { ...operation, drain: { nodeId, deadlineMs: endsAtMs, entries: [] } };
}
