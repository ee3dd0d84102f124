/**
 * The control group of one copy, in version 1 (a directory in each hierarchy) and version 2 (one
 * directory). The runtime makes and fills it; here it is read and, at the end, emptied and removed.
 *
 * G1 After `end` no process of the guest runs and no directory of the group exists: what is frozen
 *    is thawed first, for a frozen process cannot die.
 * G2 A guest that has a part of the tree of its own makes no more groups than {@link GROUPS_MAX},
 *    for each takes memory of the host that no limit of the guest counts, and changes no limit.
 */
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { type Clock, precondition, unavailable } from "@innkeeper/core";
import type { IdRange } from "../guest-ids.js";

export const CGROUP_ROOT = "/sys/fs/cgroup";
/** All groups of ours are below this one. */
const PARENT = "innkeeper";
/** Groups that a guest may make below its own, and how deep they may lie. */
export const GROUPS_MAX = 1000;
const GROUPS_DEPTH_MAX = 16;
/** What a group's owner must own to move processes in it (`/sys/kernel/cgroup/delegate`). */
const OWNED = ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"];
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

  /**
   * Makes the group in version 2, where what is below it is the guest's: only that version bounds
   * how much that can be. Returns the file by which a process joins it, or nothing where the
   * runtime sees to that. @throws `precondition` where the host has only version 1.
   */
  delegate({ firstId }: IdRange): string {
    const isOnlyVersion2 = existsSync(path.join(this.root, "cgroup.controllers"));
    const hierarchy = isOnlyVersion2 ? "" : "unified";
    if (!existsSync(path.join(this.root, hierarchy, "cgroup.controllers"))) throw onlyVersion1();
    mkdirSync(this.#file(hierarchy, ""), { recursive: true, mode: 0o755 });
    writeFileSync(this.#file(hierarchy, "cgroup.max.descendants"), String(GROUPS_MAX));
    writeFileSync(this.#file(hierarchy, "cgroup.max.depth"), String(GROUPS_DEPTH_MAX));
    for (const file of OWNED) chownSync(this.#file(hierarchy, file), firstId, firstId);
    return isOnlyVersion2 ? "" : this.#file(hierarchy, "cgroup.procs");
  }

  /** Every process directly in the group, by the host's ids. */
  get processes(): readonly number[] {
    const all = this.#directories.flatMap((each) => readOrEmpty(path.join(each, "cgroup.procs")));
    return [...new Set(all.flatMap((text) => text.split("\n").filter(Boolean).map(Number)))];
  }

  /** Ends every process at once. */
  kill(): void {
    for (const hierarchy of ["", "unified"])
      writeIfThere(this.#file(hierarchy, "cgroup.kill"), "1");
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
    for (const directory of this.#directories) removeGroups(directory);
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

/** As many as {@link GROUPS_MAX}, no deeper than {@link GROUPS_DEPTH_MAX}. */
function removeGroups(directory: string): void {
  try {
    for (const each of readdirSync(directory, { withFileTypes: true })) {
      if (each.isDirectory()) removeGroups(path.join(directory, each.name));
    }
    rmdirSync(directory);
  } catch {
    // A process in it is not gone yet.
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

function onlyVersion1() {
  const message = "systemd wants control groups of version 2, which this node has not";
  return precondition("SYSTEMD_NOT_SUPPORTED", message);
}

function neverEmpty(group: string) {
  return unavailable("engine", `processes of control group ${group} cannot be ended`);
}
