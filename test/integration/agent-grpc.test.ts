/** Controller and agent over real gRPC: the contract suites of both directions. */
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { createServer, listen, shutDown, tolerant } from "@innkeeper/core/platform";
import { MemoryBlobStore, silentLogger } from "@innkeeper/core/testing";
import { agentClientContract } from "@innkeeper/core/testing/contracts/agent-client.contract";
import { controllerClientContract } from "@innkeeper/core/testing/contracts/controller-client.contract";
import { RegistryServiceService } from "@innkeeper/proto/innkeeper/agent/v1/registry_service";
import { GrpcAgentDirectory } from "../../services/controller/src/agents/grpc-agent-directory.js";
import { registryService } from "../../services/controller/src/api/registry-service.js";
import type { Controller } from "../../services/controller/src/controller.js";
import type { Agent } from "../../services/node-agent/src/agent.js";
import { agentServer } from "../../services/node-agent/src/api/agent-server.js";
import { GrpcControllerClient } from "../../services/node-agent/src/api/grpc-controller-client.js";

const TIMEOUT_MS = 2_000;

agentClientContract("gRPC", async (handler) => {
  const server = agentServer(() => handler as Agent, new MemoryBlobStore(), silentLogger);
  const port = await listen(server, "127.0.0.1:0");
  const directory = new GrpcAgentDirectory(TIMEOUT_MS);
  return {
    directory,
    address: `127.0.0.1:${port}`,
    deadAddress: `127.0.0.1:${await freePort()}`,
    close: async () => {
      directory.close();
      await shutDown(server, TIMEOUT_MS);
    },
  };
});

controllerClientContract("gRPC", async (handler) => {
  const server = createServer();
  const controller = {
    log: silentLogger,
    join: handler.join.bind(handler),
    report: handler.report.bind(handler),
    findBlob: handler.findBlob.bind(handler),
    leaderEpoch: 1,
    blobs: { read: handler.readBlob.bind(handler) },
  };
  server.addService(
    tolerant(RegistryServiceService),
    registryService(controller as unknown as Controller, undefined),
  );
  const port = await listen(server, "127.0.0.1:0");
  const client = new GrpcControllerClient([`127.0.0.1:${port}`], TIMEOUT_MS);
  return {
    client,
    close: async () => {
      client.close();
      await shutDown(server, TIMEOUT_MS);
    },
  };
});

/** A port that nobody listens on. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createTcpServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
