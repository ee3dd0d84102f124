/** NodeService: what nodes there are, cordon and uncordon. */
import { notFound, parseName } from "@innkeeper/core";
import { unary } from "@innkeeper/core/platform";
import type { NodeServiceServer } from "@innkeeper/proto/innkeeper/v1/node_service";
import { cordonNode } from "../commands/cordon-node.js";
import type { Controller } from "../controller.js";
import { pageOf, parseRequestId } from "./parse-request.js";
import { nodeToProto } from "./record-codecs.js";

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
  };
}
