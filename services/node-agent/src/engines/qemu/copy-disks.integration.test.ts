/**
 * Disks that come, grow and go while a real Linux guest runs, as the guest itself sees them in its
 * list of block devices.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { CopyDisk, CopyLaunch, EngineCopy } from "@innkeeper/core";
import { randomIdSource, systemClock } from "@innkeeper/core/platform";
import { silentLogger } from "@innkeeper/core/testing";
import { afterAll, afterEach, expect, it, vi } from "vitest";
import { createQcow2 } from "../../disks/qemu-img.js";
import { createQemuEngine } from "./qemu-engine.js";

const IMAGES = fileURLToPath(new URL("../../../../../images/build/", import.meta.url));
const PATIENCE = { timeout: 60_000, interval: 50 };
const MIB = 1024 * 1024;

const root = mkdtempSync(path.join(tmpdir(), "innkeeper-plug-"));
const options = {
  stateDir: path.join(root, "guests"),
  clock: systemClock,
  log: silentLogger,
  migrationHost: "127.0.0.1",
  probeKernel: path.join(IMAGES, "tiny/tiny.elf"),
  probeDisk: path.join(IMAGES, "disk/disk.raw"),
};
const engines = [createQemuEngine(options)];
let copy: EngineCopy | undefined;

afterEach(async () => {
  await copy?.destroy();
  copy = undefined;
});
afterAll(async () => {
  for (const engine of engines) await engine.close();
  rmSync(root, { recursive: true });
});

it("come, grow and go in a hybrid guest, also for an agent that adopted it", async () => {
  const [data, a, b] = [await aDisk("data", 8), await aDisk("disk-a", 8), await aDisk("disk-b", 8)];
  copy = await launch("hybrid", [data]);
  await untilListed(copy, "vda 16384\n---");
  await copy.setDisks([data, a]);
  await untilListed(copy, "vda 16384\nvdb 16384\n---");
  await copy.setDisks([
    { ...data, sizeMib: 12 },
    { ...a, sizeMib: 16 },
  ]);
  await untilListed(copy, "vda 24576\nvdb 32768\n---");

  await engines[0]?.close();
  const next = createQemuEngine(options);
  engines.push(next);
  copy = await next.adopt(copy.ref);
  if (copy === undefined) throw new Error("it was not adopted");
  await copy.setDisks([data, b]);
  await untilListed(copy, "vda 24576\nvdb 16384\n---");
  await copy.setDisks([data, b]);
  await copy.setDisks([data]);
  await untilListed(copy, "vda 24576\n---");
});

it("only grow in a paravirt guest: another one is refused, and it runs on", async () => {
  const [data, a] = [await aDisk("data", 8), await aDisk("disk-a", 8)];
  copy = await launch("paravirt", [data, a]);
  await copy.setDisks([data, { ...a, sizeMib: 16 }]);
  await untilListed(copy, "vda 16384\nvdb 32768\n---");
  for (const disks of [[data], [data, a, await aDisk("disk-b", 8)]]) {
    await expect(copy.setDisks(disks)).rejects.toMatchObject({
      kind: "precondition",
      reason: "NO_LIVE_RESIZE",
    });
  }
  expect(await copy.runState()).toBe("running");
});

async function aDisk(name: string, sizeMib: number): Promise<CopyDisk> {
  const file = `${randomIdSource.uuid()}.qcow2`;
  await createQcow2({ directory: root, file, sizeMib, base: undefined });
  return { name, sizeMib, path: path.join(root, file), format: "qcow2" };
}

/** Lists its block devices, each with its size in sectors, again and again. */
const LISTING = [
  "mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev",
  "for m in $(cat /modules/devices); do insmod /modules/$m.ko; done",
  "cd /sys/block",
  "while sleep 0.3; do for d in vd*; do echo $d $(cat $d/size); done; echo ---; done",
].join("; ");

async function launch(mode: CopyLaunch["mode"], disks: readonly CopyDisk[]): Promise<EngineCopy> {
  const script = `rdinit=/bin/sh -- -c "${LISTING}"`;
  return await (engines[0] as (typeof engines)[0]).launch({
    guestUid: randomIdSource.uuid(),
    epoch: 1,
    mode,
    vcpuCount: 1,
    cpuMillis: 1000,
    memoryMib: 128,
    boot: {
      kind: "kernel",
      kernelPath: path.join(IMAGES, "linux/vmlinuz"),
      initrdPath: path.join(IMAGES, "linux/initrd"),
      commandLine: `console=ttyS0 quiet panic=-1 tsc=reliable ${script}`,
    },
    disks,
    isIncoming: false,
  });
}

/** The guest's newest list is this one. */
async function untilListed(of: EngineCopy, list: string): Promise<void> {
  await vi.waitFor(async () => {
    const { bytes } = await of.readConsole(0, MIB);
    const text = Buffer.from(bytes).toString("latin1").replaceAll("\r", "").trimEnd();
    if (!text.endsWith(`---\n${list}`)) throw new Error(text.slice(-100));
  }, PATIENCE);
}
