/** The controller's settings, with their defaults and reasons. */
import { invalidField, PLACEMENT_POLICIES, parseSubnet } from "@innkeeper/core";
import {
  LOG_LEVELS,
  loadSettings,
  NATS_SETTINGS,
  readSettingsFile,
  type Settings,
} from "@innkeeper/core/platform";
import { REDIS_SETTINGS } from "./redis-settings.js";

export const CONTROLLER_SETTINGS = {
  controllerId: {
    type: "text",
    env: "INN_CONTROLLER_ID",
    default: "controller-1",
    pattern: /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    allowed: "1 to 63 of a-z, 0-9 and '-'",
    doc: "Identity of this controller; must differ between controllers.",
  },
  listen: {
    type: "text",
    env: "INN_LISTEN",
    default: "127.0.0.1:7400",
    pattern: /^[^\s/]+:[0-9]{1,5}$/,
    allowed: "host:port, port 0 = any",
    doc: "Address of the gRPC API. There is no authentication yet: keep it on a trusted network.",
  },
  advertise: {
    type: "text",
    env: "INN_ADVERTISE",
    default: "",
    pattern: /^[^\s/]+:[0-9]{1,5}$/,
    allowed: "host:port",
    doc: "Address where the other controllers reach this one; empty = where it listens.",
  },
  dataDirectory: {
    type: "text",
    env: "INN_DATA",
    default: ".innkeeper",
    allowed: "a path",
    doc: "Directory of the embedded store and the image blobs.",
  },
  logLevel: {
    type: "choice",
    env: "INN_LOG_LEVEL",
    default: "info",
    choices: LOG_LEVELS,
    doc: "Lowest level that is logged.",
  },
  leaseTtlMs: {
    type: "integer",
    env: "INN_LEASE_TTL_MS",
    default: 8_000,
    min: 1_000,
    max: 600_000,
    doc: "How long a node's lease holds after a report, in milliseconds.",
  },
  leaseMarginMs: {
    type: "integer",
    env: "INN_LEASE_MARGIN_MS",
    default: 2_000,
    min: 100,
    max: 600_000,
    doc: "Added to the lease before a node is called unreachable, in milliseconds.",
  },
  leaderTtlMs: {
    type: "integer",
    env: "INN_LEADER_TTL_MS",
    default: 3_000,
    min: 300,
    max: 600_000,
    doc: "How long the leader lease holds, in milliseconds.",
  },
  resyncMs: {
    type: "integer",
    env: "INN_RESYNC_MS",
    default: 5_000,
    min: 100,
    max: 600_000,
    doc: "How often every guest is compared with what is desired, in milliseconds.",
  },
  retryMs: {
    type: "integer",
    env: "INN_RETRY_MS",
    default: 500,
    min: 10,
    max: 60_000,
    doc: "Pause after an agent did not answer or a write was refused, in milliseconds.",
  },
  migrationsPerNodeMax: {
    type: "integer",
    env: "INN_MIGRATIONS_PER_NODE",
    default: 4,
    min: 1,
    max: 64,
    doc: "Migrations in which a node takes part at a time, as source or target; others wait.",
  },
  rebalanceEveryMs: {
    type: "integer",
    env: "INN_REBALANCE_EVERY_MS",
    default: 0,
    min: 0,
    max: 7 * 86_400_000,
    doc: "How often the leader looks whether few moves would make nodes alike; 0 = never.",
  },
  changesKeptMax: {
    type: "integer",
    env: "INN_CHANGES_KEPT",
    default: 100_000,
    min: 100,
    max: 10_000_000,
    doc: "Commits kept in the change log: how far back watches and events can go.",
  },
  operationsKeptMs: {
    type: "integer",
    env: "INN_OPERATIONS_KEPT_MS",
    default: 3_600_000,
    min: 1_000,
    max: 30 * 86_400_000,
    doc: "How long an operation is kept after its end, in milliseconds.",
  },
  agentTimeoutMs: {
    type: "integer",
    env: "INN_AGENT_TIMEOUT_MS",
    default: 10_000,
    min: 100,
    max: 600_000,
    doc: "Deadline of one call to an agent, in milliseconds.",
  },
  placementPolicy: {
    type: "choice",
    env: "INN_PLACEMENT_POLICY",
    default: "spread",
    choices: PLACEMENT_POLICIES,
    doc: "Which node is best for guests whose project says nothing.",
  },
  bridgeSubnet: {
    type: "text",
    env: "INN_BRIDGE_SUBNET",
    default: "10.77.0.0/16",
    pattern: /^[0-9]{1,3}(\.[0-9]{1,3}){3}\/[0-9]{1,2}$/,
    allowed: "the first address of a range and its prefix",
    doc: "Where guests on the nodes' bridges get their addresses from.",
  },
  store: {
    type: "choice",
    env: "INN_STORE",
    default: "embedded",
    choices: ["embedded", "redis"],
    doc: "Where the truth is kept: in the data directory, or in Redis for several controllers.",
  },
  ...REDIS_SETTINGS,
  ...NATS_SETTINGS,
} as const;

export type ControllerSettings = Settings<typeof CONTROLLER_SETTINGS>;

/** @throws `invalid` with every problem at once. */
export function loadControllerSettings(
  env: Readonly<Record<string, string | undefined>>,
): ControllerSettings {
  const file = env["INN_CONFIG"] ? readSettingsFile(env["INN_CONFIG"]) : {};
  const settings = loadSettings(CONTROLLER_SETTINGS, env, file);
  const { leaseMarginMs, leaseTtlMs } = settings;
  parseSubnet("INN_BRIDGE_SUBNET", settings.bridgeSubnet);
  if (leaseMarginMs > leaseTtlMs) {
    throw invalidField("INN_LEASE_MARGIN_MS", leaseMarginMs, `at most the lease, ${leaseTtlMs}`);
  }
  return settings;
}
