/**
 * Many node agents in one process: the real agent with the `sim` engine, each with its own gRPC
 * server. Journals, disks and guests are in memory; one connection to NATS and one to the
 * controller serve all of them. `agents.js COUNT CONTROLLER NATS`: says one line of JSON when all
 * have joined, ends with its standard input.
 */
import type { BlobStore, ControllerClient, Engine, EngineName } from "@innkeeper/core";
import { listen, randomIdSource, systemClock } from "@innkeeper/core/platform";
import { NatsLink } from "@innkeeper/core/platform/nats";
import {
  MemoryAgentJournal,
  MemoryBlobStore,
  MemoryDiskStore,
  MemoryDisks,
  MemoryJournalDisk,
  silentLogger,
} from "@innkeeper/core/testing";
import { type Agent, createAgent } from "../../../../services/node-agent/src/agent.js";
import { agentServer } from "../../../../services/node-agent/src/api/agent-server.js";
import { GrpcControllerClient } from "../../../../services/node-agent/src/api/grpc-controller-client.js";
import { createSimEngine } from "../../../../services/node-agent/src/engines/sim/sim-engine.js";
import { MemorySimStorage } from "../../../../services/node-agent/src/engines/sim/sim-storage.js";
import { NatsReportChannel } from "../../../../services/node-agent/src/nats/nats-report-channel.js";
import { TwoWayControllerClient } from "../../../../services/node-agent/src/nats/two-way-client.js";

/** As of hosts of three kinds. */
const SIZES = [
  { cpuMillis: 32_000, memoryMib: 131_072 },
  { cpuMillis: 64_000, memoryMib: 262_144 },
  { cpuMillis: 96_000, memoryMib: 393_216 },
];
const DISK_MIB = 1_048_576;
const NONE = { cpuMillis: 0, memoryMib: 0, diskMib: 0 };
const EXACTLY = { cpuMillis: 100, memoryMib: 100, diskMib: 100 };
const TIMEOUT_MS = 10_000;
const HEARTBEAT_MS = 10_000;
/** Nothing happens behind this engine's back. */
const POLL_MS = 600_000;
const START_AT_ONCE = 50;

const blobs: BlobStore = new MemoryBlobStore();
const storage = new MemorySimStorage();

async function startAgent(index: number, controller: ControllerClient): Promise<void> {
  const id = `n${index}`;
  let agent: Agent | undefined;
  const server = agentServer(() => agent, blobs, silentLogger);
  const address = `127.0.0.1:${await listen(server, "127.0.0.1:0")}`;
  const size = SIZES[index % SIZES.length] ?? NONE;
  const ports = {
    engines: new Map<EngineName, Engine>([["sim", engineOf(id)]]),
    journal: new MemoryAgentJournal(new MemoryJournalDisk()),
    blobs,
    disks: new MemoryDiskStore(new MemoryDisks(DISK_MIB)),
    controller,
    clock: systemClock,
    ids: randomIdSource,
    log: silentLogger,
  };
  const node = {
    id,
    address,
    labels: { rack: `r${index % 100}` },
    capacity: { ...size, diskMib: DISK_MIB },
    reserve: NONE,
    overcommitPercent: EXACTLY,
  };
  const times = { heartbeatMs: HEARTBEAT_MS, retryMs: 1000, tombstoneKeptMs: 86_400_000 };
  agent = await createAgent(ports, { node, ...times });
}

function engineOf(stateDirectory: string): Engine {
  const latencies = { pollMs: POLL_MS };
  return createSimEngine({ stateDirectory, clock: systemClock, storage, latencies });
}

async function main(): Promise<void> {
  const [, , count = "0", address = "", natsAddress = ""] = process.argv;
  const grpc = new GrpcControllerClient([address], TIMEOUT_MS);
  const link = NatsLink.open(
    {
      servers: [natsAddress],
      name: "agents",
      credentials: undefined,
      tls: undefined,
      connectTimeoutMs: TIMEOUT_MS,
      reconnectMs: 100,
      pingMs: 60_000,
    },
    silentLogger,
  );
  const nats = new NatsReportChannel(link, TIMEOUT_MS);
  const ways = { nats, grpc, clock: systemClock, log: silentLogger, avoidMs: TIMEOUT_MS };
  const controller = new TwoWayControllerClient(ways);
  for (let first = 0; first < Number(count); first += START_AT_ONCE) {
    const many = Array.from({ length: Math.min(START_AT_ONCE, Number(count) - first) });
    await Promise.all(many.map((_, offset) => startAgent(first + offset, controller)));
  }
  process.stdout.write(`${JSON.stringify({ agents: Number(count) })}\n`);
  process.stdin.resume().once("end", () => process.exit(0));
}

await main();
