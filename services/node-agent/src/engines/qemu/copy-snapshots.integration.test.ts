/**
 * Snapshots of real guests: Linux counts on its disk and on its console; where it goes on after it
 * was restored shows what the snapshot held.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import {
  type CopyLaunch,
  type CopySnapshot,
  type DiskStore,
  type EngineCopy,
  NO_LIMITS,
  type WantedDisk,
  type WantedSnapshot,
} from "@innkeeper/core";
import { randomIdSource, systemClock } from "@innkeeper/core/platform";
import { anAssignment, silentLogger } from "@innkeeper/core/testing";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { createFileDiskStore } from "../../disks/file-disk-store.js";
import { settleSnapshots } from "../../runner/settle-snapshots.js";
import { createQemuEngine } from "./qemu-engine.js";

const IMAGES = fileURLToPath(new URL("../../../../../images/build/", import.meta.url));
const PATIENCE = { timeout: 60_000, interval: 50 };
const MIB = 1024 * 1024;
const WANTED: readonly WantedDisk[] = [
  { name: "data", sizeMib: 8, base: undefined },
  { name: "disk-a", sizeMib: 8, base: undefined },
];

const root = mkdtempSync(path.join(tmpdir(), "innkeeper-snap-"));
const engine = createQemuEngine({
  stateDir: path.join(root, "guests"),
  clock: systemClock,
  log: silentLogger,
  migrationHost: "127.0.0.1",
  probeKernel: path.join(IMAGES, "tiny/tiny.elf"),
  probeDisk: path.join(IMAGES, "disk/disk.raw"),
});
let disks: DiskStore;
let copy: EngineCopy | undefined;

beforeAll(async () => {
  disks = await createFileDiskStore({ directory: path.join(root, "disks") });
});
afterEach(async () => {
  await copy?.destroy();
  copy = undefined;
});
afterAll(async () => {
  await engine.close();
  rmSync(root, { recursive: true });
});

/** Says what it finds on both disks, then counts on, on both and on its console. */
const COUNTER = [
  "mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev",
  "for m in $(cat /modules/devices); do insmod /modules/$m.ko; done",
  "until [ -b /dev/vda -a -b /dev/vdb ]; do sleep 0.1; done",
  "of() { head -c 8 /dev/$1 | tr -dc 0-9; }; n=$(of vda); m=$(of vdb)",
  "echo found $((n)) $((m)); n=$((n))",
  "while sleep 0.2; do n=$((n+1)); for d in vda vdb; do echo $n >/dev/$d; done; sync; echo at $n",
  "done",
].join("; ");

describe.each(["hybrid", "paravirt"] as const)("a %s guest that counts", (mode) => {
  it("begins again at its disks' snapshot, all of one moment", async () => {
    const guestUid = randomIdSource.uuid();
    copy = await launch(mode, { guestUid, epoch: 1 });
    await untilAt(copy, 4);
    const one = wanted({ hasMemory: false });
    await settle(guestUid, [one]);
    const taken = await lastAt(copy);
    await untilAt(copy, taken + 8);
    await copy.destroy();

    await disks.restoreSnapshot(guestUid, one.uid);
    copy = await launch(mode, { guestUid, epoch: 2 });
    const [, n, m] = await untilSays(copy, /found ([0-9]+) ([0-9]+)\n/);
    expect(Number(n)).toBeGreaterThanOrEqual(3);
    expect(Number(n)).toBeLessThanOrEqual(taken + 2);
    expect([0, 1]).toContain(Number(n) - Number(m));
  });

  it("goes on where its memory was kept, as often as asked, and counts on the disks", async () => {
    const guestUid = randomIdSource.uuid();
    copy = await launch(mode, { guestUid, epoch: 1 });
    await untilAt(copy, 4);
    const one = wanted({ hasMemory: true });
    await settle(guestUid, [one]);
    const taken = await lastAt(copy);
    await untilAt(copy, taken + 8);
    for (const epoch of [2, 3]) {
      await copy.destroy();
      const restore = await disks.restoreSnapshot(guestUid, one.uid);
      copy = await launch(mode, { guestUid, epoch }, restore);
      const [, first] = await untilSays(copy, /at ([0-9]+)\n/);
      expect(Number(first)).toBeGreaterThan(3);
      expect(Number(first)).toBeLessThanOrEqual(taken + 2);
      await untilAt(copy, taken + 4);
      expect(await textOf(copy)).not.toContain("found");
    }
  });

  it("loses a snapshot that is no longer wanted, while it runs and while it does not", async () => {
    const guestUid = randomIdSource.uuid();
    copy = await launch(mode, { guestUid, epoch: 1 });
    await untilAt(copy, 1);
    const [one, two] = [wanted({ hasMemory: true }), wanted({ hasMemory: false })];
    await settle(guestUid, [one, two]);
    await settle(guestUid, [one, two]);
    expect([...(await disks.snapshots(guestUid))]).toEqual([
      [one.uid, { isWhole: true }],
      [two.uid, { isWhole: true }],
    ]);
    await settle(guestUid, [{ ...two, isNew: false }]);
    expect([...(await disks.snapshots(guestUid)).keys()]).toEqual([two.uid]);
    await copy.destroy();
    copy = undefined;
    const three = wanted({ hasMemory: false });
    await settle(guestUid, [two, three]);
    await settle(guestUid, [three]);
    expect([...(await disks.snapshots(guestUid)).keys()]).toEqual([three.uid]);
    const left = readdirSync(path.join(root, "disks", guestUid));
    expect(left.sort()).toEqual(["data.qcow2", "disk-a.qcow2"]);
  });
});

it("a snapshot that only some disks hold is taken anew", async () => {
  const guestUid = randomIdSource.uuid();
  copy = await launch("hybrid", { guestUid, epoch: 1 });
  await untilAt(copy, 1);
  const one = wanted({ hasMemory: false });
  const half = await disks.prepare(randomIdSource.uuid(), WANTED.slice(1));
  await copy.destroy();
  await disks.takeSnapshot(guestUid, one.uid);
  await disks.keepOnly(guestUid, []);
  await disks.prepare(guestUid, WANTED);
  expect(half).toHaveLength(1);
  expect((await disks.snapshots(guestUid)).get(one.uid)).toEqual({ isWhole: false });
  copy = await launch("hybrid", { guestUid, epoch: 2 });
  await settle(guestUid, [one]);
  expect((await disks.snapshots(guestUid)).get(one.uid)).toEqual({ isWhole: true });
});

function wanted({ hasMemory }: Pick<WantedSnapshot, "hasMemory">): WantedSnapshot {
  return { uid: randomIdSource.uuid(), hasMemory, memoryMib: 192, isNew: true };
}

/** As the runner does it. */
async function settle(guestUid: string, snapshots: readonly WantedSnapshot[]): Promise<void> {
  const living = copy;
  await settleSnapshots(disks, anAssignment({ guestUid, snapshots }), {
    take: (one) => living?.takeSnapshot(one) ?? disks.takeSnapshot(guestUid, one.uid),
    remove: async (uid) => {
      await (living?.removeSnapshot(uid) ?? disks.removeSnapshot(guestUid, uid));
      await disks.removeState(guestUid, uid);
    },
  });
}

async function launch(
  mode: CopyLaunch["mode"],
  ref: Pick<CopyLaunch, "guestUid" | "epoch">,
  restore?: CopySnapshot,
): Promise<EngineCopy> {
  return await engine.launch({
    ...ref,
    mode,
    vcpuCount: 1,
    cpuMillis: 1000,
    memoryMib: 128,
    limits: NO_LIMITS,
    hasGuestAgent: false,
    boot: {
      kind: "kernel",
      kernelPath: path.join(IMAGES, "linux/vmlinuz"),
      initrdPath: path.join(IMAGES, "linux/initrd"),
      commandLine: `console=ttyS0 quiet panic=-1 tsc=reliable rdinit=/bin/sh -- -c "${COUNTER}"`,
    },
    disks: await disks.prepare(ref.guestUid, WANTED),
    isIncoming: false,
    ...(restore && { restore }),
  });
}

async function textOf(of: EngineCopy): Promise<string> {
  const { bytes } = await of.readConsole(0, MIB);
  return Buffer.from(bytes).toString("latin1").replaceAll("\r", "");
}

async function lastAt(of: EngineCopy): Promise<number> {
  return Number([...(await textOf(of)).matchAll(/at ([0-9]+)\n/g)].at(-1)?.[1] ?? 0);
}

async function untilAt(of: EngineCopy, count: number): Promise<void> {
  await vi.waitFor(async () => {
    const at = await lastAt(of);
    if (at < count) throw new Error(`at ${at}: ${(await textOf(of)).slice(-200)}`);
  }, PATIENCE);
}

async function untilSays(of: EngineCopy, pattern: RegExp): Promise<RegExpExecArray> {
  return await vi.waitFor(async () => {
    const found = pattern.exec(await textOf(of));
    if (found === null) throw new Error(`no ${pattern}: ${(await textOf(of)).slice(-200)}`);
    return found;
  }, PATIENCE);
}
