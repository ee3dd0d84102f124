/** `inn rebalance` in a whole cluster of simulated nodes: the plan, the moves, the ledger. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { Programs, type Started } from "./programs.js";

const SIZE = ["--image", "tiny", "--memory", "32MiB", "--cpu", "200m"];

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

interface Move {
  readonly guestId: string;
  readonly fromNodeId: string;
  readonly toNodeId: string;
  readonly state?: string;
}

interface Shown {
  readonly id: string;
  readonly status: { readonly placement?: { readonly nodeId: string } };
}

async function guestsOn(nodeId: string): Promise<readonly Shown[]> {
  const guests = JSON.parse((await inn("guest", "ls", "-o", "json")).out) as readonly Shown[];
  return guests.filter(({ status }) => status.placement?.nodeId === nodeId);
}

async function counts(): Promise<readonly number[]> {
  const found = [];
  for (const nodeId of ["n1", "n2", "n3"]) found.push((await guestsOn(nodeId)).length);
  return found;
}

it("moves as few guests as make the nodes alike, as it said it would, and then none", async () => {
  for (const node of ["n2", "n3"]) expect((await inn("node", "cordon", node)).code).toBe(0);
  const created = await inn("guest", "create", "g", ...SIZE, "--count", "6");
  expect(created.code).toBe(0);
  for (const node of ["n2", "n3"]) expect((await inn("node", "uncordon", node)).code).toBe(0);
  expect(await counts()).toEqual([6, 0, 0]);

  const plan = await inn("rebalance", "-o", "json");
  const { moves } = JSON.parse(plan.out) as { readonly moves: readonly Move[] };
  expect(moves).toHaveLength(4);
  expect(await counts()).toEqual([6, 0, 0]);

  const applied = await inn("rebalance", "--apply");
  expect(applied.code).toBe(0);
  expect(applied.out).toMatch(/4 of 4 guests moved/);
  expect(await counts()).toEqual([2, 2, 2]);

  expect((await inn("rebalance")).out).toMatch(/deviate by 0.00 %; no move is worth it/);

  for (const { id } of await guestsOn("n1")) {
    expect((await inn("guest", "delete", id)).code).toBe(0);
  }
  expect((await inn("rebalance")).out).toMatch(/deviate by [1-9].*; no move is worth it/);
  const later = await inn("rebalance", "--cool-down", "0s");
  expect(later.out).toMatch(/after 1 move by/);
});

it("refuses limits that make no sense, and to plan and apply at once", async () => {
  expect((await inn("rebalance", "--plan", "--apply")).code).toBe(2);
  const refused = await inn("rebalance", "--moves", "5000");
  expect(refused.code).toBe(2);
  expect(refused.err).toMatch(/moves_max: 5000 is not allowed; allowed: /);
});
