/**
 * Containers apart from each other: no user id of the host is two guests', and what one writes is
 * bounded. Needs root, as containers do.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { CopyLaunch, EngineCopy } from "@innkeeper/core";
import { randomIdSource, systemClock } from "@innkeeper/core/platform";
import { silentLogger } from "@innkeeper/core/testing";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { GuestIds, RANGE_IDS } from "../guest-ids.js";
import { createContainerEngine } from "./container-engine.js";

const ROOTFS = fileURLToPath(
  new URL("../../../../../images/build/rootfs/rootfs.tar.gz", import.meta.url),
);
const PATIENCE = { timeout: 30_000, interval: 20 };
const MIB = 1024 * 1024;
/** Twenty periods of the cap. */
const WINDOW_MS = 2_000;
/** A host that is busy with other things gives nobody as much as he may have. */
const UNTIL_IDLE = { timeout: 55_000, interval: 20 };

const root = mkdtempSync(path.join(tmpdir(), "innkeeper-apart-"));
const claimsDirectory = path.join(root, "claims");
const engine = createContainerEngine({
  stateDir: path.join(root, "containers"),
  clock: systemClock,
  log: silentLogger,
  probeRootfs: ROOTFS,
  guestIds: new GuestIds({ firstId: 2_000_000_000, ranges: 16, claimsDirectory }),
  diskMib: 64,
});
const copies: EngineCopy[] = [];

afterEach(async () => {
  for (const copy of copies.splice(0)) await copy.destroy();
});
afterAll(async () => {
  await engine.close();
  rmSync(root, { recursive: true });
});

describe.runIf(process.getuid?.() === 0)("two containers of one image", () => {
  it("share no user id of the host, while each owns the files of its image", async () => {
    const script = "stat -c 'init is of %u:%g' /init; echo x >> /init && echo written; sleep 60";
    const [one, two] = [await launch(script), await launch(script)];
    for (const copy of [one, two]) {
      await untilSays(copy, /^written$/m);
      expect(await wordsOf(copy)).toContain("init is of 0:0");
    }
    const [a, b] = [firstIdOf(one), firstIdOf(two)];
    expect(Math.abs(a - b)).toBeGreaterThanOrEqual(RANGE_IDS);
    for (const { pid } of [one, two]) {
      expect(readFileSync(`/proc/${pid}/gid_map`, "utf8")).toMatch(/ 65536$/m);
    }
  });

  it("gives its ids to another one only when it is gone", async () => {
    const copy = await launch("sleep 60");
    expect(readdirSync(claimsDirectory)).toEqual([String(firstIdOf(copy))]);
    await copy.destroy();
    expect(readdirSync(claimsDirectory)).toEqual([]);
  });

  it("may each fill what it can write to, and no more: the other one writes on", async () => {
    const beats = "i=0; while sleep 0.1; do i=$((i + 1)); echo $i > /beat && echo beat $i; done";
    const neighbour = await launch(beats);
    await untilSays(neighbour, /^beat 1$/m);
    const freeBefore = freeBytes();
    const fill = "dd if=/dev/zero of=/full bs=1M 2>&1; echo filled; df -k / | tail -1; sleep 60";
    const hog = await launch(fill, { diskMib: 32 });
    await untilSays(hog, /^filled$/m);
    await untilSays(hog, /(99|100)% \/$/m);
    expect(await wordsOf(hog)).toMatch(/No space left on device/);
    expect(freeBefore - freeBytes()).toBeLessThan(40 * MIB);
    const [, beat] = [...(await wordsOf(neighbour)).matchAll(/^beat ([0-9]+)$/gm)].at(-1) ?? [];
    await untilSays(neighbour, new RegExp(`^beat ${Number(beat) + 5}$`, "m"));
  });

  it("gets what its node gives all when it says nothing, and leaves no device", async () => {
    const copy = await launch("df -k / | tail -1; sleep 60");
    await untilSays(copy, / \/$/m);
    const [, sizeKib] = / ([0-9]+) /.exec(await wordsOf(copy)) ?? [];
    expect(Number(sizeKib) / 1024).toBeGreaterThan(64 * 0.85);
    expect(Number(sizeKib) / 1024).toBeLessThanOrEqual(64);
    expect(await loopDevices()).toContain(root);
    await copy.destroy();
    await vi.waitFor(async () => expect(await loopDevices()).not.toContain(root), PATIENCE);
  });
});

describe.runIf(process.getuid?.() === 0)("CPU time of a busy container", () => {
  it.each([250, 500])("is %i thousandths of a CPU, no more and no less", async (cpuMillis) => {
    const copy = await launch("while :; do :; done", { cpuMillis });
    await expectRate(copy, cpuMillis / 1000);
    await copy.setResources({ cpuMillis: cpuMillis / 2, memoryMib: 64 });
    await expectRate(copy, cpuMillis / 2000);
  });
});

/** Never more than a tenth above the cap; not much below it either, when the host lets it. */
async function expectRate(copy: EngineCopy, cap: number): Promise<void> {
  await vi.waitFor(async () => {
    const [from, fromMs] = [await cpuMsOf(copy), performance.now()];
    await vi.waitUntil(async () => (await cpuMsOf(copy)) >= from + cap * WINDOW_MS, PATIENCE);
    const rate = ((await cpuMsOf(copy)) - from) / (performance.now() - fromMs);
    expect.soft(rate).toBeLessThan(cap * 1.1);
    expect(rate).toBeGreaterThan(cap * 0.9);
  }, UNTIL_IDLE);
}

async function cpuMsOf(copy: EngineCopy): Promise<number> {
  return (await copy.usage())?.cpuMs ?? 0;
}

async function launch(script: string, overrides: Partial<CopyLaunch> = {}): Promise<EngineCopy> {
  const command = ["/bin/sh", "-c", script];
  const copy = await engine.launch({
    ...{ guestUid: randomIdSource.uuid(), epoch: 1, mode: "container" as const },
    ...{ vcpuCount: 1, cpuMillis: 1000, memoryMib: 64, disks: [], isIncoming: false },
    boot: { kind: "rootfs", rootfsPath: ROOTFS, command, commandLine: "" },
    ...overrides,
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

function firstIdOf({ pid }: EngineCopy): number {
  const map = readFileSync(`/proc/${pid}/uid_map`, "utf8");
  return Number(map.trim().split(/ +/)[1]);
}

function freeBytes(): number {
  const { bavail, bsize } = statfsSync(root);
  return bavail * bsize;
}

async function loopDevices(): Promise<string> {
  return (await promisify(execFile)("losetup", ["--list", "--output", "BACK-FILE"])).stdout;
}
