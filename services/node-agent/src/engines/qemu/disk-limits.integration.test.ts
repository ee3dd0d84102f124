/**
 * Disk limits of real guests, measured by the guests themselves: how long they wait for a number of
 * reads past their page cache. Linux in the modes that boot it, with a blank data disk.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type CopyLaunch, type EngineCopy, NO_LIMITS } from "@innkeeper/core";
import { randomIdSource, systemClock } from "@innkeeper/core/platform";
import { silentLogger } from "@innkeeper/core/testing";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { createQcow2 } from "../../disks/qemu-img.js";
import { createQemuEngine } from "./qemu-engine.js";

const IMAGES = fileURLToPath(new URL("../../../../../images/build/", import.meta.url));
const PATIENCE = { timeout: 100_000, interval: 50 };
const MIB = 1024 * 1024;
const SIZE = { cpuMillis: 1000, memoryMib: 128 };

const root = mkdtempSync(path.join(tmpdir(), "innkeeper-limits-"));
const engine = createQemuEngine({
  stateDir: path.join(root, "guests"),
  clock: systemClock,
  log: silentLogger,
  migrationHost: "127.0.0.1",
  probeKernel: path.join(IMAGES, "tiny/tiny.elf"),
  probeDisk: path.join(IMAGES, "disk/disk.raw"),
});
let copy: EngineCopy | undefined;

afterEach(async () => {
  await copy?.destroy();
  copy = undefined;
});
afterAll(async () => {
  await engine.close();
  rmSync(root, { recursive: true });
});

/** Reads `count` blocks past the cache again and again, and says how long each time took. */
function reader(blockBytes: number, count: number): string {
  const read = `dd if=/dev/vda of=/dev/null bs=${blockBytes} count=${count} iflag=direct`;
  const now = "read now rest </proc/uptime";
  const load = "for m in $(cat /modules/devices); do insmod /modules/$m.ko; done";
  const turn = `from=$now; ${read} 2>/dev/null; ${now}; echo took $from $now`;
  const loop = `while ${now}; do ${turn}; done`;
  const mounts = ["proc", "sysfs", "devtmpfs"].map((type, n) => {
    return `mount -t ${type} ${type} /${["proc", "sys", "dev"][n]}`;
  });
  return `rdinit=/bin/sh -- -c "${[...mounts, load, "echo ready", loop].join("; ")}"`;
}

async function launch(
  mode: CopyLaunch["mode"],
  script: string,
  limits: Partial<CopyLaunch["limits"]>,
): Promise<EngineCopy> {
  const guestUid = randomIdSource.uuid();
  const file = `${guestUid}.qcow2`;
  await createQcow2({ directory: root, file, sizeMib: 64, base: undefined });
  return await engine.launch({
    guestUid,
    epoch: 1,
    mode,
    vcpuCount: 1,
    ...SIZE,
    limits: { ...NO_LIMITS, ...limits },
    boot: {
      kind: "kernel",
      kernelPath: path.join(IMAGES, "linux/vmlinuz"),
      initrdPath: path.join(IMAGES, "linux/initrd"),
      commandLine: `console=ttyS0 quiet panic=-1 tsc=reliable ${script}`,
    },
    disks: [{ name: "data", sizeMib: 64, path: path.join(root, file), format: "qcow2" }],
    isIncoming: false,
  });
}

/** How long each reading took so far, in seconds. */
async function readings(of: EngineCopy): Promise<number[]> {
  const { bytes } = await of.readConsole(0, MIB);
  const lines = Buffer.from(bytes).toString("latin1");
  return [...lines.matchAll(/took ([0-9.]+) ([0-9.]+)\r?\n/g)].map((found) => {
    return Number(found[2]) - Number(found[1]);
  });
}

/** The next reading that begins and ends from now on. The first may find a full bucket. */
async function nextReading(of: EngineCopy): Promise<number> {
  const skipped = (await readings(of)).length + 1;
  return await vi.waitFor(async () => {
    const seconds = (await readings(of))[skipped];
    if (seconds === undefined) throw new Error("it has not read that much yet");
    return seconds;
  }, PATIENCE);
}

describe.each(["hybrid", "paravirt"] as const)("the disk limits of a %s guest", (mode) => {
  it("let it do as many reads a second as they say, and others after a change", async () => {
    copy = await launch(mode, reader(4096, 500), { diskIopsMax: 200 });
    expectWithinTenth(500 / (await nextReading(copy)), 200);
    await copy.setResources({ ...SIZE, limits: { ...NO_LIMITS, diskIopsMax: 100 } });
    expectWithinTenth(500 / (await nextReading(copy)), 100);
    await copy.setResources(SIZE);
    await nextReading(copy);
    expect(500 / (await nextReading(copy))).toBeGreaterThan(220);
  });

  it("let it read as many bytes a second as they say", async () => {
    const limit = 2 * MIB;
    copy = await launch(mode, reader(65_536, 96), { diskBytesPerSecondMax: limit });
    expectWithinTenth((96 * 65_536) / (await nextReading(copy)), limit);
  });
});

function expectWithinTenth(measured: number, wanted: number): void {
  expect(measured).toBeGreaterThan(wanted * 0.9);
  expect(measured).toBeLessThan(wanted * 1.1);
}
