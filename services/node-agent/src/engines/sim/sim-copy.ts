/**
 * A handle on one simulated copy: turns commands into stored guests, and notices what happened
 * since it last looked.
 *
 * H1 The end is told once, and by then nothing of the copy is stored (E3).
 * H2 Once its engine is closed nobody looks at it any more, and what it waits for never comes.
 */
import {
  type ConsoleChunk,
  type ConsoleInput,
  type CopyExit,
  type CopyRef,
  type CopyResources,
  type CopyRunState,
  type CopyUsage,
  commandNotStarted,
  DomainError,
  type EngineCopy,
  type ExecOutput,
  type ExecRequest,
  type MigrateOptions,
  type MigrationProgress,
  precondition,
  unavailable,
} from "@innkeeper/core";
import { readBeats } from "./sim-console.js";
import {
  ended,
  nextChangeAtMs,
  ranForAt,
  type SimGuest,
  type SimSending,
  started,
  stopped,
} from "./sim-guest.js";
import type { SimHost } from "./sim-host.js";
import { askedToPowerOff, type SimLatencies } from "./sim-options.js";

const BYTES_PER_MIB = 1024 * 1024;
const MIB_PER_GIB = 1024;
/** Every simulated guest writes a little. */
const DIRTY_BYTES_PER_SECOND = 4 * BYTES_PER_MIB;
const DESTROYED: CopyExit = { reason: "destroyed", message: "it was destroyed by the agent" };
const GONE: CopyExit = { reason: "killed", message: "its simulated process is gone" };

export interface SimCopyContext {
  readonly host: SimHost;
  readonly latencies: SimLatencies;
  readonly nowMs: () => number;
  /** Resolves after this time; never once the engine is closed. */
  readonly wait: (durationMs: number) => Promise<void>;
  readonly resizeFails: (ref: CopyRef) => boolean;
  readonly migrationFails: (ref: CopyRef) => boolean;
  /** Something will happen to a copy earlier than expected. */
  readonly onCommand: () => void;
}

export class SimCopy implements EngineCopy {
  readonly pid = undefined;
  readonly ended: Promise<CopyExit>;
  #exit: CopyExit | undefined;
  #tellEnd: (exit: CopyExit) => void = () => undefined;
  #seenRun: CopyRunState | undefined;
  #isCancelled = false;
  readonly #listeners: (() => void)[] = [];

  constructor(
    private readonly context: SimCopyContext,
    readonly ref: CopyRef,
  ) {
    this.ended = new Promise((resolve) => {
      this.#tellEnd = resolve;
    });
    this.#seenRun = this.#look()?.run;
  }

  get hasEnded(): boolean {
    return this.#exit !== undefined;
  }

  /** Looks whether anything happened by itself. Returns when the next such thing is due. */
  watch(): number | undefined {
    const guest = this.#look();
    if (guest === undefined) return undefined;
    if (guest.run !== this.#seenRun) this.#tellChange(guest.run);
    return nextChangeAtMs(guest, this.context.host.stream(this.ref));
  }

  async runState(): Promise<CopyRunState> {
    return this.#look()?.run ?? "ended";
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async pause(): Promise<void> {
    const guest = this.#living();
    if (guest.run !== "running") return;
    this.#save({ ...guest, run: "paused", life: stopped(guest.life, this.context.nowMs()) });
  }

  async resume(): Promise<void> {
    const guest = this.#living();
    if (guest.run === "running") return;
    if (guest.run === "incoming") throw notReceived(this.ref);
    this.#save({ ...guest, run: "running", life: started(guest.life, this.context.nowMs()) });
  }

  async setResources({ cpuMillis, memoryMib }: CopyResources): Promise<void> {
    const { wait, latencies, resizeFails } = this.context;
    const before = this.#living();
    if (memoryMib > before.memoryMib || cpuMillis > before.vcpuCount * 1000) {
      throw noMoreThanLaunched(this.ref, before);
    }
    const isShrinking = memoryMib < before.usableMib;
    this.#save({ ...before, cpuMillis });
    await wait(latencies.resizeMs);
    const guest = this.#living();
    if (isShrinking && resizeFails(this.ref)) throw memoryNotGivenBack(this.ref, guest.usableMib);
    this.#save({ ...guest, usableMib: memoryMib });
  }

  /** A simulated guest looks into none of its disks. */
  async setDisks(): Promise<void> {
    this.#living();
  }

  async takeSnapshot(): Promise<void> {
    this.#living();
  }

  async removeSnapshot(): Promise<void> {
    this.#living();
  }

  /** As busy as it may be, with all the memory that it may have. */
  async usage(): Promise<CopyUsage | undefined> {
    const guest = this.#look();
    if (guest === undefined) return undefined;
    const ranForMs = ranForAt(guest.life, this.context.nowMs());
    const cpuMs = Math.floor((ranForMs * guest.cpuMillis) / 1000);
    const dirtyBytesPerSecond = guest.run === "running" ? DIRTY_BYTES_PER_SECOND : 0;
    return { cpuMs, memoryMib: guest.usableMib, dirtyBytesPerSecond };
  }

  async requestShutdown(): Promise<void> {
    const guest = this.#living();
    const { latencies, nowMs } = this.context;
    const endsAfterMs = ranForAt(guest.life, nowMs()) + latencies.shutdownMs;
    this.#save({ ...guest, life: askedToPowerOff(guest.life, endsAfterMs) });
  }

  async destroy(): Promise<void> {
    const guest = this.#look();
    if (guest === undefined) return;
    this.#breakStream(ended(guest, DESTROYED, this.context.nowMs()), guest.sending);
    this.#end(DESTROYED);
    await this.context.wait(this.context.latencies.destroyMs);
  }

  async listen(): Promise<string> {
    const guest = this.#living();
    if (guest.run !== "incoming") {
      throw precondition("COPY_NOT_INCOMING", "only an incoming copy listens", named(this.ref));
    }
    if (!guest.isListening) this.#save({ ...guest, isListening: true });
    return this.context.host.uriOf(this.ref);
  }

  async migrate({ uri, onProgress }: MigrateOptions): Promise<MigrationProgress> {
    const { nowMs, wait, latencies } = this.context;
    const sending = this.#beginSending(uri);
    for (;;) {
      const restMs = Math.max(0, sending.endsAtMs - nowMs());
      await wait(Math.min(restMs, latencies.progressEveryMs));
      const guest = this.#living();
      if (guest.run === "sent") return progressOf(sending, sending.endsAtMs);
      if (guest.sending === undefined) throw this.#isCancelled ? cancelled() : broken(uri);
      onProgress(progressOf(sending, nowMs()));
    }
  }

  async cancelMigration(): Promise<void> {
    const guest = this.#look();
    if (guest?.sending === undefined) return;
    this.#isCancelled = true;
    this.#breakStream({ ...guest, sending: undefined }, guest.sending);
  }

  async readConsole(offset: number, bytesMax: number): Promise<ConsoleChunk> {
    const { life, consoleFromMs } = this.#living();
    const { beatEveryMs } = life;
    const firstBeat = Math.floor(consoleFromMs / beatEveryMs) + 1;
    const lastBeat = Math.floor(ranForAt(life, this.context.nowMs()) / beatEveryMs);
    return readBeats({ firstBeat, lastBeat, offset, bytesMax });
  }

  /** Nobody sits there. */
  async openConsole(): Promise<ConsoleInput> {
    this.#living();
    return { isTerminal: true, write: async () => undefined, close: () => undefined };
  }

  /** Its only program repeats its arguments and its input. */
  async *exec({ words, input }: ExecRequest): AsyncGenerator<ExecOutput> {
    this.#living();
    const [program = "", ...rest] = words;
    if (program !== "echo") throw commandNotStarted(program, "a simulated guest has only echo");
    yield { kind: "stdout", bytes: new TextEncoder().encode(`${rest.join(" ")}\n`) };
    if (input.length > 0) yield { kind: "stdout", bytes: input };
    yield { kind: "exit", code: 0, isCut: false };
  }

  /** Joins a stream to the same target that an earlier agent process began. */
  #beginSending(uri: string): SimSending {
    const guest = this.#living();
    this.#isCancelled = false;
    if (guest.sending?.uri === uri) return guest.sending;
    const canSend = guest.run === "running" || guest.run === "paused";
    if (!canSend || guest.sending) {
      throw precondition("COPY_NOT_SENDABLE", `a copy that is ${guest.run} cannot be sent`, {
        ...named(this.ref),
        run: guest.run,
      });
    }
    if (!this.#isTargetReady(uri)) throw unavailable("migration target", `${uri} does not listen`);
    const { nowMs, latencies, migrationFails } = this.context;
    const durationMs = (guest.memoryMib / MIB_PER_GIB) * latencies.migrationMsPerGib;
    const isBreaking = migrationFails(this.ref);
    const sending: SimSending = {
      uri,
      startedAtMs: nowMs(),
      endsAtMs: nowMs() + Math.ceil(isBreaking ? durationMs / 2 : durationMs),
      totalBytes: guest.memoryMib * BYTES_PER_MIB,
      isBreaking,
    };
    this.#save({ ...guest, sending });
    return sending;
  }

  #isTargetReady(uri: string): boolean {
    const target = this.context.host.resolve(uri);
    const guest = target?.host.look(target.ref, this.context.nowMs());
    return guest?.run === "incoming" && guest.isListening && !target?.host.stream(target.ref);
  }

  /** The guest as it is now, undefined when it has ended. A stream whose target is gone breaks. */
  #look(): SimGuest | undefined {
    if (this.#exit !== undefined) return undefined;
    const { host, nowMs } = this.context;
    const guest = host.look(this.ref, nowMs());
    if (guest === undefined || guest.run === "ended") {
      this.#end(guest?.exit ?? GONE);
      return undefined;
    }
    if (guest.sending === undefined || this.#isTargetThere(guest.sending.uri)) return guest;
    const kept = { ...guest, sending: undefined };
    host.save(kept);
    return kept;
  }

  #isTargetThere(uri: string): boolean {
    const target = this.context.host.resolve(uri);
    return target?.host.look(target.ref, this.context.nowMs()) !== undefined;
  }

  #living(): SimGuest {
    const guest = this.#look();
    if (guest !== undefined) return guest;
    const why = this.#exit?.message ?? "";
    throw precondition("COPY_ENDED", `the copy has ended: ${why}`, named(this.ref));
  }

  #save(guest: SimGuest): void {
    this.context.host.save(guest);
    this.#seenRun = guest.run;
    this.context.onCommand();
  }

  #breakStream(guest: SimGuest, sending: SimSending | undefined): void {
    if (sending === undefined) this.context.host.save(guest);
    else this.context.host.saveBroken(guest, sending.uri, this.context.nowMs());
  }

  #end(exit: CopyExit): void {
    this.#exit = exit;
    this.context.host.remove(this.ref);
    this.#tellEnd(exit);
    this.#tellChange("ended");
  }

  #tellChange(run: CopyRunState): void {
    this.#seenRun = run;
    for (const listener of this.#listeners) listener();
  }
}

function progressOf(sending: SimSending, nowMs: number): MigrationProgress {
  const { startedAtMs, endsAtMs, totalBytes } = sending;
  const wholeMs = endsAtMs - startedAtMs;
  const elapsedMs = Math.min(wholeMs, Math.max(0, nowMs - startedAtMs));
  const isDone = elapsedMs >= wholeMs;
  const transferredBytes = isDone ? totalBytes : Math.floor((totalBytes * elapsedMs) / wholeMs);
  return {
    transferredBytes,
    remainingBytes: totalBytes - transferredBytes,
    totalBytes,
    elapsedMs,
    engineDowntimeMs: isDone ? 0 : undefined,
  };
}

function named({ guestUid, epoch }: CopyRef): Record<string, string> {
  return { guestUid, epoch: String(epoch) };
}

function notReceived(ref: CopyRef): DomainError {
  const message = "an incoming copy cannot run before its stream has arrived";
  return precondition("COPY_NOT_RECEIVED", message, named(ref));
}

function noMoreThanLaunched(ref: CopyRef, { vcpuCount, memoryMib }: SimGuest): DomainError {
  const size = `${vcpuCount} vCPUs and ${memoryMib} MiB`;
  const message = `the copy was launched with ${size} and cannot have more`;
  return precondition("NO_LIVE_RESIZE", message, named(ref));
}

function memoryNotGivenBack(ref: CopyRef, usableMib: number): DomainError {
  const message = `the guest gives nothing back: it still has ${usableMib} MiB`;
  return precondition("MEMORY_NOT_GIVEN_BACK", message, named(ref));
}

function broken(uri: string): DomainError {
  return unavailable("migration", `the stream to ${uri} broke`);
}

function cancelled(): DomainError {
  return new DomainError({
    kind: "cancelled",
    reason: "MIGRATION_CANCELLED",
    message: "the migration was cancelled",
    metadata: {},
  });
}
