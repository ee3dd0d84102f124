/** ClusterService: which release answers, who leads by epoch, and how much there is. */
import { unary } from "@innkeeper/core/platform";
import type { ClusterServiceServer } from "@innkeeper/proto/innkeeper/v1/cluster_service";
import type { Controller } from "../controller.js";

export const VERSION = "0.1.0";

export function clusterService(controller: Controller): ClusterServiceServer {
  const { mirror, config, log } = controller;
  return {
    getCluster: unary(log, () => {
      const nodes = mirror.nodes();
      return {
        version: VERSION,
        controllerId: config.controllerId,
        leaderEpoch: controller.leaderEpoch,
        revision: mirror.revision,
        nodesReady: nodes.filter((node) => node.state === "ready").length,
        nodesTotal: nodes.length,
        guestsTotal: mirror.guests().length,
      };
    }),
  };
}
