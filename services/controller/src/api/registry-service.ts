/** The private service that agents call. */
import type { Metadata } from "@grpc/grpc-js";
import { parseName } from "@innkeeper/core";
import { serverStream, unary } from "@innkeeper/core/platform";
import {
  parseInteger,
  parseIntroduction,
  parseNodeReport,
  parseSha256,
} from "@innkeeper/core/wire";
import type { RegistryServiceServer } from "@innkeeper/proto/innkeeper/agent/v1/registry_service";
import type { Controller } from "../controller.js";
import type { BlobReplicator } from "../peers/blob-replicator.js";
import { isPassedOn, type PeerControllers } from "../peers/peer-controllers.js";

const OFFSET = { min: 0, max: Number.MAX_SAFE_INTEGER };

/** The other controllers; without them this one is alone. */
export interface RegistryPeers {
  readonly peers: Pick<PeerControllers, "join" | "report">;
  readonly replicator: Pick<BlobReplicator, "fetch">;
}

/** A controller that does not lead passes on to the one that does, once. */
export function registryService(
  controller: Controller,
  others: RegistryPeers | undefined,
): RegistryServiceServer {
  const { log } = controller;
  const leaderFor = (metadata: Metadata) => {
    const mayPassOn = controller.leaderEpoch === 0 && !isPassedOn(metadata);
    return mayPassOn ? others?.peers : undefined;
  };
  return {
    joinNode: unary(log, async (request, metadata) => {
      const node = parseIntroduction(request);
      const leader = leaderFor(metadata);
      if (leader) return await leader.join(request);
      await controller.join(node);
      return {};
    }),
    reportNode: unary(log, async (request, metadata) => {
      const report = parseNodeReport(request);
      const leader = leaderFor(metadata);
      if (leader) return await leader.report(request);
      const answer = await controller.report(report);
      return { ...answer, controllers: [...answer.controllers] };
    }),
    readBlob: serverStream(log, (request, _signal, metadata) => {
      const sha256 = parseSha256("sha256", request.sha256);
      const replicator = isPassedOn(metadata) ? undefined : others?.replicator;
      const offset = parseInteger("offset", request.offset, OFFSET);
      return readBlob(controller, { sha256, offset }, replicator);
    }),
    findBlob: unary(log, async (request) => {
      const sha256 = parseSha256("sha256", request.sha256);
      const nodeId = parseName("node_id", request.nodeId);
      return { addresses: [...(await controller.findBlob(sha256, nodeId))] };
    }),
  };
}

async function* readBlob(
  { blobs }: Controller,
  { sha256, offset }: { readonly sha256: string; readonly offset: number },
  replicator: RegistryPeers["replicator"] | undefined,
) {
  if (replicator && !(await blobs.has(sha256))) await replicator.fetch(sha256);
  for await (const data of blobs.read(sha256, offset)) yield { data };
}
