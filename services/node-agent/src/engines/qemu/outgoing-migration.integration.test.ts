/** Guests that write faster than their memory can be sent, on real QEMU. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { CopyLaunch, EngineCopy, MigrationProgress } from "@innkeeper/core";
import { randomIdSource, systemClock } from "@innkeeper/core/platform";
import { silentLogger } from "@innkeeper/core/testing";
import { afterEach, beforeEach, expect, it } from "vitest";
import { waitUntil } from "../../testing/real-time.js";
import { createQemuEngine } from "./qemu-engine.js";

const TINY = fileURLToPath(new URL("../../../../../images/build/tiny/tiny.elf", import.meta.url));
const TEST_MS = 60_000;
const MIB = 1024 ** 2;

let root: string;
let copies: EngineCopy[];

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), "innkeeper-moving-"));
  copies = [];
});

afterEach(async () => {
  await Promise.all(copies.map((each) => each.destroy()));
  rmSync(root, { recursive: true });
});

it("slows the guest down as far as may be, then gives up with figures", {
  timeout: TEST_MS,
}, async () => {
  const { source, uri } = await pair("beat=20 dirty=1000000 span=200");
  await waitUntil("what it writes to be measured", async () => {
    return ((await source.usage())?.dirtyBytesPerSecond ?? 0) > 100 * MIB;
  });
  const told: MigrationProgress[] = [];
  const onProgress = (progress: MigrationProgress): void => void told.push(progress);
  const sending = source.migrate({ uri, downtimeMsMax: 1, slowdownPercentMax: 15, onProgress });
  await expect(sending).rejects.toMatchObject({
    kind: "precondition",
    reason: "MIGRATION_STALLED",
    metadata: { slowdownPercent: "15", downtimeLimitMs: "1" },
  });
  expect(await source.runState()).toBe("running");
  const slowdowns = told.map(({ slowdownPercent = 0 }) => slowdownPercent);
  expect(Math.max(...slowdowns)).toBe(15);
  const last = told.at(-1);
  expect(last?.rounds).toBeGreaterThan(5);
  expect(last?.bytesPerSecond).toBeGreaterThan(0);
  expect(last?.dirtyBytesPerSecond).toBeGreaterThan(0);
});

/** A running guest, and an empty copy of it that listens. */
async function pair(commandLine: string): Promise<{ source: EngineCopy; uri: string }> {
  const launch: CopyLaunch = {
    guestUid: randomIdSource.uuid(),
    epoch: 1,
    mode: "paravirt",
    vcpuCount: 1,
    cpuMillis: 1000,
    memoryMib: 256,
    boot: { kind: "kernel", kernelPath: TINY, initrdPath: undefined, commandLine },
    disks: [],
    isIncoming: false,
  };
  const source = await engine("a").launch(launch);
  copies.push(source);
  const target = await engine("b").launch({ ...launch, epoch: 2, isIncoming: true });
  copies.push(target);
  return { source, uri: await target.listen() };
}

function engine(host: string) {
  return createQemuEngine({
    stateDir: path.join(root, host),
    clock: systemClock,
    log: silentLogger,
    migrationHost: "127.0.0.1",
    probeKernel: TINY,
    probeDisk: TINY,
    probeCacheFile: path.join(root, "probe.json"),
  });
}
