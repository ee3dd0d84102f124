/** Blobs from other agents, over gRPC. */
import { credentials } from "@grpc/grpc-js";
import type { BlobPeers } from "@innkeeper/core";
import { CLIENT_OPTIONS, callStream } from "@innkeeper/core/platform";
import { AgentServiceClient } from "@innkeeper/proto/innkeeper/agent/v1/agent_service";

/** @param idleMs a peer that is silent for so long is given up */
export function grpcBlobPeers(idleMs: number): BlobPeers {
  return {
    async *readBlob(address, sha256, offset) {
      const client = new AgentServiceClient(address, credentials.createInsecure(), CLIENT_OPTIONS);
      try {
        const read = client.readNodeBlob.bind(client);
        for await (const { data } of callStream(read, { sha256, offset }, { idleMs })) yield data;
      } finally {
        client.close();
      }
    },
  };
}
