/** NodeService: what nodes there are, cordon and uncordon. */
import { notFound, parseName } from "@innkeeper/core";
import { unary } from "@innkeeper/core/platform";
import { durationOf, parseDurationMs } from "@innkeeper/core/wire";
import type { NodeServiceServer } from "@innkeeper/proto/innkeeper/v1/node_service";
import { cordonNode } from "../commands/cordon-node.js";
import { drainNode, planDrainOf } from "../commands/drain-node.js";
import { returnGuests } from "../commands/return-guests.js";
import type { Controller } from "../controller.js";
import { pageOf, parseRequestId } from "./parse-request.js";
import { nodeToProto, operationToProto } from "./record-codecs.js";

const DEADLINE = { min: 1000, max: 24 * 3_600_000, unset: 0 };

export function nodeService(controller: Controller): NodeServiceServer {
  const { log, mirror } = controller;
  const show = (id: string) => {
    const node = mirror.node(id);
    if (node === undefined) throw notFound("node", id);
    return { node: nodeToProto(node.value, mirror) };
  };
  const cordon = (isCordoned: boolean) =>
    unary(log, async (request: { nodeId: string; requestId: string }) =>
      show(
        await cordonNode(controller, {
          nodeId: parseName("node_id", request.nodeId),
          isCordoned,
          requestId: parseRequestId(request.requestId),
        }),
      ),
    );
  return {
    getNode: unary(log, ({ nodeId }) => show(parseName("node_id", nodeId))),
    listNodes: unary(log, (request) => {
      const { items, nextPageToken } = pageOf(mirror.nodes(), (node) => node.id, request);
      return { nodes: items.map((node) => nodeToProto(node, mirror)), nextPageToken };
    }),
    cordonNode: cordon(true),
    uncordonNode: cordon(false),
    drainNode: unary(log, async (request) => {
      const operationId = await drainNode(controller, {
        nodeId: parseName("node_id", request.nodeId),
        deadlineMs: request.deadline && parseDurationMs("deadline", request.deadline, DEADLINE),
        requestId: parseRequestId(request.requestId),
      });
      const operation = mirror.operation(operationId);
      if (operation === undefined) throw notFound("operation", operationId);
      return { operation: operationToProto(operation.value, mirror) };
    }),
    returnGuests: unary(log, async (request) => {
      const operationId = await returnGuests(controller, {
        nodeId: parseName("node_id", request.nodeId),
        requestId: parseRequestId(request.requestId),
      });
      const operation = mirror.operation(operationId);
      if (operation === undefined) throw notFound("operation", operationId);
      return { operation: operationToProto(operation.value, mirror) };
    }),
    planDrain: unary(log, ({ nodeId }) => {
      const planned = planDrainOf(controller, parseName("node_id", nodeId));
      return {
        moves: planned.map(({ guest, fromNodeId, toNodeId, blocker, expectedMs }) => ({
          projectId: guest.projectId,
          guestId: guest.id,
          memoryMib: guest.spec.resources.memoryMib,
          fromNodeId,
          toNodeId,
          blocker,
          expected: expectedMs === undefined ? undefined : durationOf(expectedMs),
        })),
      };
    }),
  };
}
