/** Resizing on real QEMU, through the whole cluster: the guest goes on, also on another node. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { PATIENCE, Programs, type Started } from "./programs.js";

let programs: Programs;
let cluster: Started;

beforeEach(async () => {
  programs = new Programs();
  cluster = await programs.up("data");
});

afterEach(async () => {
  await programs.dispose();
});

async function inn(...args: readonly string[]): Promise<string> {
  const { code, out, err } = await programs.inn(cluster.address, ...args);
  return code === 0 ? out.trim() : `${code}: ${err.trim()}`;
}

async function newestBeat(id: string): Promise<number> {
  const out = await inn("guest", "logs", id);
  return Number([...out.matchAll(/beat ([0-9]+)/g)].at(-1)?.[1] ?? 0);
}

async function allocatedMib(): Promise<number> {
  const nodes = JSON.parse(await inn("node", "ls", "-o", "json")) as {
    readonly allocated?: { readonly memoryMib?: number };
  }[];
  return nodes.reduce((sum, { allocated }) => sum + (allocated?.memoryMib ?? 0), 0);
}

it("takes memory from a running guest, gives it back, and moves with it", async () => {
  const size = ["--memory", "256MiB", "--cpu", "1", "--mode", "hybrid"];
  expect(await inn("guest", "create", "a", "--image", "linux", ...size)).toMatch(/is RUNNING/);
  await vi.waitFor(async () => expect(await newestBeat("a")).toBeGreaterThan(0), PATIENCE);
  const shrunk = await inn("guest", "resize", "a", "--memory", "128MiB", "--cpu", "500m");
  expect(shrunk).toBe("guest a: 500m CPU, 128 MiB, RUNNING");
  expect(await allocatedMib()).toBe(128);
  const more = await inn("guest", "resize", "a", "--memory", "257MiB");
  expect(more).toMatch(/^1: .*launched with 256 MiB.*NO_LIVE_RESIZE/);

  expect(await inn("guest", "migrate", "a")).toMatch(/moved to n[123]/);
  const grown = await inn("guest", "resize", "a", "--memory", "256MiB");
  expect(grown).toBe("guest a: 500m CPU, 256 MiB, RUNNING");
  expect(await allocatedMib()).toBe(256);
  const beat = await newestBeat("a");
  await vi.waitFor(async () => expect(await newestBeat("a")).toBeGreaterThan(beat), PATIENCE);
  await vi.waitFor(
    async () => expect(await inn("guest", "get", "a")).toMatch(/^memory .*, takes [0-9]+ MiB now/m),
    PATIENCE,
  );
  expect(await inn("guest", "delete", "a")).toBe("delete a: gone");
});

it("leaves a guest that gives nothing back as it was, and says so", async () => {
  expect(await inn("guest", "create", "t", "--image", "tiny", "--memory", "64MiB")).toMatch(
    /is RUNNING: paravirt .*starts in [0-9]+ ms measured/,
  );
  expect(await inn("guest", "resize", "t", "--memory", "32MiB")).toMatch(
    /^1: resize t ...\ninn: the guest still has 64 MiB after .*MEMORY_NOT_GIVEN_BACK/,
  );
  expect(await allocatedMib()).toBe(64);
  await vi.waitFor(
    async () => expect(await inn("guest", "get", "t")).toMatch(/^memory +64 MiB/m),
    PATIENCE,
  );
  expect(await inn("guest", "delete", "t")).toBe("delete t: gone");
});
