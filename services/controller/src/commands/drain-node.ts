/**
 * Drain: cordons a node and begins an operation that the leader carries out
 * (`loops/moves-loop.ts`). Planning one is the same question asked for all guests in a row, without
 * doing anything.
 */
import {
  conflict,
  type Guest,
  isDone,
  notFound,
  type Operation,
  placementsOf,
  recordKey,
} from "@innkeeper/core";
import type { NodeViews } from "../loops/node-views.js";
import { placementRequest } from "../loops/placement-request.js";
import { type CommandContext, mutate } from "./command-context.js";
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
    refuseSecond(context, nodeId);
    const operation = newDrain(context, nodeId, deadlineMs);
    const nodeKey = recordKey("node", nodeId);
    const node = { ...found.value, isCordoned: true, updatedAtMs: operation.createdAtMs };
    return {
      transaction: {
        checks: [{ key: nodeKey, revision: found.revision }],
        puts: [
          { key: nodeKey, value: node },
          { key: recordKey("operation", operation.id), value: operation },
        ],
        deletes: [],
        counters: [],
      },
      answer: operation.id,
    };
  });
}

export interface PlannedMove {
  readonly guest: Guest;
  /** Empty when it cannot move. */
  readonly toNodeId: string;
  readonly blocker: string;
}

/** Largest first, each counting with those before. @throws `not-found`. */
export function planDrainOf(
  context: CommandContext & { readonly nodeViews: NodeViews },
  nodeId: string,
): readonly PlannedMove[] {
  const { mirror, nodeViews, ids } = context;
  if (mirror.node(nodeId) === undefined) throw notFound("node", nodeId);
  const guests = mirror
    .guests()
    .filter((guest) => placementsOf(guest).some((each) => each.nodeId === nodeId))
    .sort((left, right) => right.spec.resources.memoryMib - left.spec.resources.memoryMib);
  return nodeViews.inTurn((turn) =>
    guests.map((guest) => {
      const ability = abilityToMove(context, guest);
      const why = whyNotMovable(context, guest);
      if (why !== undefined || !ability) return { guest, toNodeId: "", blocker: why ?? "" };
      const migratingFrom = { nodeId, ability };
      const request = { ...placementRequest(guest, mirror), migratingFrom };
      const result = turn.place(request, ids.random32());
      if (!result.isPlaced) {
        const reasons = result.rejections.map((each) => `${each.nodeId}: ${each.message}`);
        return { guest, toNodeId: "", blocker: reasons.join("; ") || "there is no other node" };
      }
      turn.take(request, result.decision.nodeId);
      return { guest, toNodeId: result.decision.nodeId, blocker: "" };
    }),
  );
}

function refuseSecond({ mirror }: CommandContext, nodeId: string): void {
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
