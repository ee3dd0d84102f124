/**
 * Guests on a bridge, in a network namespace of the test's own: they have addresses that the
 * cluster chose, reach each other, keep them over a move, and leave no device behind.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { insideNamespace } from "./network-namespace.js";
import { PATIENCE, Programs, type Started } from "./programs.js";

const NAMESPACE = `inn-test-${process.pid}`;
const INSIDE = insideNamespace(NAMESPACE);

let programs: Programs;
let canMake = false;

function ip(...args: readonly string[]): string {
  return spawnSync("ip", args, { encoding: "utf8" }).stdout;
}

beforeEach((context) => {
  canMake = spawnSync("ip", ["netns", "add", NAMESPACE]).status === 0;
  if (!canMake) context.skip("no network namespace can be made here");
  ip("-n", NAMESPACE, "link", "set", "lo", "up");
  ip("-n", NAMESPACE, "link", "add", "inn0", "type", "bridge");
  ip("-n", NAMESPACE, "addr", "add", "10.77.0.1/16", "dev", "inn0");
  ip("-n", NAMESPACE, "link", "set", "inn0", "up");
  programs = new Programs(INSIDE);
});

afterEach(async () => {
  if (!canMake) return;
  await programs.dispose();
  ip("netns", "delete", NAMESPACE);
});

function devices(): string[] {
  const links = ip("-n", NAMESPACE, "-brief", "link").split("\n");
  return links
    .map((line) => line.split(/[ @]/)[0] ?? "")
    .filter((name) => /^inn[0-9a-f]{12}$/.test(name));
}

const SIZE = ["--image", "linux", "--memory", "128MiB", "--cpu", "500m", "--network", "bridge"];
const UP = ["--nodes", "2", "--engines", "qemu", "--bridge", "inn0"];

it("reach each other, also after a move, and leave nothing behind", async () => {
  const cluster: Started = await programs.up("data", UP);
  const inn = (...args: readonly string[]) => programs.inn(cluster.address, ...args);
  const addressOf = async (name: string): Promise<string> => {
    const { out } = await inn("guest", "get", name);
    return /ip address +([0-9.]+)\/16/.exec(out)?.[1] ?? "";
  };
  expect((await inn("guest", "create", "a", ...SIZE, "--mode", "paravirt")).code).toBe(0);
  const address = await addressOf("a");
  expect(address).toMatch(/^10\.77\./);
  const told = path.join(programs.directory, "user-data");
  const ping = `ping -c 1 -W 1 ${address} >/dev/null`;
  const script = `while :; do ${ping} && echo reached $((n += 1)) >/dev/console; sleep 0.2; done`;
  writeFileSync(told, `#!/bin/sh\n${script}\n`);
  const pinging = ["guest", "create", "b", ...SIZE, "--mode", "hybrid", "--user-data", told];
  expect((await inn(...pinging)).code).toBe(0);
  const reached = async (): Promise<number> => {
    const { out } = await inn("guest", "logs", "b");
    return Number([...out.matchAll(/^reached ([0-9]+)/gm)].at(-1)?.[1] ?? 0);
  };
  await vi.waitFor(async () => expect(await reached()).toBeGreaterThan(1), PATIENCE);
  expect(devices()).toHaveLength(2);

  expect((await inn("guest", "migrate", "a")).code).toBe(0);
  expect(await addressOf("a")).toBe(address);
  const before = await reached();
  await vi.waitFor(async () => expect(await reached()).toBeGreaterThan(before + 2), PATIENCE);
  expect(devices()).toHaveLength(2);

  for (const name of ["a", "b"]) expect((await inn("guest", "delete", name)).code).toBe(0);
  expect(devices()).toEqual([]);
});

it("may be containers, with the addresses that the cluster gave them", async (context) => {
  if (process.getuid?.() !== 0) context.skip("containers need root");
  const both = ["--nodes", "1", "--engines", "qemu,container", "--bridge", "inn0"];
  const cluster: Started = await programs.up("data", both);
  const inn = (...args: readonly string[]) => programs.inn(cluster.address, ...args);
  const size = ["--image", "rootfs", "--memory", "64MiB", "--cpu", "500m", "--network", "bridge"];
  expect(await inn("guest", "create", "c", ...size)).toMatchObject({ code: 0 });
  const { out } = await inn("guest", "get", "c");
  const [, address = ""] = /ip address +([0-9.]+\/16)/.exec(out) ?? [];
  const [, mac = ""] = /mac address +([0-9a-f:]+)/.exec(out) ?? [];
  const inside = await inn("guest", "exec", "c", "--", "ip", "addr", "show", "dev", "eth0");
  expect(inside.out).toContain(`inet ${address} `);
  expect(inside.out).toContain(`link/ether ${mac} `);
  // Its own kernel answers, to the host and to a guest of QEMU.
  const [host = ""] = address.split("/");
  const told = path.join(programs.directory, "user-data");
  const ping = `ping -c 1 -W 1 ${host} >/dev/null`;
  writeFileSync(told, `#!/bin/sh\nuntil ${ping}; do sleep 0.2; done; echo reached >/dev/console\n`);
  const pinging = ["guest", "create", "b", ...SIZE, "--mode", "hybrid", "--user-data", told];
  expect((await inn(...pinging)).code).toBe(0);
  await vi.waitFor(async () => {
    expect((await inn("guest", "logs", "b")).out).toMatch(/^reached/m);
  }, PATIENCE);
  expect(devices()).toHaveLength(2);
  for (const name of ["b", "c"]) expect((await inn("guest", "delete", name)).code).toBe(0);
  expect(devices()).toEqual([]);
});

it("are placed only where there is a bridge, and have no forwards", async () => {
  const { address } = await programs.up("data", ["--nodes", "1", "--engines", "sim"]);
  const sim = ["--image", "tiny", "--memory", "32MiB", "--network", "bridge"];
  const both = await programs.inn(address, "guest", "create", "a", ...sim, "--forward", "22");
  expect([both.code, both.err]).toEqual([2, expect.stringContaining("none on a bridge")]);
  expect((await programs.inn(address, "guest", "create", "a", ...sim, "--no-wait")).code).toBe(0);
  await vi.waitFor(async () => {
    const { out } = await programs.inn(address, "guest", "explain", "a");
    expect(out).toMatch(/n1 +bridge +it offers no bridge/);
  }, PATIENCE);
});

it("may begin from a template, with an address of its own", async () => {
  const cluster: Started = await programs.up("data", [...UP, "--nodes", "1"]);
  const inn = (...args: readonly string[]) => programs.inn(cluster.address, ...args);
  const quick = [...SIZE, "--mode", "hybrid", "--start-within", "9s"];
  const addressOf = async (name: string): Promise<string> => {
    const { out } = await inn("guest", "get", name);
    return /ip address +([0-9.]+)\/16/.exec(out)?.[1] ?? "no address";
  };
  expect((await inn("guest", "create", "a", ...quick)).code).toBe(0);
  await vi.waitFor(async () => {
    expect((await inn("node", "get", "n1")).out).toMatch(/^templates .*128 MiB.*ms$/m);
  }, PATIENCE);
  const told = path.join(programs.directory, "user-data");
  const ping = `ping -c 1 -W 1 ${await addressOf("a")} >/dev/null`;
  writeFileSync(told, `#!/bin/sh\nuntil ${ping}; do sleep 0.2; done; echo reached >/dev/console\n`);
  const begun = await inn("guest", "create", "b", ...quick, "--user-data", told);
  expect(begun.out).toMatch(/from a template on n1/);
  const address = await addressOf("b");
  expect(address).not.toBe(await addressOf("a"));
  await vi.waitFor(async () => {
    const { out } = await inn("guest", "logs", "b");
    expect(out).toMatch(/^innkeeper-guest: identity taken/);
    expect(out).toContain(`innkeeper-guest: network ${address}/16`);
    expect(out).toMatch(/^reached/m);
  }, PATIENCE);
  for (const name of ["a", "b"]) expect((await inn("guest", "delete", name)).code).toBe(0);
  expect(devices()).toEqual([]);
});
