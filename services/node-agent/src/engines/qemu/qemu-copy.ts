/** One copy of a guest under QEMU: the engine port's handle, over the monitor and the process. */
import {
  type Clock,
  type ConsoleChunk,
  type ConsoleInput,
  type CopyDisk,
  type CopyExit,
  type CopyRef,
  type CopyResources,
  type CopyRunState,
  type CopySnapshot,
  type CopyUsage,
  type EngineCopy,
  type ErrorDetail,
  type ExecOutput,
  type ExecRequest,
  type MigrateOptions,
  type MigrationProgress,
  NO_LIMITS,
  noGuestAgent,
  precondition,
  unavailable,
} from "@innkeeper/core";
import { setMemory } from "./balloon.js";
import { ConsoleLog } from "./console-log.js";
import type { CopyCgroup } from "./copy-cgroup.js";
import type { CopyDirectory } from "./copy-directory.js";
import { setDisks } from "./copy-disks.js";
import { removeSnapshot, takeSnapshot } from "./copy-snapshots.js";
import type { CopyTap } from "./copy-tap.js";
import type { CopyUser } from "./copy-user.js";
import { DirtyRate } from "./dirty-rate.js";
import { THROTTLE_PATH, throttleLimits } from "./disk-arguments.js";
import { DiskStall } from "./disk-stall.js";
import { brokenBy, exitOf, isWantOfRoom } from "./exit-reason.js";
import type { GuestAgent } from "./guest-agent.js";
import { execByAgent } from "./guest-exec.js";
import { HandedFiles } from "./handed-files.js";
import { sendMigration } from "./outgoing-migration.js";
import type { QemuProcess } from "./qemu-process.js";
import type { QmpClient } from "./qmp-client.js";
import type { QmpEvent } from "./qmp-protocol.js";
import { saveState } from "./save-state.js";
import { openSerialPort, serialInput } from "./serial-input.js";

/** How long a process may live on after its monitor has closed. */
const END_TIMEOUT_MS = 2_000;
const CONSOLE_TRIM_MS = 2_000;

/** Its CPUs run, or go on by themselves when QEMU has done with them. */
const RUNNING: readonly string[] = ["running", "finish-migrate", "save-vm", "restore-vm"];

export interface QemuCopyParts {
  readonly directory: CopyDirectory;
  readonly cgroup: CopyCgroup;
  readonly tap: CopyTap;
  readonly process: QemuProcess;
  /** Undefined where it runs as the agent does. */
  readonly user: CopyUser | undefined;
  readonly qmp: QmpClient;
  /** Undefined where the image has none. */
  readonly agent: GuestAgent | undefined;
  readonly clock: Clock;
  /** Address on which migrations are received. */
  readonly migrationHost: string;
  /** Where other nodes find it. */
  readonly migrationAdvertise: string;
  /** Launched to receive a migration and not resumed since. */
  readonly isIncoming: boolean;
  /** What it was launched with; absent when a former agent did. */
  readonly cpuMillis?: number;
}

export class QemuCopy implements EngineCopy {
  readonly ref: CopyRef;
  readonly pid: number;
  readonly ended: Promise<CopyExit>;
  readonly #parts: QemuCopyParts;
  readonly #console: ConsoleLog;
  readonly #files: HandedFiles;
  readonly #listeners: (() => void)[] = [];
  readonly #stall: DiskStall;
  readonly #dirtyRate: DirtyRate;
  #onTrouble: () => void = () => undefined;
  /** Whoever waits for an event now. */
  #onEvent: () => void = () => undefined;
  #isIncoming: boolean;
  /** The whole stream has been seen to have arrived: that does not change any more. */
  #hasReceived = false;
  #cpuMillis: number | undefined;
  #isOver = false;
  #isDestroyed = false;
  /** Why the guest cannot go on, in one sentence. */
  #broken: string | undefined;
  #ioError: QmpEvent | undefined;
  #cancelTrim: () => void = () => undefined;

  constructor(parts: QemuCopyParts) {
    this.#parts = parts;
    this.ref = parts.directory.ref;
    this.pid = parts.process.pid;
    this.#isIncoming = parts.isIncoming;
    this.#cpuMillis = parts.cpuMillis;
    this.#files = new HandedFiles(parts.directory, parts.user?.id);
    this.#console = new ConsoleLog(parts.directory.file("console"));
    const { qmp, clock } = parts;
    this.#dirtyRate = new DirtyRate({ qmp, clock });
    const onChange = (): void => this.#onTrouble();
    this.#stall = new DiskStall({ qmp, clock, onChange, found: (name) => this.#files.found(name) });
    parts.qmp.onEvent((event) => this.#take(event));
    this.ended = this.#watchEnd();
    this.#trimLater();
  }

  async runState(): Promise<CopyRunState> {
    if (this.#isOver) return "ended";
    try {
      const { status } = await this.#parts.qmp.execute("query-status");
      return this.#runStateOf(status);
    } catch {
      return "ended";
    }
  }

  get trouble(): ErrorDetail | undefined {
    return this.#stall.trouble;
  }

  onTrouble(listener: () => void): void {
    this.#onTrouble = listener;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async pause(): Promise<void> {
    this.#stall.end();
    await this.#parts.qmp.execute("stop");
  }

  async resume(): Promise<void> {
    const { qmp, directory } = this.#parts;
    if (this.#isIncoming && !this.#hasReceived && (await this.runState()) === "incoming") {
      throw notReceived(this.ref);
    }
    await qmp.execute("cont");
    if (this.#cpuMillis !== undefined) this.capCpu(this.#cpuMillis);
    if (!this.#isIncoming) return;
    this.#isIncoming = false;
    await directory.unmarkIncoming();
  }

  /** Where there are no control groups, CPU time stays as it is: the ability says so. */
  async setResources({ cpuMillis, memoryMib, limits }: CopyResources): Promise<void> {
    const { qmp, clock, tap } = this.#parts;
    const { length: vcpuCount } = await qmp.execute("query-cpus-fast");
    if (cpuMillis > 1000 * vcpuCount) throw tooFewCpus(this.ref, vcpuCount);
    this.capCpu(cpuMillis);
    await tap.limit(limits);
    const value = throttleLimits(limits ?? NO_LIMITS);
    await qmp.execute("qom-set", { path: THROTTLE_PATH, property: "limits", value });
    await setMemory({ ref: this.ref, qmp, clock }, memoryMib);
  }

  async setDisks(disks: readonly CopyDisk[]): Promise<void> {
    const { qmp, clock } = this.#parts;
    await setDisks({ qmp, clock }, this.#files.disks(disks));
  }

  async takeSnapshot(snapshot: CopySnapshot): Promise<void> {
    await takeSnapshot(this.#parts, this.#files.snapshot(snapshot));
  }

  async removeSnapshot(uid: string): Promise<void> {
    await removeSnapshot(this.#parts, uid);
  }

  usage(): Promise<CopyUsage | undefined> {
    const { cgroup, process } = this.#parts;
    if (this.#isOver) return Promise.resolve(undefined);
    const dirtyBytesPerSecond = this.#dirtyRate.look();
    const usage = cgroup.usage() ?? process.usage();
    const isKnown = usage !== undefined && dirtyBytesPerSecond !== undefined;
    return Promise.resolve(isKnown ? { ...usage, dirtyBytesPerSecond } : usage);
  }

  /** By the guest's agent; by the power button where there is none, or it is silent. */
  async requestShutdown(): Promise<void> {
    if ((await this.#parts.agent?.shutDown()) === true) return;
    await this.#parts.qmp.execute("system_powerdown");
  }

  async destroy(): Promise<void> {
    this.#isDestroyed = true;
    this.#parts.process.kill();
    await this.ended;
  }

  async listen(): Promise<string> {
    const { qmp, migrationHost } = this.#parts;
    if (!this.#isIncoming) throw notIncoming(this.ref);
    const known = await this.#receivingAddress();
    if (known !== undefined) return known;
    this.#parts.cgroup.liftCpuCap();
    const capabilities = [{ capability: "events", state: true }] as const;
    await qmp.execute("migrate-set-capabilities", { capabilities });
    await qmp.execute("migrate-incoming", { uri: `tcp:${migrationHost}:0` });
    const address = await this.#receivingAddress();
    if (address === undefined) throw unavailable("engine", "it does not say where it listens");
    return address;
  }

  async migrate(options: MigrateOptions): Promise<MigrationProgress> {
    const run = await this.runState();
    if (run !== "running") throw notRunning(this.ref, run);
    const { qmp, clock } = this.#parts;
    const untilEvent = (timeoutMs: number): Promise<void> => this.#untilEvent(timeoutMs);
    this.#freeSender();
    try {
      return await sendMigration({ qmp, clock, untilEvent }, options);
    } catch (error) {
      if (this.#cpuMillis !== undefined && !this.#isOver) this.capCpu(this.#cpuMillis);
      throw error;
    }
  }

  /** Where there are no control groups, CPU time stays as it is. */
  capCpu(cpuMillis: number): void {
    this.#cpuMillis = cpuMillis;
    this.#parts.cgroup.setCpu(cpuMillis);
  }

  /**
   * The sender is a thread beside the virtual CPUs: within the guest's cap it would take their
   * time, and stand still at the worst moment. Not where nobody knows what to go back to.
   */
  #freeSender(): void {
    if (this.#cpuMillis !== undefined) this.#parts.cgroup.liftCpuCap();
  }

  /** Writes all that the machine is to a file; it stands still afterwards. */
  async saveState(file: string): Promise<void> {
    await saveState(this.#parts, file);
  }

  async cancelMigration(): Promise<void> {
    if (!this.#isOver) await this.#parts.qmp.execute("migrate_cancel");
  }

  readConsole(offset: number, bytesMax: number): Promise<ConsoleChunk> {
    return new Promise<ConsoleChunk>((resolve) => {
      resolve(this.#console.read(offset, bytesMax));
    });
  }

  async openConsole(): Promise<ConsoleInput> {
    return serialInput(await this.#parts.directory.withSocketPath("serial", openSerialPort));
  }

  exec(request: ExecRequest, signal: AbortSignal): AsyncIterable<ExecOutput> {
    const { agent, clock } = this.#parts;
    if (agent === undefined) throw noGuestAgent(this.ref.guestUid);
    return execByAgent({ agent, clock }, request, signal);
  }

  /** Lets go of the monitor without touching the guest. `ended` then never resolves. */
  release(): void {
    this.#isOver = true;
    this.#stall.close();
    this.#cancelTrim();
    this.#parts.agent?.close();
    this.#parts.qmp.close();
  }

  #runStateOf(status: string): CopyRunState {
    if (RUNNING.includes(status)) return "running";
    if (status === "io-error" && this.#stall.trouble !== undefined) return "running";
    if (status === "inmigrate") return "incoming";
    if (status === "postmigrate") return "sent";
    if (status === "shutdown") return "ended";
    this.#hasReceived = this.#isIncoming;
    return this.#isIncoming ? "received" : "paused";
  }

  async #watchEnd(): Promise<CopyExit> {
    const { qmp, process, directory, cgroup, tap, user, clock } = this.#parts;
    await qmp.closed;
    if (this.#isOver) return await new Promise(() => undefined);
    this.#isOver = true;
    this.#stall.close();
    this.#cancelTrim();
    this.#parts.agent?.close();
    if (!(await process.isGoneWithin(END_TIMEOUT_MS))) {
      process.kill();
      await process.isGoneWithin(END_TIMEOUT_MS);
    }
    const errors = await directory.errors();
    this.#console.keepLastWords();
    const { oomKills } = cgroup;
    await cgroup.remove(clock);
    await tap.remove();
    await directory.remove();
    user?.end(this.ref);
    const [isDestroyed, isIncoming] = [this.#isDestroyed, this.#isIncoming];
    const told = { broken: this.#broken, lastWords: this.#console.lastWords(), oomKills };
    return exitOf({ errors, end: process.end, isDestroyed, isIncoming, ...told });
  }

  #take(event: QmpEvent): void {
    if (event.event === "BLOCK_IO_ERROR") this.#ioError = event;
    if (event.event === "STOP") void this.#endIfBroken();
    if (event.event === "RESUME") this.#stall.end();
    for (const listener of this.#listeners) listener();
    this.#onEvent();
  }

  /** A guest that the hypervisor can no longer run is over; its policy decides what follows. */
  async #endIfBroken(): Promise<void> {
    const found = await this.#parts.qmp.execute("query-status").catch(() => undefined);
    if (found === undefined) return;
    if (isWantOfRoom(found.status, this.#ioError)) return await this.#stall.begin();
    this.#broken = brokenBy(found.status, this.#ioError);
    if (this.#broken !== undefined) this.#parts.process.kill();
  }

  async #receivingAddress(): Promise<string | undefined> {
    const info = await this.#parts.qmp.execute("query-migrate");
    const [address] = info["socket-address"] ?? [];
    if (address?.port === undefined) return undefined;
    return `tcp:${this.#parts.migrationAdvertise}:${address.port}`;
  }

  #untilEvent(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#parts.clock.schedule(timeoutMs, resolve);
      this.#onEvent = () => {
        cancel();
        resolve();
      };
    });
  }

  #trimLater(): void {
    this.#cancelTrim = this.#parts.clock.schedule(CONSOLE_TRIM_MS, () => {
      this.#console.trim();
      this.#trimLater();
    });
  }
}

function refOf({ guestUid, epoch }: CopyRef): Record<string, string> {
  return { guestUid, epoch: String(epoch) };
}

function notReceived(ref: CopyRef) {
  const message = "the copy waits for a migration that has not arrived whole";
  return precondition("NOT_RECEIVED", message, refOf(ref));
}

function notIncoming(ref: CopyRef) {
  return precondition("COPY_NOT_INCOMING", "only an incoming copy listens", refOf(ref));
}

function notRunning(ref: CopyRef, run: CopyRunState) {
  return precondition("NOT_RUNNING", `the copy is ${run}: only a running one is sent`, refOf(ref));
}

function tooFewCpus(ref: CopyRef, vcpuCount: number) {
  const message = `the copy was launched with ${vcpuCount} vCPUs and cannot have more`;
  return precondition("NO_LIVE_RESIZE", message, refOf(ref));
}
