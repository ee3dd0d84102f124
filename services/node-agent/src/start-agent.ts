/** A whole agent process: journal, engines, gRPC server. Also used inside `inn up`. */
import { mkdir } from "node:fs/promises";
import path from "node:path";
import {
  type BlobStore,
  type Engine,
  type EngineName,
  type Logger,
  type NodeIntroduction,
  unavailable,
} from "@innkeeper/core";
import {
  createFileBlobStore,
  listen,
  randomIdSource,
  shutDown,
  systemClock,
} from "@innkeeper/core/platform";
import { type Agent, createAgent } from "./agent.js";
import { agentServer } from "./api/agent-server.js";
import { grpcBlobPeers } from "./api/grpc-blob-peers.js";
import type { AgentSettings } from "./config.js";
import { connectControllers } from "./connect-controllers.js";
import { createFileDiskStore } from "./disks/file-disk-store.js";
import { whyNoBridge } from "./engines/bridge-device.js";
import { createContainerEngine } from "./engines/container/container-engine.js";
import { GuestIds } from "./engines/guest-ids.js";
import { whyNoTap } from "./engines/qemu/copy-tap.js";
import { createQemuEngine } from "./engines/qemu/qemu-engine.js";
import { createSimEngine } from "./engines/sim/sim-engine.js";
import { hostCapacity } from "./host/capacity.js";
import { parseNodeLabels } from "./host/node-labels.js";
import { createSqliteAgentJournal } from "./journal/sqlite-agent-journal.js";

export interface AgentParts {
  readonly log: Logger;
  /** How many agents divide this host. */
  readonly hostShare: number;
  /**
   * Blobs shared with a controller in the same process; undefined = own ones, fetched from the
   * controller.
   */
  readonly blobs: BlobStore | undefined;
  readonly probeKernel: string;
  readonly probeDisk: string;
  /** The root file system that proves that containers run. */
  readonly probeRootfs: string;
  /** Where the result of the acceleration probe is kept. */
  readonly probeCacheFile: string;
}

export interface RunningAgentProcess {
  readonly agent: Agent;
  readonly address: string;
  /** Guests go on running. */
  stop(): Promise<void>;
}

const MIB = 1024 * 1024;
const BLOB_IDLE_MS = 5_000;
/** Below the data directory. */
const DISKS = "disks";
const STOP_GRACE_MS = 2_000;
const TOMBSTONE_KEPT_MS = 24 * 3_600_000;

export async function startAgent(
  settings: AgentSettings,
  parts: AgentParts,
): Promise<RunningAgentProcess> {
  const directory = path.resolve(settings.dataDirectory);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const { log } = parts;
  const controllers = connectControllers(settings, log);
  const ports = {
    engines: createEngines(settings, directory, parts),
    journal: createSqliteAgentJournal({ directory: path.join(directory, "journal") }),
    blobs: parts.blobs ?? (await createFileBlobStore({ directory: path.join(directory, "blobs") })),
    disks: await createFileDiskStore({ directory: path.join(directory, DISKS) }),
    blobPeers: grpcBlobPeers(BLOB_IDLE_MS),
    controller: controllers.client,
    clock: systemClock,
    ids: randomIdSource,
    log,
  };
  const host = hostOf(settings.listen);
  let agent: Agent | undefined;
  const server = agentServer(() => agent, ports.blobs, log);
  const address = `${host}:${await listen(server, settings.listen)}`;
  const node = describeNode(settings, settings.advertise || address, {
    directory,
    hostShare: parts.hostShare,
  });
  const { heartbeatMs, retryMs } = settings;
  const config = {
    node,
    heartbeatMs,
    retryMs,
    tombstoneKeptMs: TOMBSTONE_KEPT_MS,
    ...(parts.blobs === undefined && { imageCacheBytesMax: settings.imageCacheMib * MIB }),
  };
  const running = await createAgent(ports, config);
  agent = running;
  log.info({ address }, "the agent listens");
  const stop = async (): Promise<void> => {
    await shutDown(server, STOP_GRACE_MS);
    await running.stop();
    await controllers.close();
  };
  return { agent: running, address, stop };
}

function createEngines(
  settings: AgentSettings,
  directory: string,
  { log, probeKernel, probeDisk, probeRootfs, probeCacheFile }: AgentParts,
): ReadonlyMap<EngineName, Engine> {
  const stateDir = path.join(directory, "guests");
  const migrationHost = hostOf(settings.listen);
  const migrationAdvertise = hostOf(settings.advertise || settings.listen);
  const engines = new Map<EngineName, Engine>();
  const clock = systemClock;
  const { guestIdFirst: firstId, guestIdRanges: ranges } = settings;
  const guestIds = new GuestIds({ firstId, ranges });
  for (const name of settings.engines.split(",")) {
    if (name === "qemu") {
      const reached = { migrationHost, migrationAdvertise };
      const probes = { probeKernel, probeDisk, probeCacheFile };
      const { forwardHost } = settings;
      const bridge = settings.bridge || undefined;
      const templates = {
        directory: path.join(directory, "templates"),
        templatesMax: settings.templatesMax,
        sizeMibMax: settings.templatesMib,
      };
      const disksDirectory = path.join(directory, DISKS);
      const kept = { stateDir, disksDirectory, guestIds, templates };
      const options = { ...kept, clock, log, forwardHost, bridge, ...reached, ...probes };
      engines.set("qemu", createQemuEngine(options));
    } else if (name === "container") {
      const containers = path.join(directory, "containers");
      const { forwardHost } = settings;
      const limits = { guestIds, diskMib: settings.containerDiskMib };
      const bridge = settings.bridge || undefined;
      const network = { forwardHost, bridge };
      const options = { stateDir: containers, clock, log, probeRootfs, ...network, ...limits };
      engines.set("container", createContainerEngine(options));
    } else {
      engines.set("sim", createSimEngine({ stateDirectory: path.join(directory, "sim"), clock }));
    }
  }
  return engines;
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(":"));
}

/** Told only where it works. @throws `unavailable` saying why it does not. */
function bridgeOf({ bridge, engines }: AgentSettings): { readonly bridge?: string } {
  if (bridge === "") return {};
  const names = engines.split(",");
  const whyNot = names.includes("container") ? whyNoBridge(bridge) : undefined;
  const why = whyNot ?? (names.includes("qemu") ? whyNoTap(bridge) : undefined);
  if (why !== undefined) throw unavailable("bridge", why);
  return { bridge };
}

function describeNode(
  settings: AgentSettings,
  address: string,
  { directory, hostShare }: { directory: string; hostShare: number },
): Omit<NodeIntroduction, "abilities" | "problems" | "incarnation"> {
  const host = hostCapacity(directory, hostShare);
  return {
    id: settings.nodeId,
    address,
    labels: parseNodeLabels(settings.nodeLabels),
    forwardHost: settings.forwardHost,
    ...bridgeOf(settings),
    capacity: {
      cpuMillis: settings.cpuMillis || host.cpuMillis,
      memoryMib: settings.memoryMib || host.memoryMib,
      diskMib: settings.diskMib || host.diskMib,
    },
    reserve: { cpuMillis: 0, memoryMib: settings.reserveMemoryMib, diskMib: 0 },
    overcommitPercent: { cpuMillis: settings.overcommitCpuPercent, memoryMib: 100, diskMib: 100 },
  };
}
