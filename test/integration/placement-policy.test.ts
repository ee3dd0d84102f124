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
  for (const [guest, project] of [
    ["loose-1", "loose"],
    ["dense-3", "dense"],
    ["own-2", "own"],
  ] as const) {
    const replayed = await inn("decision", "replay", guest, "--project", project);
    expect([replayed.code, replayed.out]).toEqual([0, expect.stringMatching(/^the same again, /)]);
  }
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

it("shares room between projects, and shows who waits in which order", async () => {
  const { out } = await inn("node", "get", "n1", "-o", "json");
  const { allocatable } = JSON.parse(out) as {
    readonly allocatable: { readonly cpuMillis: string };
  };
  const cpu = (part: number) => `${Math.floor(Number(allocatable.cpuMillis) / part / 50) * 50}m`;
  const create = ["--image", "tiny", "--memory", "32MiB", "--node", "n1"];
  for (const project of ["big", "small"]) {
    expect((await inn("project", "create", project)).code).toBe(0);
  }
  const queue = async () => (await inn("queue")).out;
  expect(await queue()).toMatch(/no guest waits for a place/);
  const all = [...create, "--cpu", cpu(1)];
  expect((await inn("guest", "create", "all", "--project", "big", ...all)).code).toBe(0);
  const half = [...create, "--cpu", cpu(2), "--no-wait"];
  for (const [project, name] of [
    ["big", "b1"],
    ["big", "b2"],
    ["small", "s1"],
    ["small", "s2"],
  ] as const) {
    expect((await inn("guest", "create", name, "--project", project, ...half)).code).toBe(0);
  }
  const order = /small\/s1.*small\/s2.*big\/b1.*big\/b2/s;
  await vi.waitFor(async () => {
    expect(await queue()).toMatch(/4 guests wait for a place, the longest for \d+s/);
  }, PATIENCE);
  expect(await queue()).toMatch(order);
  expect(await queue()).toMatch(/big +2 +(3\d|9\d|100)\.\d\d %/);
  expect((await inn("guest", "delete", "all", "--project", "big")).code).toBe(0);
  await vi.waitFor(async () => {
    for (const [project, name] of [
      ["small", "s1"],
      ["big", "b1"],
    ] as const) {
      expect((await inn("guest", "get", name, "--project", project)).out).toMatch(/RUNNING/);
    }
  }, PATIENCE);
  expect(await queue()).toMatch(/2 guests wait.*cpuMillis needs/s);
});

it("makes preemptible guests leave for a greater priority, within their budget", async () => {
  const { out } = await inn("node", "get", "n1", "-o", "json");
  const { allocatable } = JSON.parse(out) as {
    readonly allocatable: { readonly cpuMillis: string };
  };
  const half = `${Math.floor(Number(allocatable.cpuMillis) / 100) * 50}m`;
  const options = ["--image", "tiny", "--memory", "32MiB", "--node", "n1", "--cpu", half];
  const spot = [...options, "--preemptible", "--label", "app=web", "--max-down", "1 of app=web"];
  for (const name of ["spot-a", "spot-b"]) {
    expect((await inn("guest", "create", name, ...spot)).code).toBe(0);
  }
  const urgent = await inn("guest", "create", "urgent", ...options, "--priority", "10");
  expect(urgent.code).toBe(0);
  expect(urgent.out).toMatch(/guest urgent is RUNNING/);
  const phases = ["spot-a", "spot-b"].map(async (name) => (await inn("guest", "get", name)).out);
  const told = await Promise.all(phases);
  expect(told.filter((each) => /phase +RUNNING/.test(each))).toHaveLength(1);
  expect(
    told.filter((each) => /phase +PENDING - (PREEMPTED|NOTHING_FITS)/.test(each)),
  ).toHaveLength(1);
  const events = await inn("events");
  expect(events.out).toMatch(/made room for default\/urgent \(priority 10\)/);
  const spared = await inn("guest", "create", "more", ...options, "--priority", "5", "--no-wait");
  expect(spared.code).toBe(0);
  await vi.waitFor(async () => {
    expect((await inn("guest", "get", "more")).out).toMatch(/PENDING - NOTHING_FITS/);
  }, PATIENCE);
  expect((await inn("guest", "delete", "urgent")).code).toBe(0);
  await vi.waitFor(async () => {
    expect((await inn("guest", "get", "more")).out).toMatch(/phase +RUNNING/);
  }, PATIENCE);
  const disk = await inn("guest", "create", "d", ...options, "--preemptible", "--disk", "1MiB");
  expect(disk.code).toBe(2);
  expect(disk.err).toMatch(/preemptible: true is not allowed.*1 MiB.*would be lost/);
});
