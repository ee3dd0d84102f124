/** Where guests go: as they say, else as their project, a project above it, or the cluster says. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { PATIENCE, Programs, type Started } from "./programs.js";

const SIZE = ["--image", "tiny", "--memory", "32MiB", "--cpu", "100m"];

let programs: Programs;
let cluster: Started;

beforeEach(async () => {
  programs = new Programs();
  cluster = await programs.up("data", ["--engines", "sim", "--nodes", "3"]);
});

afterEach(async () => {
  await programs.dispose();
});

function inn(...args: readonly string[]) {
  return programs.inn(cluster.address, ...args);
}

interface Shown {
  readonly status: {
    readonly placement: {
      readonly nodeId: string;
      readonly decision: { readonly message: string };
    };
  };
}

/** @returns on how many nodes they are. */
async function nodesOf(project: string, ...options: readonly string[]): Promise<number> {
  const names = ["-1", "-2", "-3"].map((suffix) => `${project}${suffix}`);
  const create = ["guest", "create", project, "--project", project, ...SIZE, ...options];
  for (const name of names) {
    create[2] = name;
    expect((await inn(...create)).code).toBe(0);
  }
  const listed = await inn("guest", "ls", "--project", project, "-o", "json");
  const guests = JSON.parse(listed.out) as readonly Shown[];
  expect(guests).toHaveLength(names.length);
  return new Set(guests.map(({ status }) => status.placement.nodeId)).size;
}

it("packs or spreads as the guest, its project or one above it wants", async () => {
  const projects = [
    ["loose"],
    ["dense", "--policy", "pack"],
    ["below", "--parent", "dense"],
    ["own", "--parent", "dense"],
  ];
  for (const project of projects) {
    expect((await inn("project", "create", ...project)).code).toBe(0);
  }
  expect((await inn("project", "get", "dense")).out).toMatch(/policy +pack/);
  expect(await nodesOf("loose")).toBe(3);
  expect(await nodesOf("dense")).toBe(1);
  expect(await nodesOf("below")).toBe(1);
  expect(await nodesOf("own", "--policy", "spread")).toBe(2);
  expect((await inn("guest", "explain", "below-1", "--project", "below")).out).toMatch(
    /by policy pack/,
  );
  const refused = await inn("guest", "create", "x", ...SIZE, "--policy", "best");
  expect(refused.code).toBe(2);
  expect(refused.err).toMatch(/--policy: "best" is not allowed; allowed: spread, pack, balanced/);
});

it("gives room to the greatest priority first, then to who has waited longest", async () => {
  const large = ["--image", "tiny", "--memory", "32MiB", "--node", "n1"];
  const { out } = await inn("node", "get", "n1", "-o", "json");
  const { allocatable } = JSON.parse(out) as {
    readonly allocatable: { readonly cpuMillis: string };
  };
  const most = `${Math.floor(Number(allocatable.cpuMillis) / 50) * 50}m`;
  const create = ["guest", "create"];
  const options = [...large, "--cpu", most];
  expect((await inn(...create, "first", ...options)).code).toBe(0);
  for (const [name, priority] of [
    ["old", "0"],
    ["young", "0"],
    ["urgent", "10"],
  ] as const) {
    const waiting = await inn(...create, name, ...options, "--priority", priority, "--no-wait");
    expect(waiting.code).toBe(0);
  }
  for (const [gone, next] of [
    ["first", "urgent"],
    ["urgent", "old"],
    ["old", "young"],
  ] as const) {
    expect((await inn("guest", "delete", gone)).code).toBe(0);
    await vi.waitFor(async () => {
      expect((await inn("guest", "get", next)).out).toMatch(/phase +RUNNING/);
    }, PATIENCE);
  }
});
