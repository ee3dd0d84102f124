/**
 * What a running guest may use, measured on real QEMU: memory with a Linux guest that knows the
 * balloon, CPU time by what the host counts while the guest boots as fast as it may.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { CopyLaunch, CopyUsage, Engine, EngineCopy } from "@innkeeper/core";
import { randomIdSource, systemClock } from "@innkeeper/core/platform";
import { silentLogger } from "@innkeeper/core/testing";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { CGROUP_ROOT, THREADS_MAX, whyNoCgroups } from "./copy-cgroup.js";
import { createQemuEngine } from "./qemu-engine.js";

const IMAGES = fileURLToPath(new URL("../../../../../images/build/", import.meta.url));
const TINY = path.join(IMAGES, "tiny/tiny.elf");
const DISK = path.join(IMAGES, "disk/disk.raw");
const LINUX = {
  kind: "kernel",
  kernelPath: path.join(IMAGES, "linux/vmlinuz"),
  initrdPath: path.join(IMAGES, "linux/initrd"),
  commandLine: "console=ttyS0 quiet panic=-1 tsc=reliable beat_ms=1000",
} as const;
/** Its first process never sleeps. */
const BUSY = {
  ...LINUX,
  commandLine: `${LINUX.commandLine} rdinit=/bin/sh -- -c "while :; do :; done"`,
};
const PATIENCE = { timeout: 60_000, interval: 20 };

const root = mkdtempSync(path.join(tmpdir(), "innkeeper-live-"));
const engine: Engine = createQemuEngine({
  stateDir: path.join(root, "guests"),
  clock: systemClock,
  log: silentLogger,
  migrationHost: "127.0.0.1",
  probeKernel: TINY,
  probeDisk: DISK,
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

describe.each(["hybrid", "paravirt"] as const)("the memory of a Linux guest in %s mode", (mode) => {
  it("is given back by the balloon and given again, while the guest runs", async () => {
    copy = await engine.launch(aLaunch({ mode }));
    await waitForWord(copy, "beat 1 ");
    await copy.setResources({ cpuMillis: 1000, memoryMib: 160 });
    await copy.setResources({ cpuMillis: 1000, memoryMib: 256 });
    await copy.setResources({ cpuMillis: 1000, memoryMib: 128 });
    expect(await copy.runState()).toBe("running");
    const [last] = [...(await wordsOf(copy)).matchAll(/beat ([0-9]+) /g)].slice(-1);
    await waitForWord(copy, `beat ${Number(last?.[1]) + 1} `);
  });
});

it("says when the guest does not give memory back, and leaves it what it had", async () => {
  copy = await engine.launch(
    aLaunch({ boot: { ...LINUX, kernelPath: TINY, initrdPath: undefined } }),
  );
  const refused = copy.setResources({ cpuMillis: 1000, memoryMib: 128 });
  await expect(refused).rejects.toMatchObject({
    kind: "precondition",
    reason: "MEMORY_NOT_GIVEN_BACK",
  });
  await copy.setResources({ cpuMillis: 1000, memoryMib: 256 });
});

describe.runIf(whyNoCgroups() === undefined)("CPU time where control groups can be made", () => {
  it.each([250, 500])("is %i thousandths of a CPU, no more and no less", async (cpuMillis) => {
    copy = await engine.launch(aLaunch({ cpuMillis, boot: BUSY }));
    await expectRate(copy, cpuMillis / 1000);
  });

  it("follows a change while the guest runs", async () => {
    copy = await engine.launch(aLaunch({ cpuMillis: 1000, boot: BUSY }));
    await copy.setResources({ cpuMillis: 200, memoryMib: 256 });
    await expectRate(copy, 0.2);
  });

  it("comes with caps of memory and threads, with room for the hypervisor itself", async () => {
    const launch = aLaunch({});
    copy = await engine.launch(launch);
    const bytes = Number(limitOn(launch, "memory.limit_in_bytes", "memory.max"));
    expect(bytes / 1024 / 1024).toBeGreaterThan(launch.memoryMib);
    expect(bytes / 1024 / 1024).toBeLessThanOrEqual(launch.memoryMib + 1536);
    expect(Number(limitOn(launch, "pids.max"))).toBe(1 + THREADS_MAX);
  });

  it("ends a guest whose hypervisor takes more memory than it may, and says so", async () => {
    const launch = aLaunch({});
    copy = await engine.launch(launch);
    for (const group of groupsOf(launch)) {
      squeeze(group, { now: "memory.usage_in_bytes", most: "memory.limit_in_bytes" });
      squeeze(group, { now: "memory.current", most: "memory.max" });
    }
    expect(await copy.ended).toMatchObject({ reason: "out-of-memory" });
    copy = undefined;
    expect(groupsOf(launch)).toEqual([]);
  });

  it("leaves no control group behind (E3)", async () => {
    const launch = aLaunch({});
    copy = await engine.launch(launch);
    expect(groupsOf(launch)).not.toEqual([]);
    await copy.destroy();
    expect(groupsOf(launch)).toEqual([]);
  });
});

function aLaunch(overrides: Partial<CopyLaunch>): CopyLaunch {
  return {
    guestUid: randomIdSource.uuid(),
    epoch: 1,
    mode: "paravirt",
    vcpuCount: 1,
    cpuMillis: 1000,
    memoryMib: 256,
    boot: LINUX,
    disks: [],
    isIncoming: false,
    ...overrides,
  };
}

/** A booting guest takes more than this soon. A limit below what is taken may be refused. */
function squeeze(group: string, { now, most }: { now: string; most: string }): void {
  if (!existsSync(path.join(group, most))) return;
  const takenBytes = Number(readFileSync(path.join(group, now), "utf8"));
  writeFileSync(path.join(group, most), String(takenBytes + 4 * 1024 * 1024));
}

/** Never more than a tenth above the cap; not much below it either, when the host lets it. */
async function expectRate(busy: EngineCopy, cap: number): Promise<void> {
  await vi.waitFor(async () => {
    const rate = await rateOf(busy);
    expect.soft(rate).toBeLessThan(cap * 1.1);
    expect(rate).toBeGreaterThan(cap * 0.9);
  }, PATIENCE);
}

/** CPU time by time passed, over half a second of CPU time in which the guest is busy. */
async function rateOf(busy: EngineCopy): Promise<number> {
  const from = await usageBeyond(busy, 100);
  const to = await usageBeyond(busy, from.cpuMs + 500);
  return (to.cpuMs - from.cpuMs) / (to.atMs - from.atMs);
}

async function usageBeyond(
  busy: EngineCopy,
  cpuMs: number,
): Promise<CopyUsage & { readonly atMs: number }> {
  return await vi.waitFor(async () => {
    const usage = await busy.usage();
    const atMs = performance.now();
    if (usage === undefined || usage.cpuMs < cpuMs) throw new Error("it has not used that yet");
    return { ...usage, atMs };
  }, PATIENCE);
}

async function wordsOf(speaking: EngineCopy): Promise<string> {
  const { bytes } = await speaking.readConsole(0, 1024 * 1024);
  return Buffer.from(bytes).toString("latin1");
}

async function waitForWord(speaking: EngineCopy, word: string): Promise<void> {
  await vi.waitFor(async () => {
    if (!(await wordsOf(speaking)).includes(word)) throw new Error(`no "${word}" yet`);
  }, PATIENCE);
}

function limitOn(launch: CopyLaunch, ...names: string[]): string {
  const files = groupsOf(launch).flatMap((group) => names.map((name) => path.join(group, name)));
  const file = files.find((each) => existsSync(each)) ?? "no file of that name";
  return readFileSync(file, "utf8").trim();
}

function groupsOf({ guestUid, epoch }: CopyLaunch): string[] {
  const parents = ["", ...readdirSync(CGROUP_ROOT)].map(
    (each) => `${CGROUP_ROOT}/${each}/innkeeper`,
  );
  return parents.map((each) => `${each}/${guestUid}.${epoch}`).filter((each) => existsSync(each));
}
