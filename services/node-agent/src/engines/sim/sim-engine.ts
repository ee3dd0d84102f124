/**
 * The `sim` engine: guests without a hypervisor, for trying a cluster of any size on one machine
 * and for the simulator. Keeps every promise of the engine port (E1 to E6); what it keeps is in
 * `sim-guest.ts`, where in `sim-storage.ts`.
 */
import {
  type CopyLaunch,
  type CopyRef,
  type Engine,
  type EngineCopy,
  type EngineProbe,
  type Mode,
  precondition,
  unavailable,
} from "@innkeeper/core";
import { SimCopy, type SimCopyContext } from "./sim-copy.js";
import { SIM_SCHEMA_VERSION, type SimGuest, started } from "./sim-guest.js";
import { SimHost } from "./sim-host.js";
import {
  NO_SIM_FAULTS,
  newLife,
  SIM_LATENCIES,
  type SimEngineOptions,
  type SimFaults,
  type SimLatencies,
} from "./sim-options.js";

const SIM_ENGINE_VERSION = "1";
const SIM_MODES: readonly Mode[] = ["full", "hybrid", "paravirt"];

export function createSimEngine(options: SimEngineOptions): Engine {
  return new SimEngine(options);
}

class SimEngine implements Engine {
  readonly #host: SimHost;
  readonly #latencies: SimLatencies;
  readonly #faults: SimFaults;
  readonly #context: SimCopyContext;
  readonly #copies = new Set<SimCopy>();
  readonly #waits = new Set<() => void>();
  #isClosed = false;
  #cancelPoll: () => void = () => undefined;

  constructor(private readonly options: SimEngineOptions) {
    this.#host = new SimHost(options.stateDirectory, options.storage);
    this.#latencies = { ...SIM_LATENCIES, ...options.latencies };
    this.#faults = { ...NO_SIM_FAULTS, ...options.faults };
    this.#context = {
      host: this.#host,
      latencies: this.#latencies,
      nowMs: () => options.clock.nowMs(),
      wait: (durationMs) => this.#wait(durationMs),
      resizeFails: this.#faults.resizeFails,
      migrationFails: this.#faults.migrationFails,
      onCommand: () => this.#pollAfter(0),
    };
  }

  async probe(): Promise<EngineProbe> {
    const abilities = SIM_MODES.map((mode) => ({
      engine: "sim" as const,
      engineVersion: SIM_ENGINE_VERSION,
      mode,
      acceleration: "none" as const,
      canLiveMigrate: true,
      canPause: true,
      canSetCpu: true,
      canSetMemory: true,
      canForward: true,
      canLimitNetwork: true,
      canAttachDisks: true,
      canGrowDisks: true,
      canSnapshot: true,
      canSnapshotMemory: true,
      startMs: this.#latencies.launchMs,
    }));
    return { abilities, problems: [] };
  }

  async launch(launch: CopyLaunch): Promise<EngineCopy> {
    const { guestUid, epoch } = launch;
    const ref = { guestUid, epoch };
    if (this.#host.look(ref, this.#context.nowMs()) !== undefined) {
      throw precondition("COPY_EXISTS", "the copy exists already", {
        guestUid,
        epoch: String(epoch),
      });
    }
    const fails = this.#faults.launchFails(launch);
    this.#host.save(this.#newGuest(launch));
    await this.#wait(this.#latencies.launchMs);
    const copy = fails ? undefined : this.#hold(ref);
    if (copy !== undefined && !copy.hasEnded) return copy;
    this.#host.remove(ref);
    throw unavailable("simulated guest", "it did not start");
  }

  async adopt(ref: CopyRef): Promise<EngineCopy | undefined> {
    if (this.#host.look(ref, this.#context.nowMs()) !== undefined) return this.#hold(ref);
    this.#host.remove(ref);
    return undefined;
  }

  async list(): Promise<readonly CopyRef[]> {
    return this.#host.list();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelPoll();
    for (const cancel of this.#waits) cancel();
    this.#waits.clear();
    this.#copies.clear();
  }

  #newGuest(launch: CopyLaunch): SimGuest {
    const { guestUid, epoch, mode, vcpuCount, cpuMillis, memoryMib, isIncoming } = launch;
    const life = newLife(launch, isIncoming ? {} : this.#faults.fateOf(launch));
    const runsAtMs = this.#context.nowMs() + this.#latencies.launchMs;
    return {
      schemaVersion: SIM_SCHEMA_VERSION,
      guestUid,
      epoch,
      mode,
      vcpuCount,
      cpuMillis,
      memoryMib,
      usableMib: memoryMib,
      run: isIncoming ? "incoming" : "running",
      life: isIncoming ? life : started(life, runsAtMs),
      exit: undefined,
      sending: undefined,
      isListening: false,
      consoleFromMs: 0,
    };
  }

  #hold(ref: CopyRef): SimCopy {
    const copy = new SimCopy(this.#context, ref);
    this.#copies.add(copy);
    this.#pollAfter(0);
    return copy;
  }

  /** Looks at all copies now and then again when something is due, at the latest after `pollMs`. */
  #poll(): void {
    const nowMs = this.#context.nowMs();
    let nextMs = this.#latencies.pollMs;
    for (const copy of this.#copies) {
      const dueAtMs = copy.watch();
      if (copy.hasEnded) this.#copies.delete(copy);
      else if (dueAtMs !== undefined) nextMs = Math.min(nextMs, Math.max(0, dueAtMs - nowMs));
    }
    if (this.#copies.size > 0) this.#pollAfter(nextMs);
  }

  #pollAfter(delayMs: number): void {
    if (this.#isClosed) return;
    this.#cancelPoll();
    this.#cancelPoll = this.options.clock.schedule(delayMs, () => this.#poll());
  }

  #wait(durationMs: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isClosed) return;
      const cancel = this.options.clock.schedule(durationMs, () => {
        this.#waits.delete(cancel);
        resolve();
      });
      this.#waits.add(cancel);
    });
  }
}
