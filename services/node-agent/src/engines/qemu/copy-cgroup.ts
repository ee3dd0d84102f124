/**
 * The control group of one QEMU process, in version 1 (a directory in each hierarchy) or version 2
 * (one directory): it caps CPU time, memory and threads, and counts what the guest takes.
 *
 * G1 A process that is not in its group yet, or a host without groups, runs as before: without.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import path from "node:path";
import type { Clock, CopyUsage } from "@innkeeper/core";
import type { QemuAcceleration } from "./modes.js";

export const CGROUP_ROOT = "/sys/fs/cgroup";
/** All groups of ours are below this one. */
const PARENT = "innkeeper";
/** What a version 1 group consists of. */
const HIERARCHIES = ["cpu", "cpuacct", "memory", "pids"] as const;
/** What a version 2 group needs. */
const CONTROLLERS = "+cpu +memory +pids";

const CPU_PERIOD_US = 100_000;
const SHARES_PER_CPU = 1024;
const SHARES = { min: 2, max: 262_144 };
const WEIGHT_MAX = 10_000;
/** What a process of the host weighs in version 2. */
const WEIGHT_PER_CPU = 100;
const MIB = 1024 * 1024;
/**
 * What QEMU itself may take beside the guest's memory: buffers of devices and migrations, and up to
 * a GiB of code that was translated where it emulates the CPU.
 */
export const OVERHEAD_MIB: Readonly<Record<QemuAcceleration, number>> = { kvm: 512, tcg: 1536 };
/** Threads of one QEMU: virtual CPUs come on top. Workers of its disks are the most of them. */
export const THREADS_MAX = 256;
const POLL_MS = 2;
const REMOVE_TIMEOUT_MS = 2_000;

/** Why groups cannot be made on this host; undefined when they can. */
export function whyNoCgroups(root: string = CGROUP_ROOT): string | undefined {
  try {
    const version = versionOf(root);
    if (version === undefined) return `there are no control groups in ${root}`;
    for (const parent of parents(root, version)) mkdirSync(parent, { recursive: true });
    const files = [path.join(root, "cgroup.subtree_control")];
    if (version === 2) files.push(path.join(root, PARENT, "cgroup.subtree_control"));
    else files.length = 0;
    for (const file of files) writeFileSync(file, CONTROLLERS);
    for (const parent of parents(root, version)) weighParent(parent);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

export interface CgroupLimits {
  readonly cpuMillis: number;
  /** Of the whole process: a guest that makes QEMU take more is ended for it. */
  readonly memoryMibMax: number;
  readonly threadsMax: number;
}

export class CopyCgroup {
  readonly #directories: readonly string[];

  constructor(name: string, root: string = CGROUP_ROOT) {
    const version = versionOf(root);
    const all = version === undefined ? [] : parents(root, version);
    this.#directories = all.map((parent) => path.join(parent, name));
  }

  get exists(): boolean {
    return this.#directories.some((each) => existsSync(each));
  }

  /**
   * The kernel takes milliseconds to move a process: nobody else need wait for it. @throws what the
   * file system says.
   */
  async make(pid: number, { cpuMillis, memoryMibMax, threadsMax }: CgroupLimits): Promise<void> {
    for (const directory of this.#directories) mkdirSync(directory, { recursive: true });
    this.setCpu(cpuMillis);
    const memory = String(memoryMibMax * MIB);
    this.#write("memory.limit_in_bytes", memory);
    this.#write("memory.max", memory);
    this.#write("pids.max", String(threadsMax));
    const files = this.#directories.map((directory) => path.join(directory, "cgroup.procs"));
    await Promise.all(files.map((file) => writeFile(file, String(pid))));
  }

  /** The share is also the cap. @throws what the file system says. */
  setCpu(cpuMillis: number): void {
    const quotaUs = Math.round((cpuMillis * CPU_PERIOD_US) / 1000);
    const asked = Math.round((cpuMillis * SHARES_PER_CPU) / 1000);
    const shares = Math.min(Math.max(asked, SHARES.min), SHARES.max);
    this.#write("cpu.cfs_period_us", String(CPU_PERIOD_US));
    this.#write("cpu.cfs_quota_us", String(quotaUs));
    this.#write("cpu.shares", String(shares));
    this.#write("cpu.max", `${quotaUs} ${CPU_PERIOD_US}`);
    this.#write("cpu.weight", String(weightOf(shares)));
  }

  /** Until the next `setCpu` it may take what others leave; its share of what is scarce stays. */
  liftCpuCap(): void {
    this.#write("cpu.cfs_quota_us", "-1");
    this.#write("cpu.max", `max ${CPU_PERIOD_US}`);
  }

  /** How often the kernel has ended the process for want of memory. */
  get oomKills(): number {
    const version1 = this.#read("memory.oom_control");
    return numberAfter("oom_kill", `${version1}\n${this.#read("memory.events")}`) ?? 0;
  }

  /** Undefined where nobody counts. Memory is what the process holds, not what files it reads. */
  usage(): CopyUsage | undefined {
    const nanoseconds = this.#read("cpuacct.usage");
    const cpuMs = nanoseconds
      ? Number(nanoseconds) / 1_000_000
      : (numberAfter("usage_usec", this.#read("cpu.stat")) ?? Number.NaN) / 1000;
    const stat = this.#read("memory.stat");
    const bytes = numberAfter("total_rss", stat) ?? numberAfter("anon", stat);
    if (bytes === undefined || Number.isNaN(cpuMs)) return undefined;
    return { cpuMs: Math.floor(cpuMs), memoryMib: Math.ceil(bytes / MIB) };
  }

  /** Once its process is gone. A group that stays is left to the next attempt. */
  async remove(clock: Clock): Promise<void> {
    const deadlineMs = clock.monotonicMs() + REMOVE_TIMEOUT_MS;
    while (!this.#isRemoved() && clock.monotonicMs() < deadlineMs) {
      await new Promise<void>((resolve) => {
        clock.schedule(POLL_MS, resolve);
      });
    }
  }

  #isRemoved(): boolean {
    for (const directory of this.#directories) {
      try {
        rmdirSync(directory);
      } catch {
        // It is not there, or the kernel has not let go of its process yet.
      }
    }
    return !this.exists;
  }

  /** A file of the other version, or of another hierarchy, is not there. */
  #write(file: string, text: string): void {
    for (const directory of this.#directories) writeIfThere(path.join(directory, file), text);
  }

  #read(file: string): string {
    for (const directory of this.#directories) {
      try {
        return readFileSync(path.join(directory, file), "utf8");
      } catch {
        // Another hierarchy has it, or none.
      }
    }
    return "";
  }
}

/** All guests together weigh as much as all CPUs: else they would as one process of the host. */
function weighParent(parent: string): void {
  const shares = Math.min(cpus().length * SHARES_PER_CPU, SHARES.max);
  const weight = Math.min(cpus().length * WEIGHT_PER_CPU, WEIGHT_MAX);
  writeIfThere(path.join(parent, "cpu.shares"), String(shares));
  writeIfThere(path.join(parent, "cpu.weight"), String(weight));
}

function writeIfThere(file: string, text: string): void {
  if (existsSync(file)) writeFileSync(file, text);
}

function versionOf(root: string): 1 | 2 | undefined {
  if (HIERARCHIES.every((each) => existsSync(path.join(root, each)))) return 1;
  return existsSync(path.join(root, "cgroup.controllers")) ? 2 : undefined;
}

function parents(root: string, version: 1 | 2): string[] {
  if (version === 2) return [path.join(root, PARENT)];
  return HIERARCHIES.map((each) => path.join(root, each, PARENT));
}

/** The kernel's own translation of shares (2 to 262144) to weights (1 to 10000). */
function weightOf(shares: number): number {
  return 1 + Math.floor(((shares - SHARES.min) * (WEIGHT_MAX - 1)) / (SHARES.max - SHARES.min));
}

function numberAfter(word: string, text: string): number | undefined {
  const [, digits] = new RegExp(`^${word} ([0-9]+)$`, "m").exec(text) ?? [];
  return digits === undefined ? undefined : Number(digits);
}
