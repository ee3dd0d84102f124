/** A node that can be emptied only when guests of other nodes make room, within their budgets. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { Programs, type Started } from "./programs.js";

let programs: Programs;
let cluster: Started;
let nodeCpuMillis: number;

beforeEach(async () => {
  programs = new Programs();
  cluster = await programs.up("data", ["--engines", "sim", "--nodes", "3"]);
  const { out } = await inn("node", "get", "n1", "-o", "json");
  const { allocatable } = JSON.parse(out) as {
    readonly allocatable: { readonly cpuMillis: string };
  };
  nodeCpuMillis = Number(allocatable.cpuMillis);
});

afterEach(async () => {
  await programs.dispose();
});

function inn(...args: readonly string[]) {
  return programs.inn(cluster.address, ...args);
}

/** On one node: the others take no guests meanwhile. */
async function fill(
  [nodeId, name]: readonly [string, string],
  share: number,
  more: readonly string[] = [],
) {
  const others = ["n1", "n2", "n3"].filter((each) => each !== nodeId);
  for (const other of others) expect((await inn("node", "cordon", other)).code).toBe(0);
  const cpu = `${Math.floor((nodeCpuMillis * share) / 50) * 50}m`;
  const create = ["guest", "create", name, "--image", "tiny", "--memory", "32MiB", "--cpu", cpu];
  expect((await inn(...create, ...more)).code).toBe(0);
  for (const other of others) expect((await inn("node", "uncordon", other)).code).toBe(0);
}

async function nodeOf(name: string): Promise<string> {
  const { out } = await inn("guest", "get", name, "-o", "json");
  return (JSON.parse(out) as { status: { placement: { nodeId: string } } }).status.placement.nodeId;
}

it("plans who makes room, does it, and brings them home again", async () => {
  await fill(["n1", "large"], 0.6);
  await fill(["n2", "b"], 0.5);
  await fill(["n3", "c"], 0.5);
  const plan = await inn("node", "drain", "n1", "--dry-run");
  expect(plan.code).toBe(0);
  expect(plan.out).toMatch(/1 of 1 guests of n1 can move away/);
  expect(plan.out).toMatch(/1 +default\/[bc] .* n[23] +n[23] .*makes room/);
  expect(plan.out).toMatch(/2 +default\/large +32MiB +n1 +n[23]/);
  expect(await nodeOf("large")).toBe("n1");
  const drained = await inn("node", "drain", "n1");
  expect(drained.code).toBe(0);
  expect(drained.out).toMatch(/1 of 1 guests are away/);
  expect(drained.out).toMatch(/default\/[bc] +moved +n[23] +made room/);
  expect(await nodeOf("large")).not.toBe("n1");
  const back = await inn("node", "uncordon", "n1", "--return");
  expect(back.code).toBe(0);
  expect(back.out).toMatch(/1 of 1 guests moved/);
  expect(await nodeOf("large")).toBe("n1");
});

it("moves no more of a group at a time than their budget allows", async () => {
  const one = ["--label", "app=web", "--max-down", "1 of app=web"];
  await fill(["n1", "a"], 0.1, one);
  await fill(["n1", "b"], 0.1, one);
  await fill(["n1", "fixed"], 0.1, ["--label", "app=db", "--max-down", "0 of app=db"]);
  const plan = await inn("node", "drain", "n1", "--dry-run");
  expect(plan.code).toBe(4);
  expect(plan.out).toMatch(/2 of 3 guests/);
  expect(plan.out).toMatch(/default\/fixed .*its budget lets none of app=db move/);
  const drained = await inn("node", "drain", "n1");
  expect(drained.code).toBe(1);
  expect(drained.out).toMatch(/default\/a +moved/);
  expect(drained.out).toMatch(/default\/b +moved/);
  expect(drained.out).toMatch(/default\/fixed +skipped .*its budget lets none/);
});
