/**
 * What a template is known by: everything that makes the machine what it is. A template of another
 * image, size, engine or processor has another key, so it is never used and made anew.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import {
  assert,
  type CopyDisk,
  type CopyLaunch,
  type NodeTemplate,
  type QuickStart,
} from "@innkeeper/core";
import { qemuArguments } from "./machine.js";
import { isQemuMode, type QemuAcceleration } from "./modes.js";

/** Of what is kept: goes up when that changes. */
const FORMAT = 1;
/** What the names of disks beside the first begin with. */
const BESIDE = "disk-";
const NOBODY = { guestUid: "00000000-0000-4000-8000-000000000000", epoch: 0 };

/** The engine and the host, which all templates of a node have in common. */
export interface TemplateHost {
  readonly key: string;
  readonly version: string;
  readonly acceleration: QemuAcceleration;
  readonly tscKhz: number | undefined;
}

export function hostKey({ version, acceleration }: Omit<TemplateHost, "key">): string {
  const cpuinfo = readFileSync("/proc/cpuinfo", "utf8").split("\n\n")[0] ?? "";
  const lines = cpuinfo.split("\n").filter((each) => /^(model name|flags|microcode)\b/.test(each));
  return hashOf([FORMAT, version, acceleration, ...lines]);
}

/** The machine without what only one guest has. */
export function templateKey(host: TemplateHost, launch: QuickLaunch): string {
  const { boot, mode } = launch;
  assert(isQemuMode(mode), "only this engine's modes have templates");
  const { acceleration, tscKhz } = host;
  const { kernelPath: _kernel, initrdPath, ...rest } = boot;
  const initrd = initrdPath === undefined ? undefined : "initrd";
  const blank: CopyLaunch = {
    ...NOBODY,
    mode,
    vcpuCount: launch.vcpuCount,
    cpuMillis: launch.cpuMillis,
    memoryMib: launch.memoryMib,
    hasGuestAgent: launch.hasGuestAgent === true,
    boot: { ...rest, kernelPath: "kernel", initrdPath: initrd },
    disks: launch.disks.map((disk) => ({ ...disk, path: "disk" })),
    isIncoming: false,
  };
  const args = qemuArguments(blank, { mode, acceleration, tscKhz, template: "made" });
  const sizes = launch.disks.map(({ sizeMib }) => sizeMib);
  return hashOf([host.key, launch.quickStart.manifest, ...args, ...sizes]);
}

export function machineOf({
  quickStart,
  mode,
  vcpuCount,
  memoryMib,
  disks,
}: QuickLaunch): Omit<NodeTemplate, "startMs"> {
  const { manifest, commandLine } = quickStart;
  const imageDigest = createHash("sha256").update(manifest).digest("hex");
  const isBeside = ({ name }: CopyDisk): boolean => name.startsWith(BESIDE);
  const diskMib = disks.find((disk) => !isBeside(disk))?.sizeMib ?? 0;
  const dataDisks = disks.filter(isBeside).map(({ name, sizeMib }) => {
    return { name: name.slice(BESIDE.length), sizeMib };
  });
  const size = { vcpuCount, memoryMib, diskMib, ...(dataDisks.length > 0 ? { dataDisks } : {}) };
  return { engine: "qemu", mode, imageDigest, ...size, commandLine };
}

/** A launch that may begin from a template. */
export type QuickLaunch = CopyLaunch & {
  readonly quickStart: QuickStart;
  readonly boot: Extract<CopyLaunch["boot"], { readonly kind: "kernel" }>;
};

export function isQuick(launch: CopyLaunch): launch is QuickLaunch {
  const { quickStart, boot, isIncoming, restore } = launch;
  return quickStart !== undefined && boot.kind === "kernel" && !isIncoming && restore === undefined;
}

function hashOf(parts: readonly (string | number)[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}
