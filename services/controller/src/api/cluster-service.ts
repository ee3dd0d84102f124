/** ClusterService: which release answers, who leads by epoch, how much there is; rebalancing. */
import { notFound, type RebalanceMove } from "@innkeeper/core";
import { unary } from "@innkeeper/core/platform";
import { durationOf, parseDurationMs, parseInteger } from "@innkeeper/core/wire";
import type {
  ClusterServiceServer,
  GetPlacementQueueResponse,
  RebalanceLimits,
} from "@innkeeper/proto/innkeeper/v1/cluster_service";
import { placementQueue, type QueueOfGuests } from "../commands/placement-queue.js";
import { planRebalanceOf, type RebalanceInput, rebalanceCluster } from "../commands/rebalance.js";
import type { Controller } from "../controller.js";
import { parseRequestId } from "./parse-request.js";
import { operationToProto } from "./record-codecs.js";

const QUEUED_GUESTS = 50;
const MOVES_MAX = 20;
const GAIN_MIN_BASIS_POINTS = 100;
const COOL_DOWN = { min: 0, max: 24 * 3_600_000, unset: 600_000 };

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
    getPlacementQueue: unary(log, (request) => {
      const asked = parseInteger("guests_max", request.guestsMax, { min: 0, max: 1000 });
      return queueToProto(placementQueue(controller, asked || QUEUED_GUESTS));
    }),
    planRebalance: unary(log, ({ limits }) => {
      const { imbalance, moves } = planRebalanceOf(controller, parseLimits(limits));
      return { imbalanceBasisPoints: basisPoints(imbalance), moves: moves.flatMap(shown) };
    }),
    rebalanceCluster: unary(log, async ({ limits, requestId }) => {
      const wanted = { ...parseLimits(limits), requestId: parseRequestId(requestId) };
      const operationId = await rebalanceCluster(controller, wanted);
      const operation = mirror.operation(operationId);
      if (operation === undefined) throw notFound("operation", operationId);
      return { operation: operationToProto(operation.value, mirror) };
    }),
  };

  function shown({ guestUid, fromNodeId, toNodeId, imbalance }: RebalanceMove) {
    const guest = mirror.guestByUid(guestUid)?.value;
    if (guest === undefined) return [];
    const { projectId, id: guestId, spec } = guest;
    const { memoryMib } = spec.resources;
    const after = { imbalanceBasisPoints: basisPoints(imbalance) };
    return [{ projectId, guestId, memoryMib, fromNodeId, toNodeId, ...after }];
  }
}

function queueToProto({ guestCount, projects, guests }: QueueOfGuests): GetPlacementQueueResponse {
  const waits = projects.map(({ longestWaitMs }) => longestWaitMs);
  return {
    guestsWaiting: guestCount,
    longestWait: waits.length === 0 ? undefined : durationOf(Math.max(...waits)),
    projects: projects.map((each) => ({
      projectId: each.projectId,
      guestsWaiting: each.guestCount,
      shareBasisPoints: basisPoints(each.share),
      longestWait: durationOf(each.longestWaitMs),
    })),
    guests: guests.map(({ guest, agedPriority, waitedMs }) => ({
      projectId: guest.projectId,
      guestId: guest.id,
      priority: guest.spec.priority ?? 0,
      agedPriority,
      waited: durationOf(waitedMs),
      message: guest.status.message,
    })),
  };
}

function parseLimits(limits: RebalanceLimits | undefined): RebalanceInput {
  const { movesMax = 0, gainMinBasisPoints = 0, coolDown } = limits ?? {};
  return {
    movesMax: parseInteger("limits.moves_max", movesMax, { min: 0, max: 1000 }) || MOVES_MAX,
    gainMinBasisPoints:
      parseInteger("limits.gain_min_basis_points", gainMinBasisPoints, { min: 0, max: 10_000 }) ||
      GAIN_MIN_BASIS_POINTS,
    coolDownMs: parseDurationMs("limits.cool_down", coolDown, COOL_DOWN),
  };
}

function basisPoints(share: number): number {
  return Math.round(share * 10_000);
}
