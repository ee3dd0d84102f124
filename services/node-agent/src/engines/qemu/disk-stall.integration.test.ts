/**
 * A host whose disk is full under running guests, with real QEMU and a small file system: they
 * stand still, say so, and go on with nothing lost. Needs root, to mount.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { CopyLaunch, EngineCopy } from "@innkeeper/core";
import { randomIdSource, systemClock } from "@innkeeper/core/platform";
import { silentLogger } from "@innkeeper/core/testing";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { createQcow2 } from "../../disks/qemu-img.js";
import { ROOM_MIB } from "./disk-stall.js";
import { createQemuEngine } from "./qemu-engine.js";

const IMAGES = fileURLToPath(new URL("../../../../../images/build/", import.meta.url));
const PATIENCE = { timeout: 60_000, interval: 50 };
const MIB = 1024 * 1024;
const HOST_MIB = 48;
const WRITTEN_MIB = 24;

const root = mkdtempSync(path.join(tmpdir(), "innkeeper-full-"));
const disks = path.join(root, "disks");
const ballast = path.join(disks, "ballast");
const options = {
  ...{ stateDir: path.join(root, "guests"), disksDirectory: disks },
  ...{ clock: systemClock, log: silentLogger, migrationHost: "127.0.0.1" },
  probeKernel: path.join(IMAGES, "tiny/tiny.elf"),
  probeDisk: path.join(IMAGES, "disk/disk.raw"),
};
let engine = createQemuEngine(options);
let copy: EngineCopy | undefined;
let isMounted = false;

beforeAll(() => {
  mkdirSync(disks);
  if (process.getuid?.() !== 0) return;
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${HOST_MIB}m`, "innkeeper-test", disks]);
  isMounted = true;
});
afterEach(async () => {
  await copy?.destroy();
  copy = undefined;
  for (const name of readdirSync(disks)) rmSync(path.join(disks, name), { recursive: true });
});
afterAll(async () => {
  await engine.close();
  if (isMounted) execFileSync("umount", [disks]);
  rmSync(root, { recursive: true });
});

describe.runIf(process.getuid?.() === 0)("a host's disk that is full", () => {
  it.each(["hybrid", "paravirt"] as const)("stops a %s guest, which then goes on", async (mode) => {
    writeFileSync(ballast, Buffer.alloc((HOST_MIB - 10) * MIB));
    copy = await launch(mode);
    const told = vi.fn();
    copy.onTrouble?.(told);
    const stalled = copy;
    await vi.waitFor(() => expect(stalled.trouble?.reason).toBe("DISK_FULL"), PATIENCE);
    expect(told).toHaveBeenCalledTimes(1);
    const { trouble } = stalled;
    const freeMib = trouble?.metadata["freeMib"];
    expect(Number(freeMib)).toBeLessThan(ROOM_MIB);
    expect(trouble?.message).toContain(`${freeMib} MiB left`);
    expect(await stalled.runState()).toBe("running");
    expect(await wordsOf(stalled)).not.toContain("is read");

    rmSync(ballast);
    await vi.waitFor(() => expect(stalled.trouble).toBeUndefined(), PATIENCE);
    expect(told).toHaveBeenCalledTimes(2);
    await untilWhole(stalled);
  });

  it("is told by an agent that starts meanwhile, and a pause holds there too", async () => {
    writeFileSync(ballast, Buffer.alloc((HOST_MIB - 10) * MIB));
    copy = await launch("hybrid");
    const stalled = copy;
    await vi.waitFor(() => expect(stalled.trouble).toBeDefined(), PATIENCE);
    await engine.close();
    engine = createQemuEngine(options);
    const adopted = await engine.adopt(stalled.ref);
    if (adopted === undefined) throw new Error("it was not adopted");
    copy = adopted;
    // As the agent does with a guest that is to run: the write is tried again, and fails again.
    await adopted.resume();
    await vi.waitFor(() => expect(adopted.trouble?.reason).toBe("DISK_FULL"), PATIENCE);
    await adopted.pause();
    expect([await adopted.runState(), adopted.trouble]).toEqual(["paused", undefined]);
    rmSync(ballast);
    await adopted.resume();
    await untilWhole(adopted);
    expect(adopted.trouble).toBeUndefined();
  });
});

/** Writes what it also keeps in memory, and reads it again from the disk itself. */
const WRITING = [
  "mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev",
  "for m in $(cat /modules/devices); do insmod /modules/$m.ko; done",
  `dd if=/dev/urandom of=/kept bs=1M count=${WRITTEN_MIB} 2>/dev/null`,
  "dd if=/kept of=/dev/vda bs=1M conv=fsync 2>/dev/null && echo it is written",
  "echo 3 > /proc/sys/vm/drop_caches",
  "md5sum < /kept",
  `dd if=/dev/vda bs=1M count=${WRITTEN_MIB} 2>/dev/null | md5sum`,
  "echo it is read; sleep 600",
].join("; ");

async function launch(mode: CopyLaunch["mode"]): Promise<EngineCopy> {
  const guestUid = randomIdSource.uuid();
  const directory = path.join(disks, guestUid);
  mkdirSync(directory);
  await createQcow2({ directory, file: "data.qcow2", sizeMib: 64, base: undefined });
  const script = `rdinit=/bin/sh -- -c "${WRITING}"`;
  return await engine.launch({
    ...{ guestUid, epoch: 1, mode, vcpuCount: 1, cpuMillis: 1000, memoryMib: 192 },
    boot: {
      kind: "kernel",
      kernelPath: path.join(IMAGES, "linux/vmlinuz"),
      initrdPath: path.join(IMAGES, "linux/initrd"),
      commandLine: `console=ttyS0 quiet panic=-1 tsc=reliable ${script}`,
    },
    disks: [
      { name: "data", sizeMib: 64, path: path.join(directory, "data.qcow2"), format: "qcow2" },
    ],
    isIncoming: false,
  });
}

async function wordsOf(of: EngineCopy): Promise<string> {
  const { bytes } = await of.readConsole(0, MIB);
  return Buffer.from(bytes).toString("latin1").replaceAll("\r", "");
}

/** What it reads is what it wrote, and no write of it failed. */
async function untilWhole(of: EngineCopy): Promise<void> {
  await vi.waitFor(async () => expect(await wordsOf(of)).toContain("it is read"), PATIENCE);
  const words = await wordsOf(of);
  expect(words).toContain("it is written");
  const [kept, read] = [...words.matchAll(/^([0-9a-f]{32}) /gm)].map(([, sum]) => sum);
  expect(kept).toBeDefined();
  expect(read).toBe(kept);
}
