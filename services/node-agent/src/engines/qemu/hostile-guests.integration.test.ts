/**
 * Guests that mean harm, on real QEMU in each mode: beside each runs a neighbour that beats four
 * times a second, and the host launches another one meanwhile. What a guest of Linux does to itself
 * is its own affair; what it takes of the host is bounded.
 */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { CopyDisk, CopyLaunch, EngineCopy } from "@innkeeper/core";
import { randomIdSource, systemClock } from "@innkeeper/core/platform";
import { silentLogger } from "@innkeeper/core/testing";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createQcow2 } from "../../disks/qemu-img.js";
import { copyName } from "../copy-name.js";
import { LOG_BYTES_MAX } from "./console-log.js";
import { OVERHEAD_MIB, THREADS_MAX } from "./copy-cgroup.js";
import { createQemuEngine } from "./qemu-engine.js";

const IMAGES = fileURLToPath(new URL("../../../../../images/build/", import.meta.url));
const TINY = path.join(IMAGES, "tiny/tiny.elf");
const PATIENCE = { timeout: 60_000, interval: 50 };
const MIB = 1024 * 1024;
const MEMORY_MIB = 128;
const DISK_MIB = 48;
const BEATS_PER_S = 4;
/** At least half of its pace, while the other one does its worst. */
const WATCHED_BEATS = 12;
const WITHIN_MS = (2 * 1000 * WATCHED_BEATS) / BEATS_PER_S;

const root = mkdtempSync(path.join(tmpdir(), "innkeeper-hostile-"));
const stateDir = path.join(root, "guests");
const disksDirectory = path.join(root, "disks");
const engine = createQemuEngine({
  ...{ stateDir, disksDirectory, clock: systemClock, log: silentLogger },
  ...{ migrationHost: "127.0.0.1", probeKernel: TINY },
  probeDisk: path.join(IMAGES, "disk/disk.raw"),
});
mkdirSync(disksDirectory);
const copies: EngineCopy[] = [];
let neighbour: EngineCopy;

beforeEach(async () => {
  neighbour = await launch("paravirt", tiny(`beat=${BEATS_PER_S}`));
});
afterEach(async () => {
  for (const copy of copies.splice(0)) await copy.destroy();
});
afterAll(async () => {
  await engine.close();
  rmSync(root, { recursive: true });
});

describe.each(["hybrid", "paravirt"] as const)("a hostile guest in %s mode", (mode) => {
  it("forks without end: the host sees one process, with the threads that it had", async () => {
    const bomb = "b() { b | b & b & }; echo begun; b 2>/dev/null; sleep 600";
    const hostile = await launch(mode, linux(bomb));
    await untilSays(hostile, "begun");
    await harmsNobody(hostile);
    expect(threadsOf(hostile)).toBeLessThanOrEqual(THREADS_MAX);
  });

  it("takes all memory again and again: its own, and no more", async () => {
    const eat = "echo begun; while :; do tail /dev/zero; done";
    const hostile = await launch(mode, linux(eat));
    await untilSays(hostile, "begun");
    const held = async (): Promise<number> => (await hostile.usage())?.memoryMib ?? 0;
    await vi.waitFor(async () => expect(await held()).toBeGreaterThan(MEMORY_MIB), PATIENCE);
    await harmsNobody(hostile);
    expect(await held()).toBeLessThanOrEqual(MEMORY_MIB + OVERHEAD_MIB.tcg);
  });

  it("floods its console: what is kept of it stays bounded, and the newest is there", async () => {
    const hostile = await launch(mode, linux("yes flood; sleep 600"));
    const offset = async (): Promise<number> => (await hostile.readConsole(0, 1)).nextOffset;
    await vi.waitFor(async () => expect(await offset()).toBeGreaterThan(1), PATIENCE);
    await harmsNobody(hostile);
    const directory = path.join(stateDir, copyName(hostile.ref));
    const kept = readdirSync(directory).filter((name) => name.startsWith("console.log"));
    const sizes = kept.map((name) => statSync(path.join(directory, name)).size);
    expect(sizes.reduce((sum, each) => sum + each, 0)).toBeLessThan(4 * LOG_BYTES_MAX);
    expect(await wordsOf(hostile)).toContain("flood");
  });

  it("fills its disk: that is full, and the host has what it was promised", async () => {
    const script = "dd if=/dev/urandom of=/dev/vda bs=1M 2>&1; echo it is full; sleep 600";
    const guestUid = randomIdSource.uuid();
    const disk = await aDisk(guestUid);
    const hostile = await launch(mode, linux(script), { guestUid, disks: [disk] });
    await untilSays(hostile, "it is full");
    await harmsNobody(hostile);
    expect(await wordsOf(hostile)).toContain("No space left on device");
    const takenMib = (statSync(disk.path).blocks * 512) / MIB;
    expect(takenMib).toBeGreaterThanOrEqual(DISK_MIB);
    expect(takenMib).toBeLessThan(DISK_MIB * 1.05);
  });
});

it("a guest in full mode that floods and dirties all that it has harms nobody", async () => {
  const directory = path.join(disksDirectory, randomIdSource.uuid());
  mkdirSync(directory, { recursive: true });
  const file = path.join(directory, "root.raw");
  const image = readFileSync(path.join(IMAGES, "disk/disk.raw"));
  // Where the disk holds its command line: see images/disk/boot.S.
  image.write("beat=1000 dirty=2000 span=96\0", 512);
  writeFileSync(file, image);
  const disks = [{ name: "root", sizeMib: 1, path: file, format: "raw" }] as const;
  const hostile = await launch("full", { kind: "disk", commandLine: "" }, { disks });
  await untilSays(hostile, "beat 100");
  await harmsNobody(hostile);
  expect((await hostile.usage())?.memoryMib).toBeLessThanOrEqual(MEMORY_MIB + OVERHEAD_MIB.tcg);
});

/** The neighbour beats on, another guest starts, and the hostile one can be ended. */
async function harmsNobody(hostile: EngineCopy): Promise<void> {
  const [beat, fromMs] = [await lastBeat(neighbour), performance.now()];
  const another = await launch("paravirt", tiny("beat=4"));
  await untilSays(another, "beat 1");
  const until = beat + WATCHED_BEATS;
  await vi.waitFor(async () => expect(await lastBeat(neighbour)).toBeGreaterThanOrEqual(until), {
    ...PATIENCE,
  });
  expect(performance.now() - fromMs).toBeLessThan(WITHIN_MS);
  expect(await hostile.runState()).toBe("running");
}

function tiny(commandLine: string): CopyLaunch["boot"] {
  return { kind: "kernel", kernelPath: TINY, initrdPath: undefined, commandLine };
}

/** The script is the first process of a real Linux. */
function linux(script: string): CopyLaunch["boot"] {
  const mounts = "mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev";
  const modules = "for m in $(cat /modules/devices); do insmod /modules/$m.ko; done";
  const first = `rdinit=/bin/sh -- -c "${mounts}; ${modules}; ${script}"`;
  const commandLine = `console=ttyS0 quiet panic=-1 tsc=reliable ${first}`;
  const [kernelPath, initrdPath] = [`${IMAGES}linux/vmlinuz`, `${IMAGES}linux/initrd`];
  return { kind: "kernel", kernelPath, initrdPath, commandLine };
}

async function launch(
  mode: CopyLaunch["mode"],
  boot: CopyLaunch["boot"],
  overrides: Partial<CopyLaunch> = {},
): Promise<EngineCopy> {
  const copy = await engine.launch({
    ...{ guestUid: randomIdSource.uuid(), epoch: 1, mode, boot, disks: [] },
    ...{ vcpuCount: 1, cpuMillis: 1000, memoryMib: MEMORY_MIB, isIncoming: false },
    ...overrides,
  });
  copies.push(copy);
  return copy;
}

async function aDisk(guestUid: string): Promise<CopyDisk> {
  const directory = path.join(disksDirectory, guestUid);
  mkdirSync(directory, { recursive: true });
  await createQcow2({ directory, file: "data.qcow2", sizeMib: DISK_MIB, base: undefined });
  const file = path.join(directory, "data.qcow2");
  return { name: "data", sizeMib: DISK_MIB, path: file, format: "qcow2" };
}

async function wordsOf(copy: EngineCopy): Promise<string> {
  const { bytes } = await copy.readConsole(0, MIB);
  return Buffer.from(bytes).toString("latin1");
}

async function untilSays(copy: EngineCopy, word: string): Promise<void> {
  await vi.waitFor(async () => expect(await wordsOf(copy)).toContain(word), PATIENCE);
}

async function lastBeat(copy: EngineCopy): Promise<number> {
  return Number([...(await wordsOf(copy)).matchAll(/beat ([0-9]+)[^\n]*\n/g)].at(-1)?.[1] ?? 0);
}

function threadsOf({ pid }: EngineCopy): number {
  return readdirSync(`/proc/${pid}/task`).length;
}
