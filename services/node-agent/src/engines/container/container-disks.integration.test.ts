/**
 * Disks of containers: file systems that hold their size, outlive the container, belong to its root
 * whatever ids it has, and are had by one container at a time.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { CopyDisk, EngineCopy } from "@innkeeper/core";
import { randomIdSource, systemClock } from "@innkeeper/core/platform";
import { silentLogger } from "@innkeeper/core/testing";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { createFileDiskStore } from "../../disks/file-disk-store.js";
import { GuestIds } from "../guest-ids.js";
import { createContainerEngine } from "./container-engine.js";

const ROOTFS = fileURLToPath(
  new URL("../../../../../images/build/rootfs/rootfs.tar.gz", import.meta.url),
);
const PATIENCE = { timeout: 30_000, interval: 20 };
const MIB = 1024 * 1024;

const root = mkdtempSync(path.join(tmpdir(), "innkeeper disks,"));
const engine = createContainerEngine({
  stateDir: path.join(root, "containers"),
  clock: systemClock,
  log: silentLogger,
  probeRootfs: ROOTFS,
  guestIds: new GuestIds({
    firstId: 2_000_000_000,
    ranges: 8,
    claimsDirectory: path.join(root, "claims"),
  }),
});
const copies: EngineCopy[] = [];
let disks: readonly CopyDisk[];

beforeAll(async () => {
  const store = await createFileDiskStore({ directory: path.join(root, "disks") });
  const wanted = { sizeMib: 32, base: undefined, isFileSystem: true };
  disks = await store.prepare(randomIdSource.uuid(), [
    { ...wanted, name: "disk-a" },
    { ...wanted, name: "disk-b" },
  ]);
});
afterEach(async () => {
  for (const copy of copies.splice(0)) await copy.destroy();
});
afterAll(async () => {
  await engine.close();
  rmSync(root, { recursive: true });
});

describe.runIf(process.getuid?.() === 0)("the disks of a container", () => {
  it("are mounted where it looks, keep what it writes, and are its own again", async () => {
    const first = await launch("stat -c %u:%g /mnt/a; echo kept >/mnt/a/x; chown 7:8 /mnt/a/x");
    await untilSays(first, /^done$/m);
    expect(await wordsOf(first)).toBe("0:0\ndone\n");
    const ids = readFileSync(`/proc/${first.pid}/uid_map`, "utf8");
    await first.destroy();
    const other = await launch("echo here", { disks: [] });
    const second = await launch("cat /mnt/a/x; stat -c %u:%g /mnt/a/x; ls /mnt/b; echo >>/mnt/a/x");
    await untilSays(second, /^done$/m);
    expect(await wordsOf(second)).toBe("kept\n7:8\nlost+found\ndone\n");
    expect(readFileSync(`/proc/${second.pid}/uid_map`, "utf8")).not.toBe(ids);
    await other.destroy();
  });

  it("hold their size and no more, and give back to the host what is removed", async () => {
    const copy = await launch(
      "dd if=/dev/zero of=/mnt/b/full bs=1M 2>&1; sync; rm /mnt/b/full; sync",
    );
    await untilSays(copy, /^done$/m);
    expect(await wordsOf(copy)).toMatch(/No space left on device/);
    expect(statSync(disks[1]?.path ?? "").size).toBe(32 * MIB);
    await vi.waitFor(() => {
      expect(statSync(disks[1]?.path ?? "").blocks * 512).toBeLessThan(8 * MIB);
    }, PATIENCE);
  });

  it("run no program as root and make no device", async () => {
    const tries =
      "cp /bin/busybox /mnt/a/su; chmod 4755 /mnt/a/su; mknod /mnt/a/d b 7 0 || echo none";
    const copy = await launch(`${tries}; grep ' /mnt/a ' /proc/mounts`);
    await untilSays(copy, /^done$/m);
    expect(await wordsOf(copy)).toMatch(/^none$/m);
    expect(await wordsOf(copy)).toMatch(/ ext4 rw,nosuid,nodev,/);
  });

  it("are had by one container at a time, and leave no device with the last", async () => {
    const first = await launch("echo here");
    await expect(launch("echo there")).rejects.toThrow(/another container has the disk/);
    expect(loopDevices()).toContain("disk-a.ext4");
    await first.destroy();
    await vi.waitFor(() => expect(loopDevices()).not.toContain("disk-a.ext4"), PATIENCE);
  });

  it("are refused when they are no file systems", async () => {
    const virtual = disks.map((each) => ({ ...each, format: "qcow2" as const }));
    await expect(launch("echo here", { disks: virtual })).rejects.toMatchObject({
      reason: "DISKS_NOT_SUPPORTED",
    });
  });

  it("are kept as they are while it runs", async () => {
    const copy = await launch("echo here");
    await copy.setDisks(disks);
    await expect(copy.setDisks(disks.slice(1))).rejects.toMatchObject({ reason: "NO_LIVE_RESIZE" });
  });
});

function loopDevices(): string {
  const args = ["--list", "--noheadings", "--output", "BACK-FILE"];
  return execFileSync("losetup", args, { encoding: "utf8" });
}

async function launch(script: string, { disks: own = disks } = {}): Promise<EngineCopy> {
  const command = ["/bin/sh", "-c", `${script}; echo done; sleep 600`];
  const copy = await engine.launch({
    ...{ guestUid: randomIdSource.uuid(), epoch: 1, mode: "container" },
    ...{ vcpuCount: 1, cpuMillis: 1000, memoryMib: 64, disks: own, isIncoming: false },
    boot: { kind: "rootfs", rootfsPath: ROOTFS, command, commandLine: "" },
  });
  copies.push(copy);
  return copy;
}

async function wordsOf(copy: EngineCopy): Promise<string> {
  const { bytes } = await copy.readConsole(0, MIB);
  return Buffer.from(bytes).toString("latin1");
}

async function untilSays(copy: EngineCopy, pattern: RegExp): Promise<void> {
  await vi.waitFor(async () => expect(await wordsOf(copy)).toMatch(pattern), PATIENCE);
}
