/**
 * The harness of the engine contract over real QEMU processes in real time: two hosts are two
 * directories. Guests are the tiny one, or Linux with a guest agent.
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
import type { EngineHarness, GuestManner } from "@innkeeper/core/testing/contracts/engine-harness";
import { copyName } from "../engines/copy-name.js";
import { CGROUP_ROOT } from "../engines/qemu/copy-cgroup.js";
import type { QemuMode } from "../engines/qemu/modes.js";
import { createQemuEngine } from "../engines/qemu/qemu-engine.js";
import type { TemplateShelfOptions } from "../engines/qemu/template-shelf.js";
import { later, waitUntil, withDeadline } from "./real-time.js";

const IMAGES = fileURLToPath(new URL("../../../../images/build/", import.meta.url));
const TINY = path.join(IMAGES, "tiny/tiny.elf");
const DISK = path.join(IMAGES, "disk/disk.raw");
/** Where the disk holds its command line: see images/disk/boot.S. */
const DISK_COMMAND_LINE_AT = 512;

export interface QemuHarnessOptions {
  readonly mode: QemuMode;
  /** `disk`: the tiny guest, booted by firmware. */
  readonly guest: HarnessGuest;
  /** What was probed is kept here: probing is tested on its own. */
  readonly sharedDirectory: string;
}

export type HarnessGuest = "tiny" | "disk" | "linux-agent";

export function qemuHarness({ mode, guest, sharedDirectory }: QemuHarnessOptions): EngineHarness {
  const guestUids: string[] = [];
  // A comma, a quote and a blank: names that must never be parsed by QEMU.
  const root = mkdtempSync(path.join(tmpdir(), "innkeeper qemu,'x'-"));
  const images = mkdtempSync(path.join(tmpdir(), "innkeeper disks,'x'-"));
  const kept = mkdtempSync(path.join(tmpdir(), "innkeeper-templates-"));
  const make = (host: string) =>
    createQemuEngine({
      stateDir: path.join(root, host),
      clock: systemClock,
      log: silentLogger,
      migrationHost: "127.0.0.1",
      probeKernel: TINY,
      probeDisk: DISK,
      probeCacheFile: path.join(sharedDirectory, "acceleration.json"),
      ...(guest === "linux-agent" && { templates: templatesBelow(path.join(kept, host)) }),
    });
  return {
    makeEngine: () => make("one"),
    makeTargetEngine: () => make("two"),
    launchOf: (manner) => {
      const guestUid = randomIdSource.uuid();
      guestUids.push(guestUid);
      const size = { vcpuCount: 1, cpuMillis: 1000, memoryMib: MEMORY_MIB[guest] };
      const hasGuestAgent = guest === "linux-agent";
      const launch = { guestUid, epoch: 1, mode, ...size, isIncoming: false, hasGuestAgent };
      return manner === "broken"
        ? { ...launch, ...brokenBoot(guest, root) }
        : { ...launch, ...bootOf(guest, path.join(images, guestUid), manner) };
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
      for (const directory of [root, images, kept]) rmSync(directory, { recursive: true });
    },
  };
}

function templatesBelow(directory: string): Omit<TemplateShelfOptions, "log"> {
  return { directory, templatesMax: 2, sizeMibMax: 1024 };
}

type Manner = Exclude<GuestManner, "broken">;

const MEMORY_MIB: Readonly<Record<HarnessGuest, number>> = {
  tiny: 32,
  disk: 32,
  "linux-agent": 128,
};
const TINY_SAYS: Readonly<Record<Manner, string>> = {
  lasting: "beat=4",
  "powers-off": "beat=4 exit=4",
};
const LINUX_SAYS: Readonly<Record<Manner, string>> = {
  lasting: "beat_ms=250",
  "powers-off": "beat_ms=250 exit=4",
};
const LINUX_COMMAND_LINE = "console=ttyS0 quiet loglevel=3 random.trust_cpu=on tsc=reliable";

function bootOf(
  guest: HarnessGuest,
  diskPath: string,
  manner: Manner,
): Pick<CopyLaunch, "boot" | "disks"> {
  switch (guest) {
    case "tiny":
      return kernelBoot({ kernelPath: TINY, commandLine: TINY_SAYS[manner] });
    case "disk":
      return diskBoot(diskPath, TINY_SAYS[manner]);
    case "linux-agent": {
      const kernelPath = path.join(IMAGES, "linux-agent/vmlinuz");
      const initrdPath = path.join(IMAGES, "linux-agent/initrd");
      const commandLine = `${LINUX_COMMAND_LINE} ${LINUX_SAYS[manner]}`;
      return kernelBoot({ kernelPath, initrdPath, commandLine });
    }
  }
}

function kernelBoot({
  kernelPath,
  initrdPath,
  commandLine,
}: {
  readonly kernelPath: string;
  readonly initrdPath?: string;
  readonly commandLine: string;
}): Pick<CopyLaunch, "boot" | "disks"> {
  return { boot: { kind: "kernel", kernelPath, initrdPath, commandLine }, disks: [] };
}

function diskBoot(diskPath: string, commandLine: string): Pick<CopyLaunch, "boot" | "disks"> {
  const disk = readFileSync(DISK);
  disk.write(`${commandLine}\0`, DISK_COMMAND_LINE_AT);
  writeFileSync(diskPath, disk);
  return {
    boot: { kind: "disk", commandLine: "" },
    disks: [{ name: "root", sizeMib: 1, path: diskPath, format: "raw" }],
  };
}

function brokenBoot(guest: HarnessGuest, root: string): Pick<CopyLaunch, "boot" | "disks"> {
  const missing = path.join(root, "no-such-file");
  if (guest === "disk") {
    const disks = [{ name: "root", sizeMib: 1, path: missing, format: "qcow2" as const }];
    return { boot: { kind: "disk", commandLine: "" }, disks };
  }
  return kernelBoot({ kernelPath: missing, commandLine: "" });
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
