/** The private service that agents call. */
import { parseName, parseUuid } from "@innkeeper/core";
import { serverStream, unary } from "@innkeeper/core/platform";
import { parseIntroduction, parseReport, parseSha256 } from "@innkeeper/core/wire";
import type { RegistryServiceServer } from "@innkeeper/proto/innkeeper/agent/v1/registry_service";
import type { Controller } from "../controller.js";

export function registryService(controller: Controller): RegistryServiceServer {
  const { log } = controller;
  return {
    joinNode: unary(log, async (request) => {
      await controller.join(parseIntroduction(request));
      return {};
    }),
    reportNode: unary(log, async (request) => {
      return await controller.report({
        nodeId: parseName("node_id", request.nodeId),
        incarnation: parseUuid("incarnation", request.incarnation),
        sequence: request.sequence,
        isFull: request.full,
        copies: request.copies.map(parseReport),
      });
    }),
    readBlob: serverStream(log, ({ sha256 }) =>
      readBlob(controller, parseSha256("sha256", sha256)),
    ),
  };
}

async function* readBlob({ blobs }: Controller, sha256: string) {
  for await (const data of blobs.read(sha256)) yield { data };
}
