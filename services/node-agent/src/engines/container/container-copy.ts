/** One container: the engine port's handle, over its holder, its control group and the runtime. */
import {
  type Clock,
  type ConsoleChunk,
  type ConsoleInput,
  type CopyDisk,
  type CopyExit,
  type CopyRef,
  type CopyResources,
  type CopyRunState,
  type CopyUsage,
  type DomainError,
  type EngineCopy,
  type ExecOutput,
  type ExecRequest,
  isSameDisks,
  type LaunchSize,
  type Logger,
  noDiskHotplug,
  noSnapshots,
  precondition,
} from "@innkeeper/core";
import { limitsOf } from "./bundle.js";
import { type Cgroup, canLimitSwap } from "./cgroup.js";
import { openInput } from "./console-input.js";
import { ConsoleParts } from "./console-parts.js";
import type { ContainerDirectory, Launched } from "./container-directory.js";
import { execInContainer } from "./container-exec.js";
import type { ContainerVeth } from "./container-veth.js";
import { exitOf } from "./exit-reason.js";
import type { Holder } from "./holder.js";
import { runtimeVerb, type Verb } from "./runtime.js";

const MIB = 1024 * 1024;

export interface ContainerCopyParts {
  readonly directory: ContainerDirectory;
  readonly cgroup: Cgroup;
  readonly holder: Pick<Holder, "gone" | "release">;
  readonly launched: Launched;
  readonly pid: number | undefined;
  /** Its device on a bridge, if it has one. */
  readonly veth: ContainerVeth;
  /** Nothing of it is left that its user ids could reach. */
  readonly freeIds: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}

export class ContainerCopy implements EngineCopy {
  readonly ref: CopyRef;
  readonly pid: number | undefined;
  readonly ended: Promise<CopyExit>;
  readonly #parts: ContainerCopyParts;
  readonly #console: ConsoleParts;
  #isOver = false;
  #isReleased = false;
  #isRemoved = false;
  #isDestroyed = false;

  constructor(parts: ContainerCopyParts) {
    this.#parts = parts;
    this.ref = parts.directory.ref;
    this.pid = parts.pid;
    this.#console = new ConsoleParts(parts.directory.path);
    this.ended = this.#watchEnd();
  }

  runState(): Promise<CopyRunState> {
    if (this.#isOver) return Promise.resolve("ended");
    return Promise.resolve(this.#parts.cgroup.isFrozen ? "paused" : "running");
  }

  onChange(): void {
    // A container changes its state only when it is told to.
  }

  async pause(): Promise<void> {
    this.#refuseIfEnded();
    if (!this.#parts.cgroup.isFrozen) await this.#do({ act: "pause" });
  }

  async resume(): Promise<void> {
    this.#refuseIfEnded();
    if (this.#parts.cgroup.isFrozen) await this.#do({ act: "resume" });
  }

  async setResources(resources: CopyResources): Promise<void> {
    this.#refuseIfEnded();
    const { launched, directory, cgroup, veth } = this.#parts;
    refuseMoreThan(launched, resources);
    if (cgroup.memoryBytes > resources.memoryMib * MIB) throw notGivenBack(resources);
    const file = await directory.writeLimits(limitsOf(resources, canLimitSwap()));
    await this.#do({ act: "update", file });
    await veth.limit(resources.limits);
  }

  /** @throws `precondition` for others than those that it was launched with. */
  setDisks(disks: readonly CopyDisk[]): Promise<void> {
    const { launched } = this.#parts;
    if (isSameDisks(disks, launched.disks)) return Promise.resolve();
    return Promise.reject(noDiskHotplug());
  }

  takeSnapshot(): Promise<never> {
    return Promise.reject(noSnapshots("what a container writes is not kept in layers"));
  }

  removeSnapshot(): Promise<void> {
    return Promise.resolve();
  }

  usage(): Promise<CopyUsage | undefined> {
    if (this.#isOver) return Promise.resolve(undefined);
    const { cpuMs, memoryBytes } = this.#parts.cgroup;
    return Promise.resolve({ cpuMs, memoryMib: Math.ceil(memoryBytes / MIB) });
  }

  async requestShutdown(): Promise<void> {
    this.#refuseIfEnded();
    const { isSystemd = false } = this.#parts.launched;
    await this.#do({ act: "shutdown", isSystemd });
  }

  async destroy(): Promise<void> {
    this.#isDestroyed = true;
    if (!this.#isOver) this.#parts.cgroup.kill();
    await this.ended;
    if (!this.#isRemoved) await this.#remove();
  }

  listen(): Promise<never> {
    return this.#refuseToMove();
  }

  migrate(): Promise<never> {
    return this.#refuseToMove();
  }

  cancelMigration(): Promise<void> {
    return Promise.resolve();
  }

  readConsole(offset: number, bytesMax: number): Promise<ConsoleChunk> {
    return new Promise<ConsoleChunk>((resolve) => {
      resolve(this.#console.read(offset, bytesMax));
    });
  }

  async openConsole(): Promise<ConsoleInput> {
    this.#refuseIfEnded();
    const { directory, launched } = this.#parts;
    return openInput(directory, launched.isSystemd === true);
  }

  exec(request: ExecRequest, signal: AbortSignal): AsyncIterable<ExecOutput> {
    this.#refuseIfEnded();
    const { launched, directory, clock } = this.#parts;
    return execInContainer({ directory, runtime: launched.runtime, clock }, request, signal);
  }

  /** Lets go of the holder without touching the guest. `ended` then never resolves. */
  release(): void {
    this.#isReleased = true;
    this.#isOver = true;
    this.#parts.holder.release();
  }

  async #do(verb: Verb): Promise<void> {
    const { launched, directory } = this.#parts;
    try {
      await runtimeVerb(launched.runtime, directory, verb);
    } catch (error) {
      this.#refuseIfEnded();
      throw error;
    }
  }

  async #watchEnd(): Promise<CopyExit> {
    const { holder, directory, cgroup } = this.#parts;
    await holder.gone;
    if (this.#isReleased) return await new Promise(() => undefined);
    this.#isOver = true;
    const [end, oomKills] = [await directory.end(), cgroup.oomKills];
    this.#console.keepLastWords();
    await this.#remove().catch((error: unknown) => {
      const { log } = this.#parts;
      log.warn({ ...this.ref, error }, "what an ended container left cannot be removed yet");
    });
    return exitOf({ end, oomKills, isDestroyed: this.#isDestroyed });
  }

  async #remove(): Promise<void> {
    const { directory, cgroup, veth, clock } = this.#parts;
    await cgroup.end(clock);
    await veth.remove();
    await directory.remove();
    this.#parts.freeIds();
    this.#isRemoved = true;
  }

  #refuseIfEnded(): void {
    if (this.#isOver) throw copyEnded(this.ref);
  }

  #refuseToMove(): Promise<never> {
    return Promise.reject(this.#isOver ? copyEnded(this.ref) : cannotMove(this.ref));
  }
}

function refuseMoreThan(launched: LaunchSize, { cpuMillis, memoryMib }: CopyResources): void {
  const cpuMillisMax = launched.vcpuCount * 1000;
  if (cpuMillis <= cpuMillisMax && memoryMib <= launched.memoryMib) return;
  const most = `${cpuMillisMax} milli-CPUs and ${launched.memoryMib} MiB`;
  throw precondition("NO_LIVE_RESIZE", `the copy was launched with no more than ${most}`, {
    cpuMillis: String(cpuMillis),
    memoryMib: String(memoryMib),
  });
}

function notGivenBack({ memoryMib }: CopyResources) {
  const message = `the guest holds more than ${memoryMib} MiB`;
  return precondition("MEMORY_NOT_GIVEN_BACK", message, { memoryMib: String(memoryMib) });
}

function copyEnded(ref: CopyRef) {
  return precondition("COPY_ENDED", "the copy has ended", refOf(ref));
}

export function cannotMove(ref: CopyRef): DomainError {
  const message = "a container cannot move while it runs";
  return precondition("NO_LIVE_MIGRATION", message, refOf(ref));
}

function refOf({ guestUid, epoch }: CopyRef): Record<string, string> {
  return { guestUid, epoch: String(epoch) };
}
