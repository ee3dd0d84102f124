/**
 * The engine port on QEMU. Each copy is a process in a session and a directory of its own, found
 * again by name after a restart of the agent, whatever happened to it meanwhile.
 */
import {
  type Clock,
  type CopyLaunch,
  type CopyRef,
  type Engine,
  type EngineCopy,
  type EngineProbe,
  type EngineTemplates,
  type Logger,
  toDomainError,
  unavailable,
} from "@innkeeper/core";
import { copyName, listCopies } from "../copy-name.js";
import { GuestIds } from "../guest-ids.js";
import { whyNoNetLimit } from "../net-limit.js";
import { sweepOrphanGroups } from "../orphan-groups.js";
import { type ProbeResult, probeAcceleration } from "./acceleration-probe.js";
import { CopyCgroup, OVERHEAD_MIB, THREADS_MAX, whyNoCgroups } from "./copy-cgroup.js";
import { CopyDirectory } from "./copy-directory.js";
import { type CopySnapshotsParts, loadSnapshot } from "./copy-snapshots.js";
import { CopyTap } from "./copy-tap.js";
import { type CopyUser, CopyUsers } from "./copy-user.js";
import { EndedCopy } from "./ended-copy.js";
import { exitOf, lastError, tracedReason } from "./exit-reason.js";
import { GuestAgent, openAgentSocket } from "./guest-agent.js";
import { FIRST_DESCRIPTOR } from "./handed-files.js";
import { hostTscKhz } from "./host-tsc.js";
import { partsOf } from "./launch-parts.js";
import { copyExists, noBridge, noLiveMigration, noSuchMode } from "./launch-refusals.js";
import { type QemuMachine, qemuArguments } from "./machine.js";
import { isQemuMode, type QemuAcceleration } from "./modes.js";
import { QemuCopy, type QemuCopyParts } from "./qemu-copy.js";
import { QemuProcess } from "./qemu-process.js";
import { QEMU_PROGRAM, qemuVersion } from "./qemu-program.js";
import { QmpClient } from "./qmp-client.js";
import { QuickStarter, type TemplateUse } from "./quick-starter.js";
import { TAP_DESCRIPTOR } from "./tap-script.js";
import { isQuick } from "./template-key.js";
import type { TemplateShelfOptions } from "./template-shelf.js";

export interface QemuEngineOptions {
  /** Holds one directory for each copy. */
  readonly stateDir: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Address on which migrations are received. */
  readonly migrationHost: string;
  /** Where the other nodes find that address; undefined = the same. */
  readonly migrationAdvertise?: string;
  /** IP address on which ports lead to guests; undefined = this host only. */
  readonly forwardHost?: string;
  /** Bridge of the host that guests may be on; undefined = none. */
  readonly bridge?: string | undefined;
  /** Where the users of guests come from; undefined = the ids that are so by default. */
  readonly guestIds?: GuestIds;
  /** Holds a directory of disks for each guest; undefined = disks are plugged from nowhere. */
  readonly disksDirectory?: string;
  /** The tiny guest that proves acceleration. */
  readonly probeKernel: string;
  /** The disk that firmware boots it from. */
  readonly probeDisk: string;
  /** Keeps the result of the probe; undefined = probe each time. */
  readonly probeCacheFile?: string;
  /** Undefined: guests always boot. */
  readonly templates?: Omit<TemplateShelfOptions, "log">;
}

/** How long QEMU may take until its monitor answers. */
const MONITOR_TIMEOUT_MS = 20_000;
const MONITOR_POLL_MS = 2;

export function createQemuEngine(options: QemuEngineOptions): Engine {
  return new QemuEngine(options);
}

type StartParts = Pick<QemuMachine, "mode" | "acceleration"> & {
  readonly template: TemplateUse | undefined;
  readonly directory: CopyDirectory;
};

class QemuEngine implements Engine {
  readonly #copies = new Map<string, QemuCopy>();
  readonly #tscKhz = hostTscKhz();
  readonly #users: CopyUsers;
  /** Undefined: guests always boot. */
  readonly #quick: QuickStarter | undefined;
  #probed: Promise<ProbeResult & { readonly version: string }> | undefined;

  constructor(private readonly options: QemuEngineOptions) {
    const { guestIds: ids = new GuestIds(), disksDirectory, stateDir: stateDirectory } = options;
    this.#users = new CopyUsers({ ids, disksDirectory, stateDirectory });
    const { templates: shelf, clock, log } = options;
    this.#quick =
      shelf &&
      new QuickStarter({
        shelf,
        clock,
        log,
        launch: async (launch, template) =>
          await this.#launch(launch, await this.#proved(), template),
      });
  }

  get templates(): EngineTemplates | undefined {
    return this.#quick;
  }

  async probe(): Promise<EngineProbe> {
    this.#probed = undefined;
    sweepOrphanGroups({ nowMs: this.options.clock.nowMs() });
    this.#users.sweep(this.options.clock.nowMs());
    try {
      const { acceleration, modes, startMs, problems, version } = await this.#probeOnce();
      if (acceleration === undefined) return { abilities: [], problems };
      this.#quick?.open({ version, acceleration, tscKhz: this.#tscKhz });
      const noCgroups = whyNoCgroups();
      const noRates = this.options.bridge === undefined ? NO_BRIDGE : await whyNoNetLimit();
      const ability = { engine: "qemu", engineVersion: version, acceleration } as const;
      const abilities = modes.map((mode) => {
        // What moves is memory: a guest that needs a disk stays where that is.
        const canMove = { canLiveMigrate: mode !== "full", canPause: true };
        const canSet = { canSetCpu: noCgroups === undefined, canSetMemory: mode !== "full" };
        const isVirtio = mode !== "full";
        const canChange = { canAttachDisks: mode === "hybrid", canGrowDisks: isVirtio };
        const canKeep = { canSnapshot: true, canSnapshotMemory: isVirtio };
        const rest = { ...canChange, ...canKeep, canForward: true, startMs: startMs[mode] };
        const network = noRates === undefined ? { canLimitNetwork: true } : {};
        return { ...ability, mode, ...canMove, ...canSet, ...rest, ...network };
      });
      const shared = whatIsShared(noCgroups, this.#users.whyNot, noRates);
      return { abilities, problems: [...problems, ...shared] };
    } catch (error) {
      return { abilities: [], problems: [toDomainError(error).message] };
    }
  }

  async launch(launch: CopyLaunch): Promise<EngineCopy> {
    const acceleration = await this.#proved();
    const quick = this.#quick?.isOpen === true ? this.#quick : undefined;
    if (quick !== undefined && isQuick(launch)) return await quick.launch(launch);
    return await this.#launch(launch, acceleration);
  }

  async adopt(ref: CopyRef): Promise<EngineCopy | undefined> {
    const directory = this.#directory(ref);
    if (!(await directory.exists())) return undefined;
    const { clock } = this.options;
    const process = await QemuProcess.find(directory, clock);
    if (process === undefined) return await this.#buryUnwatched(directory);
    try {
      const qmp = await this.#connect(directory, process);
      const isIncoming = await directory.isMarkedIncoming();
      const user = await this.#userOf(directory);
      return this.#track(this.#copyOf({ directory, process, qmp, isIncoming, user }));
    } catch (error) {
      this.options.log.warn({ ...ref, error }, "a copy without a monitor is ended");
      process.kill();
      await process.isGoneWithin(MONITOR_TIMEOUT_MS);
      return await this.#buryUnwatched(directory);
    }
  }

  async list(): Promise<readonly CopyRef[]> {
    return await listCopies(this.options.stateDir);
  }

  close(): Promise<void> {
    this.#quick?.close();
    for (const copy of this.#copies.values()) copy.release();
    this.#copies.clear();
    return Promise.resolve();
  }

  /** @throws `unavailable` with what does not work. */
  async #proved(): Promise<QemuAcceleration> {
    const { acceleration, problems } = await this.#probeOnce();
    if (acceleration === undefined) throw unavailable("engine", problems.join("; "));
    return acceleration;
  }

  #probeOnce(): Promise<ProbeResult & { readonly version: string }> {
    this.#probed ??= this.#probe();
    return this.#probed;
  }

  async #probe(): Promise<ProbeResult & { readonly version: string }> {
    const version = await qemuVersion();
    const { clock, probeKernel: kernelPath, probeDisk: diskPath } = this.options;
    const { probeCacheFile: cacheFile } = this.options;
    const launch = (probe: CopyLaunch, acceleration: QemuAcceleration): Promise<EngineCopy> =>
      this.#launch(probe, acceleration);
    const hasUsers = this.#users.whyNot === undefined;
    const parts = { clock, kernelPath, diskPath, cacheFile, version, hasUsers, launch };
    return { version, ...(await probeAcceleration(parts)) };
  }

  async #launch(
    launch: CopyLaunch,
    acceleration: QemuAcceleration,
    template?: TemplateUse,
  ): Promise<QemuCopy> {
    const { mode, isIncoming } = launch;
    if (!isQemuMode(mode)) throw noSuchMode(mode);
    if (isIncoming && launch.disks.length > 0) throw noLiveMigration(launch);
    const directory = this.#directory(launch);
    if (this.#copies.has(copyName(launch))) throw copyExists(launch);
    try {
      return await this.#start(launch, { directory, mode, acceleration, template });
    } catch (error) {
      await this.#remove(directory);
      throw error;
    }
  }

  async #start(launch: CopyLaunch, parts: StartParts): Promise<QemuCopy> {
    const { clock } = this.options;
    const { directory, acceleration } = parts;
    const { isIncoming } = launch;
    const user = await this.#prepare(launch, directory);
    const tap = await this.#tapFor(launch);
    const handed = user?.handOver(launch) ?? { launch, directories: [] };
    const { role, statePath } = parts.template ?? {};
    const stateDescriptor = FIRST_DESCRIPTOR + handed.directories.length;
    const machine = { ...parts, template: role, stateDescriptor };
    const command = this.#command(handed.launch, { ...machine, user, tap });
    const opened = [...handed.directories, ...(statePath === undefined ? [] : [statePath])];
    const process = await QemuProcess.start({ command, opened, directory, clock });
    try {
      await directory.noteProcess(process.pid, handed.directories);
      const limited = this.#limit(launch, process.pid, acceleration);
      const qmp = await this.#connect(directory, process).finally(() => limited);
      if (user !== undefined) await directory.close();
      await resumeMemory({ qmp, clock }, handed.launch);
      const { cpuMillis } = launch;
      return this.#track(this.#copyOf({ directory, process, qmp, isIncoming, user, cpuMillis }));
    } catch (error) {
      process.kill();
      await process.isGoneWithin(MONITOR_TIMEOUT_MS);
      throw error;
    }
  }

  /** A directory with all that QEMU finds there, and the user who may. */
  async #prepare(launch: CopyLaunch, directory: CopyDirectory): Promise<CopyUser | undefined> {
    await directory.remove();
    const user = this.#users.take(directory.path);
    await directory.make(user?.id);
    if (launch.isIncoming) await directory.markIncoming();
    for (const { name, bytes } of partsOf(launch, this.options.clock)) {
      await directory.write(name, bytes, user?.id);
    }
    return user;
  }

  /** The program and arguments that become the copy's QEMU. */
  #command(
    launch: CopyLaunch,
    machine: Omit<QemuMachine, "tap" | "tscKhz"> & {
      readonly user?: CopyUser | undefined;
      readonly tap?: string | undefined;
    },
  ): readonly string[] {
    const { user, tap: name } = machine;
    const { forwardHost } = this.options;
    const descriptor = user === undefined ? undefined : TAP_DESCRIPTOR;
    const tap = name === undefined ? undefined : { name, descriptor };
    const args = qemuArguments(launch, { ...machine, tscKhz: this.#tscKhz, forwardHost, tap });
    const qemu = [QEMU_PROGRAM, ...args];
    return user?.command(qemu, { ...launch, tap: name }) ?? qemu;
  }

  async #userOf(directory: CopyDirectory): Promise<CopyUser | undefined> {
    return this.#users.known(directory.path, await directory.userId());
  }

  /** @throws `precondition` (NO_BRIDGE) where there is none. */
  async #tapFor(launch: CopyLaunch): Promise<string | undefined> {
    if (launch.network?.ipAddress === undefined) return undefined;
    const { bridge } = this.options;
    if (bridge === undefined) throw noBridge(launch);
    const tap = new CopyTap(copyName(launch));
    await tap.make(bridge, launch.limits);
    return tap.name;
  }

  /** Without a group the guest runs all the same: the node has told that it cannot limit it. */
  async #limit(launch: CopyLaunch, pid: number, acceleration: QemuAcceleration): Promise<void> {
    const { cpuMillis, memoryMib, vcpuCount } = launch;
    const memoryMibMax = memoryMib + OVERHEAD_MIB[acceleration];
    const limits = { cpuMillis, memoryMibMax, threadsMax: vcpuCount + THREADS_MAX };
    const cgroup = new CopyCgroup(copyName(launch));
    try {
      if (whyNoCgroups() === undefined) await cgroup.make(pid, limits);
    } catch (error) {
      const { guestUid, epoch } = launch;
      this.options.log.warn({ guestUid, epoch, error }, "what a guest takes is not limited");
    }
  }

  async #remove(directory: CopyDirectory): Promise<void> {
    await new CopyCgroup(copyName(directory.ref)).remove(this.options.clock);
    await new CopyTap(copyName(directory.ref)).remove();
    const user = await this.#userOf(directory);
    await directory.remove();
    user?.end(directory.ref);
  }

  #directory({ guestUid, epoch }: CopyRef): CopyDirectory {
    return new CopyDirectory(this.options.stateDir, { guestUid, epoch });
  }

  #copyOf(parts: KnownParts): QemuCopy {
    const { clock, migrationHost, migrationAdvertise = migrationHost } = this.options;
    const name = copyName(parts.directory.ref);
    const [cgroup, tap] = [new CopyCgroup(name), new CopyTap(name)];
    const agent = this.#agentOf(parts.directory);
    return new QemuCopy({ ...parts, agent, cgroup, tap, clock, migrationHost, migrationAdvertise });
  }

  #agentOf(directory: CopyDirectory): GuestAgent | undefined {
    if (!directory.hasAgentSocket) return undefined;
    const open = () => directory.withSocketPath("agent", openAgentSocket);
    return new GuestAgent(open, this.options.clock);
  }

  #track(copy: QemuCopy): QemuCopy {
    const name = copyName(copy.ref);
    this.#copies.set(name, copy);
    void copy.ended.then(() => this.#copies.delete(name));
    return copy;
  }

  /** @throws `unavailable` with QEMU's last words when it ends before its monitor answers. */
  async #connect(directory: CopyDirectory, process: QemuProcess): Promise<QmpClient> {
    const { clock } = this.options;
    const deadlineMs = clock.monotonicMs() + MONITOR_TIMEOUT_MS;
    const open = (): Promise<QmpClient | undefined> =>
      directory.withSocketPath("monitor", (address) => QmpClient.open(address));
    let qmp = await open();
    while (qmp === undefined) {
      if (await process.isGoneWithin(MONITOR_POLL_MS)) throw await neverAnswered(directory);
      if (clock.monotonicMs() > deadlineMs) throw unavailable("engine", "its monitor is silent");
      qmp = await open();
    }
    try {
      await qmp.negotiate();
      return qmp;
    } catch {
      qmp.close();
      throw await neverAnswered(directory);
    }
  }

  /** The process is gone: what it left is removed, and told if it left word. */
  async #buryUnwatched(directory: CopyDirectory): Promise<EngineCopy | undefined> {
    const errors = await directory.errors();
    const isIncoming = await directory.isMarkedIncoming();
    await this.#remove(directory);
    if (tracedReason(errors) === undefined) return undefined;
    const exit = exitOf({ errors, end: undefined, isDestroyed: false, isIncoming });
    return new EndedCopy(directory.ref, exit);
  }
}

type KnownParts = Pick<
  QemuCopyParts,
  "directory" | "process" | "qmp" | "isIncoming" | "user" | "cpuMillis"
>;

/** The machine goes on where its memory was written. */
async function resumeMemory(parts: CopySnapshotsParts, { restore }: CopyLaunch): Promise<void> {
  if (restore?.statePath === undefined) return;
  await loadSnapshot(parts, { uid: restore.uid, statePath: restore.statePath });
  await parts.qmp.execute("cont");
}

/** Without one there is nothing to limit, and nothing to complain about. */
const NO_BRIDGE = "no bridge";

function whatIsShared(
  noCgroups: string | undefined,
  noUsers: string | undefined,
  noRates: string | undefined,
): string[] {
  const hasRates = noRates === undefined || noRates === NO_BRIDGE;
  return [
    ...(hasRates ? [] : [`qemu: the network rate of guests cannot be limited: ${noRates}`]),
    ...(noCgroups ? [`qemu: the CPU time of guests is not limited: ${noCgroups}`] : []),
    ...(noUsers ? [`qemu: all guests run as the agent's user: ${noUsers}`] : []),
  ];
}

async function neverAnswered(directory: CopyDirectory) {
  const why = lastError(await directory.errors()) || "it ended before its monitor answered";
  return unavailable("engine", why);
}
