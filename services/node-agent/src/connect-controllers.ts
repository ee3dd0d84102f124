/**
 * The agent's ways to the controllers: gRPC always, and NATS for its reports where there is one.
 */
import type { ControllerClient, Logger } from "@innkeeper/core";
import { systemClock } from "@innkeeper/core/platform";
import { NatsLink, natsOptionsOf } from "@innkeeper/core/platform/nats";
import { GrpcControllerClient } from "./api/grpc-controller-client.js";
import type { AgentSettings } from "./config.js";
import { NatsReportChannel } from "./nats/nats-report-channel.js";
import { TwoWayControllerClient } from "./nats/two-way-client.js";

export interface ControllerConnection {
  readonly client: ControllerClient;
  close(): Promise<void>;
}

/** Of one attempt at one controller; a lease holds several. */
const GRPC_TIMEOUT_MS = 2_000;
/** A report over NATS that is not answered by then goes by gRPC. */
const NATS_TIMEOUT_MS = 500;
/** How long NATS is left alone after it did not answer. */
const NATS_AVOID_MS = 10_000;

export function connectControllers(settings: AgentSettings, log: Logger): ControllerConnection {
  const grpc = new GrpcControllerClient(settings.controller.split(","), GRPC_TIMEOUT_MS);
  const options = natsOptionsOf(settings, settings.nodeId);
  if (options === undefined) return { client: grpc, close: () => Promise.resolve() };
  const link = NatsLink.open(options, log);
  const nats = new NatsReportChannel(link, NATS_TIMEOUT_MS);
  const ways = { nats, grpc, clock: systemClock, log, avoidMs: NATS_AVOID_MS };
  return { client: new TwoWayControllerClient(ways), close: () => link.close() };
}
