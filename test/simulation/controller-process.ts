/**
 * One simulated controller: the real `createController` on virtual time, which can be killed and
 * started again.
 */
import type {
  AgentDirectory,
  BlobStore,
  ChangeBatch,
  CommitResult,
  LeaderLease,
  LeaderTerm,
  Revision,
  Transaction,
} from "@innkeeper/core";
import {
  type FakeClock,
  type MemoryDisk,
  MemoryLeaderLease,
  MemoryStateStore,
  type Prng,
  type ProcessClock,
  SeededIdSource,
} from "@innkeeper/core/testing";
import { createController } from "../../services/controller/src/controller.js";
import { Violation } from "./checkers/checker.js";
import { agentDirectory } from "./clients.js";
import type { SimNetwork } from "./network.js";
import { type PlantedBug, plantInAgents, plantInStore } from "./planted-bugs.js";
import type { Trace } from "./trace.js";

/** As the real ones by default, but a leader is missed sooner. */
const CONFIG = {
  leaseTtlMs: 8_000,
  leaseMarginMs: 2_000,
  leaseCheckMs: 1_000,
  leaderTtlMs: 3_000,
  resyncMs: 5_000,
  retryMs: 500,
  migrationsPerNodeMax: 1,
  mirrorWaitMs: 5_000,
  operationsKeptMs: 24 * 3_600_000,
};

export interface ControllerHost {
  readonly clock: FakeClock;
  readonly disk: MemoryDisk;
  readonly blobs: BlobStore;
  readonly mirrorLagMs: number;
  readonly network: SimNetwork;
  readonly trace: Trace;
  readonly prng: Prng;
  readonly plantedBug: PlantedBug | undefined;
}

/** A controller that commits more than this at one moment never comes to rest. */
const COMMITS_AT_ONCE_MAX = 5_000;

/** A store whose watchers are behind. It ends a run that would commit for ever at one moment. */
class SimStore extends MemoryStateStore {
  readonly #clock: ProcessClock;
  #atMs = 0;
  #count = 0;

  constructor(
    private readonly disk: MemoryDisk,
    clock: ProcessClock,
    private readonly lagMs: number,
  ) {
    super({ disk, clock });
    this.#clock = clock;
  }

  /** A commit is seen after the lag, and with it those that came meanwhile. */
  override async *changes(
    after: Revision,
    signal: AbortSignal,
  ): AsyncGenerator<ChangeBatch | "compacted", void, undefined> {
    for await (const batch of super.changes(after, signal)) {
      const isNewest = batch !== "compacted" && batch.revision === this.disk.state.revision;
      if (isNewest && this.lagMs > 0) await this.#pause();
      yield batch;
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.schedule(this.lagMs, resolve);
    });
  }

  override commitAll(asked: readonly Transaction[]): Promise<readonly CommitResult[]> {
    const nowMs = this.#clock.monotonicMs();
    this.#count = nowMs === this.#atMs ? this.#count + 1 : 1;
    this.#atMs = nowMs;
    if (this.#count === COMMITS_AT_ONCE_MAX) {
      this.kill();
      queueMicrotask(() => {
        throw new Violation("I7", `a controller commits without end: ${JSON.stringify(asked)}`);
      });
    }
    return super.commitAll(asked);
  }
}

export class ControllerProcess {
  #term: LeaderTerm | undefined;
  #process: { readonly clock: ProcessClock; readonly store: MemoryStateStore } | undefined;

  constructor(
    readonly id: string,
    private readonly host: ControllerHost,
  ) {}

  get isUp(): boolean {
    return this.#process !== undefined;
  }

  start(): void {
    const {
      clock: worldClock,
      disk,
      blobs,
      network,
      trace,
      mirrorLagMs,
      prng,
      plantedBug,
    } = this.host;
    const clock = worldClock.child();
    const endpoint = { name: this.id, clock };
    const store = new SimStore(disk, clock, mirrorLagMs);
    this.#process = { clock, store };
    const ports = {
      store: plantInStore(plantedBug, store),
      lease: this.#lease(clock),
      blobs,
      agents: plantInAgents(plantedBug, agentDirectory(network, endpoint)) satisfies AgentDirectory,
      clock,
      ids: new SeededIdSource(prng.fork()),
      log: trace.logger(this.id),
    };
    trace.add(`${this.id} starts`);
    void createController(ports, { ...CONFIG, controllerId: this.id }).then((controller) => {
      if (!clock.isKilled) network.serve(endpoint, controller);
    });
  }

  /** Its lease ends early, and it does not hear of it: as if it had been stopped for a while. */
  loseLease(): void {
    if (this.#term === undefined) return;
    this.host.trace.add(`${this.id} loses the leader lease`);
    this.host.disk.lease.release(this.#term);
  }

  #lease(clock: ProcessClock): LeaderLease {
    const lease = new MemoryLeaderLease({ disk: this.host.disk, clock });
    return {
      acquire: async (holderId, ttlMs) => {
        this.#term = await lease.acquire(holderId, ttlMs);
        return this.#term;
      },
      renew: (term, ttlMs) => lease.renew(term, ttlMs),
      release: (term) => lease.release(term),
    };
  }

  kill(): void {
    this.host.trace.add(`${this.id} is killed`);
    this.host.network.vanish(this.id);
    this.#process?.clock.kill();
    this.#process?.store.kill();
    this.#process = undefined;
  }

  shiftWallClock(deltaMs: number): void {
    this.#process?.clock.shiftWallClock(deltaMs);
  }
}
