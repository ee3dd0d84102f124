/**
 * Rebalance: plans moves that make the nodes' loads alike and, if asked to, begins an operation
 * that the leader carries out (`loops/moves-loop.ts`).
 */
import {
  allocatable,
  conflict,
  type Guest,
  isDone,
  isOpen,
  type MovableGuest,
  type NodeView,
  type Operation,
  planRebalance,
  RESOURCE_KINDS,
  type RebalanceEntry,
  type RebalancePlan,
  type Resources,
  recordKey,
  takenBy,
} from "@innkeeper/core";
import type { NodeViews } from "../loops/node-views.js";
import { type CommandContext, mutate } from "./command-context.js";
import { whyNotMovable } from "./migrate-guest.js";
import { movableOf } from "./movable-guest.js";
import { newOperation } from "./new-operation.js";

export interface RebalanceInput {
  /** At least 1. */
  readonly movesMax: number;
  /** See `RebalanceOptions`, in hundredths of a percent of one node's load. */
  readonly gainMinBasisPoints: number;
  /** Guests that moved within this time stay where they are. */
  readonly coolDownMs: number;
}

type Context = CommandContext & { readonly nodeViews: NodeViews };

/** Guests that are to be packed are left where they are. */
export function planRebalanceOf(
  context: Context,
  { movesMax, gainMinBasisPoints, coolDownMs }: RebalanceInput,
): RebalancePlan {
  const { mirror, nodeViews, ids } = context;
  const recent = movedSince(context, context.clock.nowMs() - coolDownMs);
  const guests = mirror
    .guests()
    .filter(({ uid }) => !recent.has(uid))
    .map((guest) => movableOf(mirror, guest))
    .filter((guest): guest is MovableGuest => guest !== undefined)
    .filter(({ request }) => nodeViews.policyOf(request) !== "pack");
  const options = { movesMax, gainMin: gainMinBasisPoints / 10_000, seed: ids.random32() };
  return nodeViews.within((placer) => planRebalance(placer, guests, options));
}

/** @returns the operation's id. @throws `conflict` (REBALANCING) while another one runs. */
export function rebalanceCluster(
  context: Context,
  input: RebalanceInput & { readonly requestId: string },
): Promise<string> {
  const { requestId, ...wanted } = input;
  return mutate(context, { id: requestId, body: { do: "rebalance", ...wanted } }, () => {
    refuseWhileRebalancing(context);
    const operation = newRebalance(context, planRebalanceOf(context, wanted));
    const key = recordKey("operation", operation.id);
    const transaction = {
      checks: [{ key, revision: "absent" as const }],
      puts: [{ key, value: operation }],
      deletes: [],
      counters: [],
    };
    return { transaction, answer: operation.id };
  });
}

/** Why a planned move would be wrong now; undefined = it helps. */
export function whyNoMove(
  { mirror, nodeViews }: Pick<Context, "mirror" | "nodeViews">,
  guest: Guest,
  { entry, needsGain }: { readonly entry: RebalanceEntry; readonly needsGain: boolean },
): string | undefined {
  const { fromNodeId, toNodeId } = entry;
  if (guest.status.placement?.nodeId !== fromNodeId) return `it is not on ${fromNodeId} any more`;
  if (guest.operationId !== "") return "another operation runs on it";
  const why = whyNotMovable({ mirror }, guest);
  if (why !== undefined || !needsGain) return why;
  const views = nodeViews.all();
  const [from, to] = [fromNodeId, toNodeId].map((id) => views.find(({ node }) => node.id === id));
  if (from === undefined || to === undefined) return `${toNodeId} is gone`;
  const isBetter = loadOf(to, takenBy(guest)) < loadOf(from);
  return isBetter ? undefined : `${toNodeId} would be as full as ${fromNodeId} is now`;
}

function loadOf({ node, allocated }: NodeView, more?: Resources): number {
  const limit = allocatable(node);
  const shares = RESOURCE_KINDS.filter((kind) => limit[kind] > 0).map(
    (kind) => (allocated[kind] + (more?.[kind] ?? 0)) / limit[kind],
  );
  return Math.max(0, ...shares);
}

function movedSince({ mirror }: Context, sinceMs: number): ReadonlySet<string> {
  const moves = mirror
    .operations()
    .filter(({ kind, updatedAtMs }) => kind === "migrate" && updatedAtMs >= sinceMs);
  return new Set(moves.map(({ guestUid }) => guestUid));
}

/** @throws `conflict` (REBALANCING). */
export function refuseWhileRebalancing({ mirror }: Pick<Context, "mirror">): void {
  const running = mirror
    .operations()
    .find((operation) => operation.rebalance !== undefined && !isDone(operation));
  if (running === undefined) return;
  const left = running.rebalance?.entries.filter(isOpen).length ?? 0;
  const message = `a rebalance runs already (${running.id}), ${left} moves are left`;
  throw conflict("REBALANCING", message, { operation: running.id, left: String(left) });
}

function newRebalance(context: Context, { moves }: RebalancePlan): Operation {
  const entries = moves.flatMap(({ guestUid, fromNodeId, toNodeId }) => {
    const guest = context.mirror.guestByUid(guestUid)?.value;
    if (guest === undefined) return [];
    const { id: guestId, projectId } = guest;
    const nothing = { operationId: "", attempts: 0, message: "" };
    return [
      { guestUid, guestId, projectId, fromNodeId, toNodeId, state: "waiting" as const, ...nothing },
    ];
  });
  return { ...newOperation(context, undefined, "rebalance"), rebalance: { entries } };
}
