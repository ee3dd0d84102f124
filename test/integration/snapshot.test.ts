/**
 * Snapshots and data disks through the whole cluster on real QEMU, also when the agent is killed in
 * the middle: what the operation says is what is there.
 */
import { readdirSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { PATIENCE, Programs, type Started } from "./programs.js";

const SMALL = ["--image", "tiny", "--mode", "hybrid", "--memory", "32MiB", "--cpu", "100m"];

let programs: Programs;
let cluster: Started;

beforeEach(async () => {
  programs = new Programs();
  cluster = await programs.up("data", ["--nodes", "1"]);
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

async function untilBeat(id: string, beat: number): Promise<void> {
  await vi.waitFor(async () => expect(await newestBeat(id)).toBeGreaterThan(beat), PATIENCE);
}

async function names(): Promise<string[]> {
  const out = await inn("guest", "snapshot", "ls", "a", "-o", "json");
  return (JSON.parse(out) as { readonly name: string }[]).map(({ name }) => name);
}

function filesOnNode(): string[] {
  const disks = path.join(programs.directory, "data", "nodes", "n1", "disks");
  return readdirSync(disks).flatMap((uid) => readdirSync(path.join(disks, uid)));
}

async function heldMib(): Promise<number> {
  const [node] = JSON.parse(await inn("node", "ls", "-o", "json")) as {
    readonly allocated?: { readonly diskMib?: number };
  }[];
  return node?.allocated?.diskMib ?? 0;
}

it("keeps a guest's memory and lets it go on there, and gives all space back", async () => {
  const created = await inn("guest", "create", "a", ...SMALL, "--disk", "8MiB");
  expect(created).toMatch(/is RUNNING/);
  expect(await inn("guest", "disk", "set", "a", "logs", "4MiB")).toMatch(
    /disk logs 4 MiB, RUNNING/,
  );
  await untilBeat("a", 2);
  expect(await inn("guest", "snapshot", "create", "a", "one", "--memory")).toMatch(/one$/);
  expect(await heldMib()).toBe(12 + 12 + 32 + 64);
  const taken = await newestBeat("a");
  await untilBeat("a", taken + 30);
  expect(await inn("guest", "restore", "a", "one")).toMatch(/RUNNING on n1/);
  const [first = 0] = [...(await inn("guest", "logs", "a")).matchAll(/beat ([0-9]+)/g)].map((b) =>
    Number(b[1]),
  );
  expect(first).toBeGreaterThan(1);
  expect(first).toBeLessThan(taken + 20);
  expect(await inn("guest", "get", "a")).toMatch(/^node +n1 \(epoch 2\)$/m);
  expect(await inn("guest", "snapshot", "rm", "a", "one")).toMatch(/none$/);
  // The tiny guest does not know how to let go of a disk while it runs.
  expect(await inn("guest", "disk", "rm", "a", "logs")).toMatch(/DISK_IN_USE/);
  expect(await heldMib()).toBe(12);
  await inn("guest", "stop", "a");
  expect(await inn("guest", "disk", "rm", "a", "logs")).toMatch(/: 100m CPU, 32 MiB, STOPPED$/);
  expect(await heldMib()).toBe(8);
  expect(filesOnNode()).toEqual(["data.qcow2"]);
  expect(await inn("guest", "delete", "a")).toBe("delete a: gone");
});

it("tells the truth of a snapshot in whose middle everything was killed", async () => {
  await inn("guest", "create", "a", ...SMALL, "--disk", "8MiB");
  await untilBeat("a", 1);
  const asked = inn("guest", "snapshot", "create", "a", "one", "--memory", "--no-wait");
  await asked;
  await programs.kill(cluster);
  cluster = await programs.up("data", ["--nodes", "1"]);
  await vi.waitFor(async () => {
    const ops = await inn("op", "ls", "-o", "json");
    expect(ops).not.toMatch(/OPERATION_STATE_RUNNING/);
  }, PATIENCE);
  const isThere = filesOnNode().some((file) => file.startsWith("state-"));
  expect(await names()).toEqual(isThere ? ["one"] : []);
  expect(await inn("guest", "ls")).toMatch(/^a +RUNNING/m);
  if (isThere) expect(await inn("guest", "restore", "a", "one")).toMatch(/RUNNING on n1/);
  await untilBeat("a", 1);
  expect(await inn("guest", "delete", "a")).toBe("delete a: gone");
  expect(filesOnNode()).toEqual([]);
});
