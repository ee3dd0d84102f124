/**
 * A whole controller process on the embedded store: opens it, leads, listens. Also used inside `inn
 * up`.
 */
import path from "node:path";
import type { Logger } from "@innkeeper/core";
import {
  createFileBlobStore,
  listen,
  randomIdSource,
  shutDown,
  systemClock,
} from "@innkeeper/core/platform";
import { GrpcAgentDirectory } from "./agents/grpc-agent-directory.js";
import { controllerServer } from "./api/controller-server.js";
import type { ControllerSettings } from "./config.js";
import { type Controller, createController } from "./controller.js";
import { createEmbeddedLeaderLease } from "./store/embedded-leader-lease.js";
import { createEmbeddedStore } from "./store/embedded-state-store.js";

export interface RunningControllerProcess {
  readonly controller: Controller;
  /** host:port that it really listens on. */
  readonly address: string;
  stop(): Promise<void>;
}

const STOP_GRACE_MS = 2_000;
const MIRROR_WAIT_MS = 5_000;
/** How often leases are looked at, as a share of the lease. */
const LEASE_CHECKS = 8;

export async function startController(
  settings: ControllerSettings,
  parts: { readonly log: Logger; readonly descriptors: Buffer },
): Promise<RunningControllerProcess> {
  const { log, descriptors } = parts;
  const clock = systemClock;
  const directory = path.resolve(settings.dataDirectory);
  const store = createEmbeddedStore({
    directory: path.join(directory, "store"),
    clock,
    changesKeptMax: settings.changesKeptMax,
  });
  const blobs = await createFileBlobStore({ directory: path.join(directory, "blobs") });
  const agents = new GrpcAgentDirectory(settings.agentTimeoutMs);
  const lease = createEmbeddedLeaderLease(store);
  const ports = { store, lease, blobs, agents, clock, ids: randomIdSource, log };
  const leaseCheckMs = settings.leaseTtlMs / LEASE_CHECKS;
  const config = { ...settings, leaseCheckMs, mirrorWaitMs: MIRROR_WAIT_MS };
  const controller = await createController(ports, config);
  const server = controllerServer(controller, descriptors);
  const host = settings.listen.slice(0, settings.listen.lastIndexOf(":"));
  const address = `${host}:${await listen(server, settings.listen)}`;
  log.info({ address }, "the controller listens");
  const stop = async (): Promise<void> => {
    await shutDown(server, STOP_GRACE_MS);
    await controller.stop();
    agents.close();
    await store.close();
  };
  return { controller, address, stop };
}
