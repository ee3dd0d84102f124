/**
 * A whole controller process on the embedded store: opens it, leads, listens. Also used inside `inn
 * up`.
 */
import path from "node:path";
import type { DomainError, Logger } from "@innkeeper/core";
import {
  createFileBlobStore,
  listen,
  randomIdSource,
  shutDown,
  systemClock,
} from "@innkeeper/core/platform";
import { eventStreamOptionsOf, NatsLink, natsOptionsOf } from "@innkeeper/core/platform/nats";
import { GrpcAgentDirectory } from "./agents/grpc-agent-directory.js";
import { controllerServer } from "./api/controller-server.js";
import type { ControllerSettings } from "./config.js";
import { type Controller, createController } from "./controller.js";
import { openStore } from "./open-store.js";
import { BlobReplicator } from "./peers/blob-replicator.js";
import { watchLeader } from "./peers/leader-watch.js";
import { PeerControllers } from "./peers/peer-controllers.js";
import { natsServices } from "./start-nats.js";

export interface RunningControllerProcess {
  readonly controller: Controller;
  /** host:port that it really listens on. */
  readonly address: string;
  stop(): Promise<void>;
}

export interface ControllerParts {
  readonly log: Logger;
  /** FileDescriptorSet of the protocol, for reflection. */
  readonly descriptors: Buffer;
  /** The process must end now: what it holds can no longer be trusted, and a restart is safe. */
  readonly onFatal: (error: DomainError) => void;
}

const STOP_GRACE_MS = 2_000;
const MIRROR_WAIT_MS = 5_000;
/** How often leases are looked at, as a share of the lease. */
const LEASE_CHECKS = 8;

export async function startController(
  settings: ControllerSettings,
  parts: ControllerParts,
): Promise<RunningControllerProcess> {
  const { log, descriptors, onFatal } = parts;
  const clock = systemClock;
  const directory = path.resolve(settings.dataDirectory);
  let onFailOver = (): void => undefined;
  const opened = await openStore(settings, {
    ...{ directory, clock, log },
    onFailure: onFatal,
    onFailOver: () => onFailOver(),
  });
  const blobs = await createFileBlobStore({ directory: path.join(directory, "blobs") });
  const agents = new GrpcAgentDirectory(settings.agentTimeoutMs);
  const { store, lease } = opened;
  const natsOptions = natsOptionsOf(settings, settings.controllerId);
  const nats = natsOptions && NatsLink.open(natsOptions, log);
  const overNats = nats && natsServices(nats, eventStreamOptionsOf(settings));
  const duties = overNats && { whileLeading: overNats.lead };
  const ports = { store, lease, blobs, agents, clock, ids: randomIdSource, log, ...duties };
  const leaseCheckMs = settings.leaseTtlMs / LEASE_CHECKS;
  const config = { ...settings, leaseCheckMs, mirrorWaitMs: MIRROR_WAIT_MS };
  const controller = await createController(ports, config);
  onFailOver = () => void controller.distrustStore();
  const others = connectToOthers(controller, settings);
  const { eventLog } = overNats ?? {};
  const server = controllerServer(controller, { descriptors, others, eventLog });
  const host = settings.listen.slice(0, settings.listen.lastIndexOf(":"));
  const address = `${host}:${await listen(server, settings.listen)}`;
  await controller.announce(settings.advertise || address);
  others.start();
  log.info({ address }, "the controller listens");
  const stop = async (): Promise<void> => {
    await controller.stopLeading();
    others.stop();
    await shutDown(server, STOP_GRACE_MS);
    await controller.stop();
    agents.close();
    await nats?.close();
    await opened.close();
  };
  return { controller, address, stop };
}

/** Passing on, blobs of images imported elsewhere, and the watch on the leader's process. */
function connectToOthers(controller: Controller, settings: ControllerSettings) {
  const { mirror, blobs, log } = controller;
  const peers = new PeerControllers({
    ownId: settings.controllerId,
    timeoutMs: settings.agentTimeoutMs,
    controllers: () => mirror.controllers(),
  });
  const replicator = new BlobReplicator({ mirror, blobs, peers, log });
  const stops: (() => void)[] = [() => peers.close()];
  const start = (): void => {
    stops.unshift(watchLeader(controller), replicator.start());
  };
  const stop = (): void => {
    for (const each of stops) each();
  };
  return { peers, replicator, start, stop };
}
