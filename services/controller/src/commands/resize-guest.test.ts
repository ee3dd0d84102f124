/** Admission of a resize: what is refused, and what one commit takes. */
import { NO_LIMITS, nodeCounter, quotaCounter } from "@innkeeper/core";
import { aGuest, aNode, anImage, aProject } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { aBench, type CommandBench, type Contents } from "../testing/command-bench.js";
import { resizeGuest } from "./resize-guest.js";

const G1 = { projectId: "default", guestId: "g1", requestId: "" };
const SAME = { ...G1, cpuMillis: undefined, memoryMib: undefined, limits: {} };
const SMALL = aNode({ capacity: { cpuMillis: 2000, memoryMib: 512, diskMib: 0 } });

describe("resizeGuest", () => {
  it("holds both amounts until the node has confirmed what is given back", async () => {
    const bench = await withGuest();
    await resizeGuest(bench, { ...SAME, memoryMib: 128 });
    expect(bench.guest("g1")).toMatchObject({
      generation: 2,
      intent: 2,
      spec: { resources: { memoryMib: 128 } },
      status: { resize: { from: { memoryMib: 256 } } },
    });
    expect(await bench.counters()).toEqual({});
  });

  it("takes what grows from node and quota in the same commit", async () => {
    const bench = await withGuest({ cpuMillis: 500 });
    await resizeGuest(bench, { ...SAME, cpuMillis: 1000, memoryMib: 128 });
    expect(await bench.counters()).toEqual({
      [nodeCounter("n1", "cpuMillis")]: 500,
      [quotaCounter("default", "cpuMillis")]: 500,
    });
  });

  it("refuses what the quota does not hold, and takes nothing", async () => {
    const quota = { memoryMib: 300 };
    const bench = await withGuest({ phase: "STOPPED" }, { projects: [aProject({ quota })] });
    await expect(resizeGuest(bench, { ...SAME, memoryMib: 512 })).rejects.toMatchObject({
      reason: "QUOTA_EXCEEDED",
      metadata: { requested: "256", limit: "300" },
    });
    expect(bench.guest("g1").generation).toBe(1);
  });

  it("refuses what the node does not hold, with the numbers", async () => {
    const bench = await withGuest({ phase: "STOPPED" }, { nodes: [SMALL] });
    await expect(resizeGuest(bench, { ...SAME, memoryMib: 1024 })).rejects.toMatchObject({
      kind: "capacity",
      reason: "NODE_FULL",
      metadata: { resource: "memoryMib", left: "256", need: "768" },
    });
  });

  it.each([
    ["memory beyond what it was launched with", { memoryMib: 257 }, /launched with 256 MiB/],
    ["more vCPUs than it was launched with", { cpuMillis: 1500 }, /launched with 1 vCPUs.*needs 2/],
  ])("refuses a running guest %s, and says what helps", async (_, change, said) => {
    const bench = await withGuest();
    const refused = resizeGuest(bench, { ...SAME, ...change });
    await expect(refused).rejects.toMatchObject({ kind: "precondition", reason: "NO_LIVE_RESIZE" });
    await expect(refused).rejects.toThrow(said);
    await expect(refused).rejects.toThrow(/stop it, resize it, start it/);
  });

  it.each([
    { change: { memoryMib: 128 }, cannot: { canSetMemory: false }, said: /no balloon/ },
    { change: { cpuMillis: 500 }, cannot: { canSetCpu: false }, said: /cannot be limited/ },
  ])("refuses what the mode cannot there: $said", async ({ change, cannot, said }) => {
    const [ability] = aNode().abilities;
    const node = aNode({ abilities: ability ? [{ ...ability, ...cannot }] : [] });
    const bench = await withGuest({}, { nodes: [node] });
    await expect(resizeGuest(bench, { ...SAME, ...change })).rejects.toThrow(said);
  });

  it("gives a stopped guest whatever fits", async () => {
    const bench = await withGuest({ phase: "STOPPED" });
    await resizeGuest(bench, { ...SAME, memoryMib: 2048 });
    expect(bench.guest("g1").spec.resources.memoryMib).toBe(2048);
  });

  it("refuses less memory than the image needs", async () => {
    const image = anImage({ manifest: { memoryMibMin: 200 } });
    const bench = await withGuest({}, { images: [image] });
    await expect(resizeGuest(bench, { ...SAME, memoryMib: 199 })).rejects.toMatchObject({
      kind: "invalid",
      metadata: { field: "memory_mib" },
    });
  });

  it.each(["PENDING", "STARTING", "PAUSED", "MIGRATING", "LOST"] as const)(
    "refuses a guest that is %s",
    async (phase) => {
      const bench = await withGuest({ phase });
      const refused = resizeGuest(bench, { ...SAME, memoryMib: 128 });
      await expect(refused).rejects.toMatchObject({ reason: "ILLEGAL_TRANSITION" });
    },
  );

  it("refuses a guest that runs only until it is paused", async () => {
    const bench = await withGuest({ phase: "RUNNING", spec: { desired: "paused" } });
    const refused = resizeGuest(bench, { ...SAME, memoryMib: 128 });
    await expect(refused).rejects.toMatchObject({ reason: "ILLEGAL_TRANSITION" });
  });

  it("changes the limits that are named and no others, and takes nothing", async () => {
    const bench = await withGuest({ spec: { limits: { ...NO_LIMITS, diskIopsMax: 100 } } });
    await resizeGuest(bench, { ...SAME, limits: { diskBytesPerSecondMax: 4096 } });
    expect(bench.guest("g1")).toMatchObject({
      intent: 2,
      spec: { limits: { diskIopsMax: 100, diskBytesPerSecondMax: 4096 } },
      status: { resize: { before: { limits: { diskIopsMax: 100, diskBytesPerSecondMax: 0 } } } },
    });
    expect(await bench.counters()).toEqual({});
  });

  it.each([
    ["linux", { pidsMax: 10 }, /pids_max.*processes of a machine are its own/],
    ["rootfs", { diskIopsMax: 10 }, /disk_iops_max.*a container has no disk/],
    ["linux", { netOutBytesPerSecondMax: 10 }, /net_out_bytes_per_second_max.*of its own/],
  ] as const)("refuses a limit that a %s image cannot have: %j", async (kind, limits, said) => {
    const bench = await withGuest({}, { images: [anImage({ manifest: { kind } })] });
    const refused = resizeGuest(bench, { ...SAME, limits });
    await expect(refused).rejects.toMatchObject({ kind: "invalid" });
    await expect(refused).rejects.toThrow(said);
  });

  it("refuses a network rate, while it runs, on a node that cannot limit it", async () => {
    const bench = await withGuest({ spec: { isBridged: true } });
    const refused = resizeGuest(bench, { ...SAME, limits: { netInBytesPerSecondMax: 10 } });
    await expect(refused).rejects.toMatchObject({ reason: "NO_LIVE_RESIZE" });
    await expect(refused).rejects.toThrow(/its network rate cannot be limited there/);
  });

  it("changes nothing when all is so already", async () => {
    const bench = await withGuest();
    await resizeGuest(bench, { ...SAME, memoryMib: 256 });
    expect(bench.guest("g1")).toMatchObject({ generation: 1, status: { resize: undefined } });
  });
});

async function withGuest(
  guest: Parameters<typeof aGuest>[0] = {},
  contents: Contents = {},
): Promise<CommandBench> {
  const all = { nodes: [aNode()], ...contents };
  return await aBench({ ...all, guests: [aGuest({ onNode: "n1", ...guest })] });
}
