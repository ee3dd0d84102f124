/**
 * Brings guests home after a drain: lets the node take guests again and begins an operation that
 * moves those back which are still where the drain moved them. The leader carries it out as it does
 * a rebalance, but a move needs no gain.
 */
import {
  type DrainEntry,
  isDone,
  notFound,
  type Operation,
  precondition,
  type RebalanceEntry,
} from "@innkeeper/core";
import { type CommandContext, mutate } from "./command-context.js";
import { cordonWith } from "./cordon-with.js";
import { refuseWhileDraining } from "./drain-node.js";
import { newOperation } from "./new-operation.js";
import { refuseWhileRebalancing } from "./rebalance.js";

/**
 * @returns the operation's id.
 * @throws `not-found`, `precondition` (NO_DRAIN), `conflict` (NODE_DRAINING, REBALANCING).
 */
export function returnGuests(
  context: CommandContext,
  { nodeId, requestId }: { readonly nodeId: string; readonly requestId: string },
): Promise<string> {
  return mutate(context, { id: requestId, body: { do: "return", nodeId } }, () => {
    const found = context.mirror.node(nodeId);
    if (found === undefined) throw notFound("node", nodeId);
    refuseWhileDraining(context, nodeId);
    refuseWhileRebalancing(context);
    const entries = homewards(context, newestDrain(context, nodeId), nodeId);
    const operation = { ...newOperation(context, undefined, "return"), rebalance: { entries } };
    return cordonWith(operation, found, false);
  });
}

function newestDrain({ mirror }: CommandContext, nodeId: string): Operation {
  const drains = mirror
    .operations()
    .filter((each) => each.drain?.nodeId === nodeId && isDone(each))
    .sort((left, right) => right.createdAtMs - left.createdAtMs);
  const [newest] = drains;
  if (newest !== undefined) return newest;
  const message = `no drain of node "${nodeId}" is known, so nobody is to come home`;
  throw precondition("NO_DRAIN", message, { node: nodeId });
}

function homewards(
  { mirror }: CommandContext,
  { drain }: Operation,
  nodeId: string,
): readonly RebalanceEntry[] {
  const moved = (drain?.entries ?? []).filter(
    ({ state, isAside }) => state === "moved" && !isAside,
  );
  const isStillThere = ({ guestUid, toNodeId }: DrainEntry): boolean =>
    mirror.guestByUid(guestUid)?.value.status.placement?.nodeId === toNodeId;
  return moved.filter(isStillThere).map((entry) => ({
    ...entry,
    state: "waiting",
    fromNodeId: entry.toNodeId,
    toNodeId: nodeId,
    operationId: "",
    attempts: 0,
    message: "",
  }));
}
