/**
 * The controller's gRPC server: every public service, the agents' registry, health and reflection.
 */
import type { Server } from "@grpc/grpc-js";
import { loadFileDescriptorSetFromBuffer } from "@grpc/proto-loader";
import { ReflectionService } from "@grpc/reflection";
import type { EventLog } from "@innkeeper/core";
import { createServer, tolerant } from "@innkeeper/core/platform";
import { RegistryServiceService } from "@innkeeper/proto/innkeeper/agent/v1/registry_service";
import { ClusterServiceService } from "@innkeeper/proto/innkeeper/v1/cluster_service";
import { EventServiceService } from "@innkeeper/proto/innkeeper/v1/event_service";
import { GuestServiceService } from "@innkeeper/proto/innkeeper/v1/guest_service";
import { ImageServiceService } from "@innkeeper/proto/innkeeper/v1/image_service";
import { NodeServiceService } from "@innkeeper/proto/innkeeper/v1/node_service";
import { OperationServiceService } from "@innkeeper/proto/innkeeper/v1/operation_service";
import { ProjectServiceService } from "@innkeeper/proto/innkeeper/v1/project_service";
import { HealthImplementation } from "grpc-health-check";
import type { Controller } from "../controller.js";
import { clusterService } from "./cluster-service.js";
import { eventService } from "./event-service.js";
import { guestService } from "./guest-service.js";
import { imageService } from "./image-service.js";
import { nodeService } from "./node-service.js";
import { operationService } from "./operation-service.js";
import { projectService } from "./project-service.js";
import { type RegistryPeers, registryService } from "./registry-service.js";

export interface ControllerServerParts {
  /** FileDescriptorSet of the public and private packages. */
  readonly descriptors: Buffer;
  /** Undefined = this controller is alone. */
  readonly others: RegistryPeers | undefined;
  /** Holds events that the store no longer keeps. */
  readonly eventLog: EventLog | undefined;
}

export function controllerServer(controller: Controller, parts: ControllerServerParts): Server {
  const { descriptors, others, eventLog } = parts;
  const server = createServer();
  server.addService(tolerant(ClusterServiceService), clusterService(controller));
  server.addService(tolerant(EventServiceService), eventService(controller, eventLog));
  server.addService(tolerant(GuestServiceService), guestService(controller));
  server.addService(tolerant(ImageServiceService), imageService(controller));
  server.addService(tolerant(NodeServiceService), nodeService(controller));
  server.addService(tolerant(OperationServiceService), operationService(controller));
  server.addService(tolerant(ProjectServiceService), projectService(controller));
  server.addService(tolerant(RegistryServiceService), registryService(controller, others));
  new HealthImplementation({ "": "SERVING" }).addToServer(server);
  new ReflectionService(loadFileDescriptorSetFromBuffer(descriptors)).addToServer(server);
  return server;
}
