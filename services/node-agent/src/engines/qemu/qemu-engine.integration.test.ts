/**
 * The engine contract over real QEMU processes in real time, in every mode, with the tiny guest:
 * booted directly, and by firmware from a disk.
 */
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { CopyLaunch, CopyRef } from "@innkeeper/core";
import { randomIdSource, systemClock } from "@innkeeper/core/platform";
import { silentLogger } from "@innkeeper/core/testing";
import { engineContract } from "@innkeeper/core/testing/contracts/engine.contract";
import type { EngineHarness } from "@innkeeper/core/testing/contracts/engine-harness";
import { afterAll } from "vitest";
import { later, waitUntil, withDeadline } from "../../testing/real-time.js";
import { copyName } from "../copy-name.js";
import { CGROUP_ROOT } from "./copy-cgroup.js";
import { createQemuEngine } from "./qemu-engine.js";

const TINY = fileURLToPath(new URL("../../../../../images/build/tiny/tiny.elf", import.meta.url));
const DISK = fileURLToPath(new URL("../../../../../images/build/disk/disk.raw", import.meta.url));
/** Where the disk holds its command line: see images/disk/boot.S. */
const DISK_COMMAND_LINE_AT = 512;

/** The probe's result is shared by all tests: probing is tested on its own. */
const shared = mkdtempSync(path.join(tmpdir(), "innkeeper-qemu-"));
afterAll(() => {
  rmSync(shared, { recursive: true });
});

const MOVING = { canMigrate: true, canExec: false };
engineContract("qemu, paravirt", () => qemuHarness("paravirt"), MOVING);
engineContract("qemu, hybrid", () => qemuHarness("hybrid"), MOVING);
engineContract("qemu, full", () => qemuHarness("full"), { canMigrate: false, canExec: false });

/** What each mode boots here. */
const BOOTS = { paravirt: "kernel", hybrid: "kernel", full: "disk" } as const;
type Boot = "kernel" | "disk";

function qemuHarness(mode: keyof typeof BOOTS): EngineHarness {
  const from = BOOTS[mode];
  const guestUids: string[] = [];
  // A comma, a quote and a blank: names that must never be parsed by QEMU.
  const root = mkdtempSync(path.join(tmpdir(), "innkeeper qemu,'x'-"));
  const images = mkdtempSync(path.join(tmpdir(), "innkeeper disks,'x'-"));
  const make = (host: string) =>
    createQemuEngine({
      stateDir: path.join(root, host),
      clock: systemClock,
      log: silentLogger,
      migrationHost: "127.0.0.1",
      probeKernel: TINY,
      probeDisk: DISK,
      probeCacheFile: path.join(shared, "acceleration.json"),
    });
  const commandLines = { lasting: "beat=4", "powers-off": "beat=4 exit=4", broken: "beat=4" };
  return {
    makeEngine: () => make("one"),
    makeTargetEngine: () => make("two"),
    launchOf: (manner) => {
      const guestUid = randomIdSource.uuid();
      guestUids.push(guestUid);
      const size = { vcpuCount: 1, cpuMillis: 1000, memoryMib: 32 };
      const commandLine = commandLines[manner];
      const launch = { guestUid, epoch: 1, mode, ...size, isIncoming: false };
      return manner === "broken"
        ? { ...launch, ...brokenBoot(from, root) }
        : { ...launch, ...bootOf(from, path.join(images, guestUid), commandLine) };
    },
    settle: (promise) => withDeadline(promise),
    waitUntil,
    pass: (durationMs) => later(durationMs),
    killGuest: async (ref) => {
      for (const pid of processesOf(ref)) process.kill(pid, "SIGKILL");
      await waitUntil("the process to be gone", async () => processesOf(ref).length === 0);
    },
    leftovers: async () => [
      ...processesBelow(root).map(String),
      ...filesBelow(root),
      ...groupsOf(guestUids),
    ],
    dispose: async () => {
      const pids = processesBelow(root);
      for (const pid of pids) process.kill(pid, "SIGKILL");
      await waitUntil("no process", async () => pids.every((pid) => commandLineOf(pid) === ""));
      await waitUntil("no control group", async () => {
        for (const group of groupsOf(guestUids)) removeGroup(group);
        return groupsOf(guestUids).length === 0;
      });
      for (const directory of [root, images]) rmSync(directory, { recursive: true });
    },
  };
}

/** The same guest either way. */
function bootOf(
  from: Boot,
  diskPath: string,
  commandLine: string,
): Pick<CopyLaunch, "boot" | "disks"> {
  if (from === "kernel") {
    const kernel = { kind: "kernel", kernelPath: TINY, initrdPath: undefined } as const;
    return { boot: { ...kernel, commandLine }, disks: [] };
  }
  const disk = readFileSync(DISK);
  disk.write(`${commandLine}\0`, DISK_COMMAND_LINE_AT);
  writeFileSync(diskPath, disk);
  return {
    boot: { kind: "disk", commandLine: "" },
    disks: [{ name: "root", sizeMib: 1, path: diskPath, format: "raw" }],
  };
}

function brokenBoot(from: Boot, root: string): Pick<CopyLaunch, "boot" | "disks"> {
  const missing = path.join(root, "no-such-file");
  if (from === "disk") {
    const disks = [{ name: "root", sizeMib: 1, path: missing, format: "qcow2" as const }];
    return { boot: { kind: "disk", commandLine: "" }, disks };
  }
  const kernel = { kind: "kernel", kernelPath: missing, initrdPath: undefined } as const;
  return { boot: { ...kernel, commandLine: "" }, disks: [] };
}

function processesOf(ref: CopyRef): number[] {
  return qemuProcesses().filter((pid) => commandLineOf(pid).includes(copyName(ref)));
}

/** QEMU runs inside its copy's directory. */
function processesBelow(root: string): number[] {
  const below = new Set(readdirSync(root).flatMap((host) => readdirSync(path.join(root, host))));
  return qemuProcesses().filter((pid) =>
    [...below].some((name) => commandLineOf(pid).includes(name)),
  );
}

function qemuProcesses(): number[] {
  const pids = readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name));
  return pids.map(Number).filter((pid) => commandLineOf(pid).startsWith("qemu-system"));
}

function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

function groupsOf(guestUids: readonly string[]): string[] {
  const parents = readdirSync(CGROUP_ROOT).map((each) => path.join(CGROUP_ROOT, each, "innkeeper"));
  const all = [...parents, path.join(CGROUP_ROOT, "innkeeper")].filter((each) => existsSync(each));
  const groups = all.flatMap((each) => readdirSync(each).map((name) => path.join(each, name)));
  return groups.filter((group) => guestUids.some((uid) => path.basename(group).startsWith(uid)));
}

/** The kernel lets go of a group a moment after its last process. */
function removeGroup(group: string): void {
  try {
    rmdirSync(group);
  } catch {
    // Not yet.
  }
}

function filesBelow(root: string): string[] {
  return readdirSync(root).flatMap((host) => readdirSync(path.join(root, host)));
}
