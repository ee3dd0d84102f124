/** Clones through the whole cluster on real QEMU: what they hold, and what is left of one. */
import { execFileSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { PATIENCE, Programs, type Started } from "./programs.js";

const LINUX = ["--image", "linux", "--mode", "hybrid", "--memory", "128MiB", "--cpu", "500m"];
/** Says what it finds on its disk, writes its own name there, and tells who it is. */
const SCRIPT = `#!/bin/sh
until [ -b /dev/vda ]; do sleep 0.1; done
echo "found $(head -c 8 /dev/vda | tr -dc a-z) is $(hostname)" >/dev/console
echo "$(hostname)       " | dd of=/dev/vda conv=notrunc 2>/dev/null; sync
echo written >/dev/console
`;

let programs: Programs;
let cluster: Started;

beforeEach(async () => {
  programs = new Programs();
  cluster = await programs.up("data", ["--nodes", "2"]);
});

afterEach(async () => {
  await programs.dispose();
});

async function inn(...args: readonly string[]): Promise<string> {
  const { code, out, err } = await programs.inn(cluster.address, ...args);
  return code === 0 ? out.trim() : `${code}: ${err.trim()}`;
}

async function untilSays(id: string, text: RegExp): Promise<void> {
  await vi.waitFor(async () => expect(await inn("guest", "logs", id)).toMatch(text), PATIENCE);
}

async function guest(id: string): Promise<{ uid: string; etag: string; spec: object }> {
  return JSON.parse(await inn("guest", "get", id, "-o", "json")) as never;
}

it("makes guests of stopped ones and of snapshots, and leaves nothing when cancelled", async () => {
  const script = path.join(programs.directory, "script.sh");
  writeFileSync(script, SCRIPT);
  const told = ["--user-data", script, "--disk", "8MiB", "--node", "n2"];
  expect(await inn("guest", "create", "a", ...LINUX, ...told)).toMatch(/RUNNING/);
  await untilSays("a", /found {2}is a\r?\n[\s\S]*written/);
  expect(await inn("guest", "clone", "a", "b")).toMatch(/a" is RUNNING: cannot clone without/);
  expect(await inn("guest", "snapshot", "create", "a", "s")).toMatch(/snapshots: s/);

  expect(await inn("guest", "clone", "a", "b", "--snapshot", "s")).toMatch(/b: RUNNING on n2/);
  await untilSays("b", /found a is b/);
  expect(await inn("guest", "stop", "b")).toMatch(/STOPPED/);
  expect(await inn("guest", "clone", "b", "c")).toMatch(/c: RUNNING on n2/);
  await untilSays("c", /found b is c/);
  expect(await inn("guest", "start", "b")).toMatch(/RUNNING/);
  expect(await inn("guest", "get", "c", "-o", "json")).not.toContain("cloneOf");

  const uids = await Promise.all(["a", "b", "c"].map(async (id) => (await guest(id)).uid));
  const disks = path.join(programs.directory, "data", "nodes", "n2", "disks");
  expect(readdirSync(disks).sort()).toEqual([...uids].sort());
  expect(await inn("guest", "delete", "a")).toMatch(/gone|deleted/);
  await untilSays("c", /beat/);

  await inn("guest", "stop", "b");
  await inn("node", "cordon", "n2");
  const cloning = await inn("guest", "clone", "b", "d", "--no-wait", "-o", "json");
  expect(await inn("guest", "start", "b")).toMatch(/busy: clone/);
  const { id } = JSON.parse(cloning) as { readonly id: string };
  expect(await inn("op", "cancel", id)).not.toMatch(/^\d+: /);
  await vi.waitFor(
    async () => expect(await inn("guest", "get", "d")).toMatch(/no guest/),
    PATIENCE,
  );
  expect(await inn("guest", "start", "b")).toMatch(/RUNNING/);
});

it("says how far it is while the disks are copied", async () => {
  const small = ["--image", "tiny", "--mode", "hybrid", "--memory", "32MiB", "--cpu", "100m"];
  const node = ["--disk", "1GiB", "--node", "n2"];
  expect(await inn("guest", "create", "a", ...small, ...node)).toMatch(/RUNNING/);
  expect(await inn("guest", "stop", "a")).toMatch(/STOPPED/);
  const { uid } = await guest("a");
  const disk = path.join(programs.directory, "data/nodes/n2/disks", uid, "data.qcow2");
  execFileSync("qemu-io", ["-f", "qcow2", "-c", "write -P 1 0 512M", disk]);
  const { code, err } = await programs.inn(cluster.address, "guest", "clone", "a", "b");
  expect(code).toBe(0);
  const told = [...err.matchAll(/clone b: copies the disks: ([0-9]+) %/g)].map(([, at]) => at);
  const percents = told.map(Number);
  expect(percents.length).toBeGreaterThan(0);
  expect(percents).toEqual(percents.toSorted((one, other) => one - other));
});
