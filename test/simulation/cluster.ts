/**
 * A whole simulated cluster: one store, controllers, nodes, a network. Starts with projects and
 * one image.
 */
import { createHash } from "node:crypto";
import { type CopyLaunch, recordKey } from "@innkeeper/core";
import {
  anImage,
  aProject,
  aTransaction,
  FakeClock,
  MemoryBlobStore,
  MemoryDisk,
  MemoryStateStore,
  Prng,
} from "@innkeeper/core/testing";
import type { SimFaults } from "../../services/node-agent/src/engines/sim/sim-options.js";
import { MemorySimStorage } from "../../services/node-agent/src/engines/sim/sim-storage.js";
import type { CopyOnNode, World } from "./checkers/checker.js";
import { ControllerProcess } from "./controller-process.js";
import { SimNetwork } from "./network.js";
import { NodeProcess } from "./node-process.js";
import type { PlantedBug } from "./planted-bugs.js";
import { Records } from "./records.js";
import { PROJECT_IDS, type Scenario } from "./scenario.js";
import { Trace } from "./trace.js";

const KERNEL = Buffer.from("a kernel that no engine of this simulation reads");
export const IMAGE_ID = "tiny";
export const TEAM_QUOTA = { guests: 5, memoryMib: 2048 };

export interface ClusterOptions {
  readonly plantedBug?: PlantedBug | undefined;
  readonly print?: ((line: string) => void) | undefined;
}

export class Cluster implements World {
  readonly clock = new FakeClock();
  readonly disk = new MemoryDisk();
  readonly prng: Prng;
  readonly trace: Trace;
  readonly network: SimNetwork;
  readonly records: Records;
  readonly controllers: readonly ControllerProcess[];
  readonly nodes: readonly NodeProcess[];
  readonly #blobs = new MemoryBlobStore();
  #areEnginesFaulty = true;

  constructor(
    readonly scenario: Scenario,
    { plantedBug, print }: ClusterOptions,
  ) {
    const { clock, disk } = this;
    this.prng = new Prng(scenario.seed).fork();
    this.trace = new Trace(clock, print);
    this.network = new SimNetwork(
      { clock, prng: this.prng.fork(), trace: this.trace },
      scenario.network,
    );
    this.records = new Records(disk);
    const { network, trace, prng } = this;
    const { mirrorLagMs, controllerIds } = scenario;
    const shared = { clock, network, trace, prng, plantedBug };
    this.controllers = controllerIds.map(
      (id) => new ControllerProcess(id, { ...shared, disk, mirrorLagMs, blobs: this.#blobs }),
    );
    const storage = new MemorySimStorage();
    const host = { ...shared, storage, controllerIds, faults: this.#engineFaults() };
    this.nodes = [...scenario.capacity].map(
      ([id, capacity]) => new NodeProcess(id, capacity, host),
    );
  }

  get guestsDie(): boolean {
    return this.scenario.faults.guestDeath !== undefined;
  }

  async start(): Promise<void> {
    await this.#fillStore();
    for (const process of [...this.controllers, ...this.nodes]) process.start();
  }

  copies(): readonly CopyOnNode[] {
    const nowMs = this.clock.nowMs();
    return this.nodes.flatMap(({ id, guests }) =>
      guests.list().flatMap((ref) => {
        const guest = guests.look(ref, nowMs);
        return guest === undefined || guest.run === "ended"
          ? []
          : [
              {
                ...ref,
                nodeId: id,
                run: guest.run,
                cpuMillis: guest.cpuMillis,
                memoryMib: guest.usableMib,
              },
            ];
      }),
    );
  }

  disks(): ReturnType<World["disks"]> {
    return this.nodes.flatMap(({ id, disks }) =>
      [...disks.guests.keys()].map((guestUid) => ({ nodeId: id, guestUid })),
    );
  }

  journals(): ReturnType<World["journals"]> {
    return new Map(this.nodes.map(({ id, journalDisk }) => [id, journalDisk]));
  }

  /** Nothing fails from now on, and what was down comes up. */
  stopFaults(): void {
    this.trace.add("faults stop");
    this.#areEnginesFaulty = false;
    this.network.becomePerfect();
    for (const process of [...this.controllers, ...this.nodes]) {
      if (!process.isUp) process.start();
    }
  }

  #engineFaults(): SimFaults {
    const { scenario } = this;
    const prng = this.prng.fork();
    const isHit = (chance: number): boolean => this.#areEnginesFaulty && prng.chance(chance);
    return {
      launchFails: () => isHit(scenario.launchFailsChance),
      resizeFails: () => isHit(scenario.resizeFailsChance),
      migrationFails: () => isHit(scenario.migrationFailsChance),
      fateOf: (_: CopyLaunch) => ({
        ignoresShutdown: isHit(scenario.ignoresShutdownChance),
        endsAfterMs: isHit(scenario.endsItselfChance) ? prng.integer(0, 20_000) : undefined,
        endsWith: prng.pick([
          { reason: "guest-shutdown", message: "it powered off" },
          { reason: "guest-panic", message: "it panicked" },
        ] as const),
      }),
    };
  }

  async #fillStore(): Promise<void> {
    const sha256 = createHash("sha256").update(KERNEL).digest("hex");
    const blob = { role: "kernel" as const, sha256, sizeBytes: KERNEL.length };
    await this.#blobs.write(blob, oneChunk(KERNEL));
    const image = anImage({ id: IMAGE_ID, manifest: { kind: "pvh", blobs: [blob] } });
    const projects = PROJECT_IDS.map((id) =>
      aProject({
        id,
        parentId: id === "crew" ? "team" : undefined,
        quota: id === "team" ? TEAM_QUOTA : {},
      }),
    );
    const puts = [
      { key: recordKey("image", image.id), value: image },
      ...projects.map((value) => ({ key: recordKey("project", value.id), value })),
    ];
    const store = new MemoryStateStore({ disk: this.disk, clock: this.clock });
    await store.commit(aTransaction({ puts }));
    await store.close();
  }
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
