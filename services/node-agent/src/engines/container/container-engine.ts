/**
 * The engine port on an OCI runtime: guests that share the host's kernel, each in namespaces and a
 * control group of its own. Needs root, for it mounts and makes control groups; the guests have
 * none. ADR 0008 says why it is made this way.
 */
import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
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
import { sweepOrphanGroups } from "../orphan-groups.js";
import { roundedStart } from "../rounded-start.js";
import { bundleConfig } from "./bundle.js";
import { Cgroup, canLimitSwap } from "./cgroup.js";
import { ContainerCopy, cannotMove } from "./container-copy.js";
import { ContainerDirectory } from "./container-directory.js";
import { leadPorts } from "./container-network.js";
import { Holder, NO_HOLDER } from "./holder.js";
import { openFilesMax } from "./open-files.js";
import { type HostMeans, type Probed, probeMeans, whyNoNetwork } from "./probe.js";
import { RootfsStore } from "./rootfs-store.js";

export interface ContainerEngineOptions {
  /** Holds one directory for each copy, and the unpacked images. */
  readonly stateDir: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** The root file system that proves that containers run here. */
  readonly probeRootfs: string;
  /** IP address on which ports lead to guests; undefined = this host only. */
  readonly forwardHost?: string;
}

const LOCAL = "127.0.0.1";

/**
 * Where a holder mounts its container's root, in its own mount namespace: a path that the guests'
 * ids may walk, which those of the state directory need not be.
 */
export const ROOT_PATH = "/run/innkeeper/rootfs";
const PROBE_MEMORY_MIB = 16;
const NOT_LAUNCHED = { runtime: "runc", vcpuCount: 1, memoryMib: 1 } as const;

export function createContainerEngine(options: ContainerEngineOptions): Engine {
  return new ContainerEngine(options);
}

class ContainerEngine implements Engine {
  readonly #copies = new Map<string, ContainerCopy>();
  readonly #launching = new Set<string>();
  readonly #roots: RootfsStore;
  #probed: Promise<Probed> | undefined;
  /** How long the probe's container took from launch to its end. */
  #startMs: number | undefined;

  constructor(private readonly options: ContainerEngineOptions) {
    this.#roots = new RootfsStore(options.stateDir);
  }

  async probe(): Promise<EngineProbe> {
    this.#probed = undefined;
    await this.#roots.prune();
    sweepOrphanGroups({ nowMs: this.options.clock.nowMs() });
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
    } as const;
    const all = networkProblem === undefined ? problems : [...problems, networkProblem];
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
    const config = bundleConfig(launch, { rootPath, cgroupPath, ...host });
    const { runtime, storage } = means;
    try {
      const { vcpuCount, memoryMib } = launch;
      await directory.make({ config, launched: { runtime, vcpuCount, memoryMib } });
      await this.#roots.provide(directory, rootfsOf(launch), storage);
      await mkdir(rootPath, { recursive: true, mode: 0o755 });
      const isOverlay = storage === "overlay";
      const { forwards = [] } = launch.network ?? {};
      const hasNetwork = forwards.length > 0;
      const start = { directory, runtime, rootPath, isOverlay, hasNetwork, clock };
      const holder = await Holder.start(start);
      if (hasNetwork) await leadPorts(directory, forwards, this.options.forwardHost ?? LOCAL);
      return await this.#copyOf(directory, holder);
    } catch (error) {
      await cgroup.end(clock);
      await directory.remove();
      throw error;
    }
  }

  /** Without a holder the container has ended, and what it left is removed. */
  async #copyOf(directory: ContainerDirectory, holder: Holder | undefined): Promise<ContainerCopy> {
    const { clock, log } = this.options;
    const { name } = directory;
    const [pid, launched = NOT_LAUNCHED] = [await directory.pid(), await directory.launched()];
    const parts = { directory, pid, launched, clock, log, cgroup: new Cgroup(name) };
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
  if (launch.disks.length > 0) throw noDisks(launch.disks.length);
  rootfsOf(launch);
}

function rootfsOf({ boot }: CopyLaunch): string {
  if (boot.kind !== "rootfs") throw notBootable(boot.kind);
  return boot.rootfsPath;
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

function noDisks(count: number) {
  const message = "a container has no disks of its own yet: its files live on its node";
  return precondition("DISKS_NOT_SUPPORTED", message, { disks: String(count) });
}

function notBootable(kind: string) {
  return precondition("IMAGE_NOT_BOOTABLE", `a container boots no ${kind} images`, { kind });
}

function copyExists({ guestUid, epoch }: CopyRef) {
  const message = `copy ${guestUid}.${epoch} exists already`;
  return precondition("COPY_EXISTS", message, { guestUid, epoch: String(epoch) });
}
