/**
 * The control group of one copy, in version 1 (a directory in each hierarchy) and version 2 (one
 * directory). The runtime makes and fills it; here it is read and, at the end, emptied and removed.
 *
 * G1 After `end` no process of the guest runs and no directory of the group exists: what is frozen
 *    is thawed first, for a frozen process cannot die.
 */
import { existsSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type Clock, unavailable } from "@innkeeper/core";

export const CGROUP_ROOT = "/sys/fs/cgroup";
/** All groups of ours are below this one. */
const PARENT = "innkeeper";
const POLL_MS = 2;
const END_TIMEOUT_MS = 10_000;

export class Cgroup {
  /** As the runtime is told. */
  readonly path: string;

  constructor(
    readonly name: string,
    private readonly root: string = CGROUP_ROOT,
  ) {
    this.path = `/${PARENT}/${name}`;
  }

  get isFrozen(): boolean {
    return (
      this.#read("freezer", "freezer.state").startsWith("FROZEN") ||
      numberAfter("frozen", this.#read("", "cgroup.events")) === 1
    );
  }

  /** Processes of the guest that the kernel has ended for want of memory. */
  get oomKills(): number {
    const version1 = this.#read("memory", "memory.oom_control");
    return numberAfter("oom_kill", `${version1}\n${this.#read("", "memory.events")}`);
  }

  get cpuMs(): number {
    const version1 = Number(this.#read("cpuacct", "cpuacct.usage")) / 1_000_000;
    const version2 = numberAfter("usage_usec", this.#read("", "cpu.stat")) / 1000;
    return Math.floor(version1 || version2);
  }

  get memoryBytes(): number {
    const version1 = this.#read("memory", "memory.usage_in_bytes");
    return Number(version1 || this.#read("", "memory.current"));
  }

  /** Every process in the group, by the host's ids. */
  get processes(): readonly number[] {
    const all = this.#directories.flatMap((each) => readOrEmpty(path.join(each, "cgroup.procs")));
    return [...new Set(all.flatMap((text) => text.split("\n").filter(Boolean).map(Number)))];
  }

  /** Ends every process at once. */
  kill(): void {
    for (const pid of this.processes) killProcess(pid);
    this.#thaw();
  }

  /** @throws `unavailable` when a process cannot be ended. */
  async end(clock: Clock): Promise<void> {
    const deadlineMs = clock.monotonicMs() + END_TIMEOUT_MS;
    while (!this.#isRemoved()) {
      if (clock.monotonicMs() > deadlineMs) throw neverEmpty(this.path);
      await new Promise<void>((resolve) => {
        clock.schedule(POLL_MS, resolve);
      });
    }
  }

  #isRemoved(): boolean {
    this.kill();
    for (const directory of this.#directories) {
      try {
        rmdirSync(directory);
      } catch {
        // A process in it is not gone yet.
      }
    }
    return this.#directories.length === 0;
  }

  #thaw(): void {
    writeIfThere(this.#file("freezer", "freezer.state"), "THAWED");
    writeIfThere(this.#file("", "cgroup.freeze"), "0");
  }

  get #directories(): readonly string[] {
    const hierarchies = ["", ...readdirSync(this.root)];
    return hierarchies.map((each) => this.#file(each, "")).filter((each) => existsSync(each));
  }

  #read(hierarchy: string, file: string): string {
    return readOrEmpty(this.#file(hierarchy, file));
  }

  #file(hierarchy: string, file: string): string {
    return path.join(this.root, hierarchy, PARENT, this.name, file);
  }
}

/** Version 2 always can; version 1 where the kernel counts swap. */
export function canLimitSwap(root: string = CGROUP_ROOT): boolean {
  const version1 = path.join(root, "memory");
  return !existsSync(version1) || existsSync(path.join(version1, "memory.memsw.limit_in_bytes"));
}

function numberAfter(word: string, text: string): number {
  return Number(new RegExp(`^${word} ([0-9]+)$`, "m").exec(text)?.[1] ?? 0);
}

function killProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function writeIfThere(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: "r+" });
  } catch {
    // Another version of control groups, or a group that is gone.
  }
}

function neverEmpty(group: string) {
  return unavailable("engine", `processes of control group ${group} cannot be ended`);
}
