/**
 * The engine port on an OCI runtime: guests that share the host's kernel, each in namespaces and a
 * control group of its own. Needs root, for it mounts and makes control groups; the guests have
 * none. ADR 0008 says why it is made this way.
 */
import { randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import {
  type Clock,
  type CopyLaunch,
  type CopyRef,
  type Engine,
  type EngineCopy,
  type EngineProbe,
  type Logger,
  precondition,
  unavailable,
} from "@innkeeper/core";
import { copyName, listCopies } from "../copy-name.js";
import { GuestIds, type IdRange } from "../guest-ids.js";
import { whyNoNetLimit } from "../net-limit.js";
import { sweepOrphanGroups } from "../orphan-groups.js";
import { roundedStart } from "../rounded-start.js";
import { bundleConfig, diskMountPoint } from "./bundle.js";
import { Cgroup, canLimitSwap } from "./cgroup.js";
import { ContainerCopy, cannotMove } from "./container-copy.js";
import { ContainerDirectory, type Launched } from "./container-directory.js";
import { leadPorts } from "./container-network.js";
import { ContainerVeth } from "./container-veth.js";
import { Holder, type HolderDisk, type HolderTerminal, NO_HOLDER } from "./holder.js";
import { openFilesMax } from "./open-files.js";
import { type HostMeans, type Probed, probeMeans, whyNoNetwork } from "./probe.js";
import { RootfsStore, type RootStorage } from "./rootfs-store.js";

export interface ContainerEngineOptions {
  /** Holds one directory for each copy, and the unpacked images. */
  readonly stateDir: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** The root file system that proves that containers run here. */
  readonly probeRootfs: string;
  /** IP address on which ports lead to guests; undefined = this host only. */
  readonly forwardHost?: string;
  /** Bridge of the host that guests may be on; undefined = none. */
  readonly bridge?: string | undefined;
  /** Where the user ids of guests come from; undefined = the ids that are so by default. */
  readonly guestIds?: GuestIds;
  /** What a container may write that does not say how much, in MiB; undefined = 1024. */
  readonly diskMib?: number;
}

const DISK_MIB = 1024;
const LOCAL = "127.0.0.1";

/**
 * Where a holder mounts its container's root, in its own mount namespace: a path that the guests'
 * ids may walk, which those of the state directory need not be.
 */
export const ROOT_PATH = "/run/innkeeper/rootfs";
/** And where the terminal of one that has one, likewise. */
const CONSOLE_PATH = "/run/innkeeper/console";
const PROBE_MEMORY_MIB = 16;
const NOT_LAUNCHED: Launched = { runtime: "runc", vcpuCount: 1, memoryMib: 1 };

export function createContainerEngine(options: ContainerEngineOptions): Engine {
  return new ContainerEngine(options);
}

class ContainerEngine implements Engine {
  readonly #copies = new Map<string, ContainerCopy>();
  readonly #launching = new Set<string>();
  readonly #roots: RootfsStore;
  readonly #ids: GuestIds;
  #probed: Promise<Probed> | undefined;
  /** How long the probe's container took from launch to its end. */
  #startMs: number | undefined;

  constructor(private readonly options: ContainerEngineOptions) {
    this.#ids = options.guestIds ?? new GuestIds();
    this.#roots = new RootfsStore(options.stateDir, this.#ids.ofImages);
  }

  async probe(): Promise<EngineProbe> {
    this.#probed = undefined;
    await this.#roots.prune();
    sweepOrphanGroups({ nowMs: this.options.clock.nowMs() });
    this.#ids.sweep(this.options.clock.nowMs());
    const { means, problems } = await this.#probeOnce();
    if (means === undefined) return { abilities: [], problems };
    const networkProblem = await whyNoNetwork();
    const ability = {
      engine: "container",
      engineVersion: `${means.runtime} ${means.version ?? "unknown"}`,
      mode: "container",
      acceleration: "none",
      canLiveMigrate: false,
      canPause: true,
      canSetCpu: true,
      canSetMemory: true,
      startMs: this.#startMs,
      ...(networkProblem === undefined ? { canForward: true } : {}),
      ...(await this.#canLimitNetwork()),
    } as const;
    const all = [...problems, ...(networkProblem === undefined ? [] : [networkProblem])];
    if (means.storage === "plain") all.push(DISK_UNLIMITED);
    return { abilities: [ability], problems: all };
  }

  async launch(launch: CopyLaunch): Promise<EngineCopy> {
    refuseWhatItCannot(launch);
    const { means, problems } = await this.#probeOnce();
    if (means === undefined) throw unavailable("engine", problems.join("; "));
    return await this.#launch(launch, means);
  }

  async adopt(ref: CopyRef): Promise<EngineCopy | undefined> {
    const directory = this.#directory(ref);
    const known = this.#copies.get(directory.name);
    if (known !== undefined) return known;
    if (!(await directory.exists())) return undefined;
    const holder = Holder.find(directory);
    const copy = await this.#copyOf(directory, holder);
    if (holder !== undefined) return copy;
    await copy.ended;
    return copy.pid === undefined ? undefined : copy;
  }

  async list(): Promise<readonly CopyRef[]> {
    return await listCopies(this.options.stateDir);
  }

  close(): Promise<void> {
    for (const copy of this.#copies.values()) copy.release();
    this.#copies.clear();
    return Promise.resolve();
  }

  /** What the engine for QEMU complains about where both are offered. */
  async #canLimitNetwork(): Promise<{ canLimitNetwork?: true }> {
    if (this.options.bridge === undefined) return {};
    return (await whyNoNetLimit()) === undefined ? { canLimitNetwork: true } : {};
  }

  #probeOnce(): Promise<Probed> {
    this.#probed ??= probeMeans(async (means) => {
      const { clock, probeRootfs } = this.options;
      const startedMs = clock.monotonicMs();
      const copy = await this.#launch(probeLaunch(probeRootfs), means);
      const exit = await copy.ended;
      this.#startMs = roundedStart(clock.monotonicMs() - startedMs);
      return exit;
    });
    return this.#probed;
  }

  async #launch(launch: CopyLaunch, means: HostMeans): Promise<ContainerCopy> {
    const name = copyName(launch);
    if (this.#launching.has(name)) throw copyExists(launch);
    this.#launching.add(name);
    try {
      await this.adopt(launch);
      if (this.#copies.has(name)) throw copyExists(launch);
      return await this.#launchAnew(launch, means);
    } finally {
      this.#launching.delete(name);
    }
  }

  async #launchAnew(launch: CopyLaunch, means: HostMeans): Promise<ContainerCopy> {
    const { clock } = this.options;
    const directory = this.#directory(launch);
    const cgroup = new Cgroup(directory.name);
    const [rootPath, cgroupPath] = [ROOT_PATH, cgroup.path];
    const host = { canLimitSwap: canLimitSwap(), openFilesMax: openFilesMax() };
    const { runtime, storage } = means;
    const isSystemd = launch.boot.kind === "rootfs" && launch.boot.isSystemd === true;
    const own = this.#ids.take(directory.path);
    try {
      const terminal = isSystemd ? { consolePath: CONSOLE_PATH } : {};
      const options = { rootPath, cgroupPath, ids: own, ...host, ...terminal };
      const config = bundleConfig(launch, options);
      const { vcpuCount, memoryMib } = launch;
      const disks = launch.disks.map(({ name, sizeMib }) => ({ name, sizeMib }));
      const size = { vcpuCount, memoryMib };
      const launched = { runtime, ...size, firstId: own.firstId, isSystemd, disks };
      await directory.make({ config, launched });
      if (launch.seed !== undefined) await directory.makeSeed(launch.seed, own);
      const diskMib = this.#diskMibOf(launch, storage);
      await this.#roots.provide(directory, rootfsOf(launch), { storage, own, diskMib });
      await mkdir(rootPath, { recursive: true, mode: 0o755 });
      const { forwards = [] } = launch.network ?? {};
      const hasNetwork = forwards.length > 0;
      const holder = await Holder.start({
        ...{ directory, runtime, rootPath, isOverlay: storage === "overlay", hasNetwork, clock },
        ids: { own, ofImages: this.#ids.ofImages },
        terminal: isSystemd ? await makeTerminal(cgroup, own) : undefined,
        disks: await mountPointsOf(launch, storage),
      });
      if (hasNetwork) await leadPorts(directory, forwards, this.options.forwardHost ?? LOCAL);
      if (holder !== undefined) await this.#connect(launch, directory);
      return await this.#copyOf(directory, holder);
    } catch (error) {
      await cgroup.end(clock);
      await Holder.find(directory)?.gone;
      await new ContainerVeth(directory.name).remove();
      await directory.remove();
      this.#ids.free(own, directory.path);
      throw error;
    }
  }

  /** @throws `precondition` (NO_BRIDGE) where there is none. */
  async #connect(launch: CopyLaunch, directory: ContainerDirectory): Promise<void> {
    if (launch.network?.ipAddress === undefined) return;
    const { bridge } = this.options;
    if (bridge === undefined) throw noBridge(launch);
    const pid = await directory.pid();
    if (pid !== undefined) await new ContainerVeth(directory.name).make(bridge, pid, launch);
  }

  #diskMibOf({ diskMib = 0 }: CopyLaunch, storage: RootStorage): number {
    if (diskMib > 0 && storage === "plain") throw diskNotLimited(diskMib);
    return diskMib || (this.options.diskMib ?? DISK_MIB);
  }

  /** Without a holder the container has ended, and what it left is removed. */
  async #copyOf(directory: ContainerDirectory, holder: Holder | undefined): Promise<ContainerCopy> {
    const { clock, log } = this.options;
    const { name } = directory;
    const [pid, launched = NOT_LAUNCHED] = [await directory.pid(), await directory.launched()];
    const range = launched.firstId === undefined ? undefined : this.#ids.rangeAt(launched.firstId);
    const freeIds = (): void => {
      if (range !== undefined) this.#ids.free(range, directory.path);
    };
    const [cgroup, veth] = [new Cgroup(name), new ContainerVeth(name)];
    const parts = { directory, pid, launched, clock, log, cgroup, veth, freeIds };
    const copy = new ContainerCopy({ ...parts, holder: holder ?? NO_HOLDER });
    this.#copies.set(name, copy);
    void copy.ended.then(() => this.#copies.delete(name));
    return copy;
  }

  #directory({ guestUid, epoch }: CopyRef): ContainerDirectory {
    return new ContainerDirectory(this.options.stateDir, { guestUid, epoch });
  }
}

/** @throws `precondition` naming what containers have not. */
function refuseWhatItCannot(launch: CopyLaunch): void {
  if (launch.mode !== "container") throw noSuchMode(launch.mode);
  if (launch.isIncoming) throw cannotMove(launch);
  for (const { format } of launch.disks) if (format !== "raw") throw noFileSystem(format);
  rootfsOf(launch);
}

function rootfsOf({ boot }: CopyLaunch): string {
  if (boot.kind !== "rootfs") throw notBootable(boot.kind);
  return boot.rootfsPath;
}

async function makeTerminal(cgroup: Cgroup, own: IdRange): Promise<HolderTerminal> {
  await writeFile(CONSOLE_PATH, "", { flag: "a" });
  return { path: CONSOLE_PATH, groupFile: cgroup.delegate(own) };
}

/** @throws `precondition` where the host cannot mount them as the container's own. */
async function mountPointsOf(
  { disks }: CopyLaunch,
  storage: RootStorage,
): Promise<readonly HolderDisk[]> {
  if (disks.length > 0 && storage === "plain") throw noMappedMounts(disks.length);
  return await Promise.all(
    disks.map(async ({ path }, index) => {
      await mkdir(diskMountPoint(index), { recursive: true, mode: 0o755 });
      return { path, mountPoint: diskMountPoint(index) };
    }),
  );
}

/** Ends at once, when it runs at all. */
function probeLaunch(rootfsPath: string): CopyLaunch {
  return {
    guestUid: randomUUID(),
    epoch: 1,
    mode: "container",
    vcpuCount: 1,
    cpuMillis: 1000,
    memoryMib: PROBE_MEMORY_MIB,
    boot: { kind: "rootfs", rootfsPath, command: ["/bin/true"], commandLine: "" },
    disks: [],
    isIncoming: false,
  };
}

function noSuchMode(mode: string) {
  return precondition("MODE_NOT_SUPPORTED", `a container is no guest in ${mode} mode`, { mode });
}

const DISK_UNLIMITED =
  "container: what guests write is not limited: this host mounts no images with other user ids";

function noMappedMounts(count: number) {
  const message = "this node gives containers no disks: it mounts nothing with other user ids";
  return precondition("DISKS_NOT_SUPPORTED", message, { disks: String(count) });
}

function diskNotLimited(diskMib: number) {
  const message = `this node cannot hold a container to ${diskMib} MiB: ${DISK_UNLIMITED}`;
  return precondition("DISKS_NOT_SUPPORTED", message, { diskMib: String(diskMib) });
}

function noBridge({ guestUid }: CopyRef) {
  const message = "this node offers no bridge that the guest could be on";
  return precondition("NO_BRIDGE", message, { guestUid });
}

function noFileSystem(format: string) {
  const message = "a container has no driver for a disk: it needs a file system in a raw file";
  return precondition("DISKS_NOT_SUPPORTED", message, { format });
}

function notBootable(kind: string) {
  return precondition("IMAGE_NOT_BOOTABLE", `a container boots no ${kind} images`, { kind });
}

function copyExists({ guestUid, epoch }: CopyRef) {
  const message = `copy ${guestUid}.${epoch} exists already`;
  return precondition("COPY_EXISTS", message, { guestUid, epoch: String(epoch) });
}
