/**
 * One simulated node: the real `createAgent` over the real `sim` engine. Its guests and its journal
 * outlive the agent.
 */
import type { Engine, EngineName, NodeReport, Resources } from "@innkeeper/core";
import {
  type FakeClock,
  MemoryAgentJournal,
  MemoryBlobStore,
  MemoryBlobs,
  MemoryDiskStore,
  MemoryDisks,
  MemoryJournalDisk,
  type Prng,
  type ProcessClock,
  SeededIdSource,
} from "@innkeeper/core/testing";
import { createAgent } from "../../services/node-agent/src/agent.js";
import { createSimEngine } from "../../services/node-agent/src/engines/sim/sim-engine.js";
import { SimHost } from "../../services/node-agent/src/engines/sim/sim-host.js";
import type { SimFaults } from "../../services/node-agent/src/engines/sim/sim-options.js";
import type { SimStorage } from "../../services/node-agent/src/engines/sim/sim-storage.js";
import { SimControllerClient } from "./clients.js";
import type { Endpoint, SimNetwork } from "./network.js";
import { type PlantedBug, plantInJournal, plantInReport } from "./planted-bugs.js";
import type { Trace } from "./trace.js";

const TIMES = { heartbeatMs: 2_000, retryMs: 1_000, tombstoneKeptMs: 24 * 3_600_000 };
const LATENCIES = { pollMs: 500, progressEveryMs: 500, launchMs: 150, migrationMsPerGib: 4_000 };

/** A change that is never told: the digest of the next heartbeat must give it away. */
const FORGOTTEN_CHANCE = 0.1;

export interface NodeHost {
  readonly clock: FakeClock;
  readonly storage: SimStorage;
  readonly network: SimNetwork;
  readonly trace: Trace;
  readonly prng: Prng;
  readonly controllerIds: readonly string[];
  readonly faults: SimFaults;
  readonly plantedBug: PlantedBug | undefined;
}

export class NodeProcess {
  readonly guests: SimHost;
  readonly journalDisk = new MemoryJournalDisk();
  /** No larger than what the scheduler may promise: what it overcommits would be refused here. */
  readonly disks: MemoryDisks;
  readonly #blobs = new MemoryBlobs();
  #clock: ProcessClock | undefined;

  constructor(
    readonly id: string,
    private readonly capacity: Resources,
    private readonly host: NodeHost,
  ) {
    this.guests = new SimHost(id, host.storage);
    this.disks = new MemoryDisks(capacity.diskMib);
  }

  get isUp(): boolean {
    return this.#clock !== undefined;
  }

  start(): void {
    const { network, trace, prng, plantedBug } = this.host;
    const clock = this.host.clock.child();
    const endpoint = { name: this.id, clock };
    this.#clock = clock;
    const ports = {
      engines: new Map<EngineName, Engine>([["sim", this.#engine()]]),
      journal: plantInJournal(plantedBug, new MemoryAgentJournal(this.journalDisk)),
      blobs: new MemoryBlobStore(undefined, this.#blobs),
      disks: new MemoryDiskStore(this.disks),
      controller: this.#controller(endpoint),
      clock,
      ids: new SeededIdSource(prng.fork()),
      log: trace.logger(this.id),
    };
    trace.add(`${this.id} starts`);
    void createAgent(ports, { node: this.#node(), ...TIMES }).then((agent) => {
      if (!clock.isKilled) network.serve(endpoint, agent);
    });
  }

  kill(): void {
    this.host.trace.add(`${this.id} is killed`);
    this.host.network.vanish(this.id);
    this.#clock?.kill();
    this.#clock = undefined;
  }

  shiftWallClock(deltaMs: number): void {
    this.#clock?.shiftWallClock(deltaMs);
  }

  /**
   * Guests live by the host's time, whatever the agent's clock says; the engine's timers end with
   * the agent.
   */
  #engine(): Engine {
    const { storage, faults, clock } = this.host;
    const process = this.#clock as ProcessClock;
    const engineClock = {
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      schedule: (delayMs: number, callback: () => void) => process.schedule(delayMs, callback),
    };
    const options = { stateDirectory: this.id, clock: engineClock, storage };
    return createSimEngine({ ...options, latencies: LATENCIES, faults });
  }

  #controller(endpoint: Endpoint): SimControllerClient {
    const { network, controllerIds, plantedBug } = this.host;
    const client = new SimControllerClient(network, endpoint, controllerIds);
    const report = client.report.bind(client);
    const prng = this.host.prng.fork();
    client.report = (sent: NodeReport) => {
      const isForgotten = !sent.isFull && prng.chance(FORGOTTEN_CHANCE);
      const copies = isForgotten ? [] : sent.copies;
      return report({ ...sent, copies: copies.map((each) => plantInReport(plantedBug, each)) });
    };
    return client;
  }

  #node() {
    return {
      id: this.id,
      address: this.id,
      labels: {},
      capacity: this.capacity,
      reserve: { cpuMillis: 0, memoryMib: 0, diskMib: 0 },
      overcommitPercent: { cpuMillis: 100, memoryMib: 100, diskMib: 100 },
    };
  }
}
