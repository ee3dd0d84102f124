/** What goes wrong while a run is busy: each kind at random times of its own. */
import type { Prng } from "@innkeeper/core/testing";
import type { Cluster } from "./cluster.js";
import { FAULT_KINDS, type FaultKind } from "./scenario.js";

const DOWN_MS_MAX = 15_000;
const CUT_MS_MAX = 15_000;
const JUMP_MS_MAX = 30_000;

export class Faults {
  readonly #prng: Prng;
  #isOver = false;

  constructor(private readonly cluster: Cluster) {
    this.#prng = cluster.prng.fork();
  }

  start(): void {
    for (const kind of FAULT_KINDS) this.#next(kind);
  }

  stop(): void {
    this.#isOver = true;
  }

  #next(kind: FaultKind): void {
    const everyMs = this.cluster.scenario.faults[kind];
    if (everyMs === undefined) return;
    this.#after(this.#prng.integer(1, 2 * everyMs), () => {
      this.#happen(kind);
      this.#next(kind);
    });
  }

  #happen(kind: FaultKind): void {
    const acts: Readonly<Record<FaultKind, () => void>> = {
      controllerCrash: () => this.#crash(this.cluster.controllers),
      agentCrash: () => this.#crash(this.cluster.nodes),
      partition: () => this.#partition(),
      guestDeath: () => this.#killGuest(),
      clockJump: () => this.#jump(),
      leaseLoss: () => this.#prng.pick(this.cluster.controllers).loseLease(),
    };
    acts[kind]();
  }

  #crash(processes: Cluster["controllers"] | Cluster["nodes"]): void {
    const process = this.#prng.pick<Cluster["controllers"][number] | Cluster["nodes"][number]>(
      processes,
    );
    const downMs = this.#prng.integer(1, DOWN_MS_MAX);
    if (!process.isUp) return;
    process.kill();
    this.#after(downMs, () => {
      if (!process.isUp) process.start();
    });
  }

  #partition(): void {
    const { network, trace } = this.cluster;
    const controller = this.#prng.pick(this.cluster.controllers).id;
    const node = this.#prng.pick(this.cluster.nodes).id;
    const cutMs = this.#prng.integer(1, CUT_MS_MAX);
    trace.add(`cut ${controller} ${node}`);
    network.cut(controller, node);
    this.#after(cutMs, () => {
      trace.add(`heal ${controller} ${node}`);
      network.heal(controller, node);
    });
  }

  #killGuest(): void {
    const copies = this.cluster.copies();
    if (copies.length === 0) return;
    const { nodeId, guestUid, epoch } = this.#prng.pick(copies);
    this.cluster.trace.add(`guest ${guestUid}.${epoch} on ${nodeId} dies`);
    const node = this.cluster.nodes.find(({ id }) => id === nodeId);
    node?.guests.kill({ guestUid, epoch }, this.cluster.clock.nowMs());
  }

  #jump(): void {
    const process = this.#prng.pick([...this.cluster.controllers, ...this.cluster.nodes]);
    const deltaMs = this.#prng.integer(-JUMP_MS_MAX, JUMP_MS_MAX);
    this.cluster.trace.add(`the clock of ${process.id} jumps by ${deltaMs} ms`);
    process.shiftWallClock(deltaMs);
  }

  #after(delayMs: number, act: () => void): void {
    this.cluster.clock.schedule(delayMs, () => {
      if (!this.#isOver) act();
    });
  }
}
