/**
 * Ports of nodes that lead to guests, in a whole cluster by `inn`: each leads to one guest, who has
 * it is told, and what goes in comes out. (With a real distribution: disk-debian.test.ts.)
 */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { PATIENCE, Programs, type Started } from "./programs.js";

let programs: Programs;
let cluster: Started;

beforeEach(async () => {
  programs = new Programs();
  cluster = await programs.up("data", ["--engines", "sim", "--nodes", "2"]);
});

afterEach(async () => {
  await programs.dispose();
});

function inn(...args: readonly string[]) {
  return programs.inn(cluster.address, ...args);
}

const SIZE = ["--image", "tiny", "--memory", "32MiB", "--cpu", "100m", "--node", "n1"];

interface Shown {
  readonly spec: { readonly forwards: readonly { hostPort: number; guestPort: number }[] };
  readonly status: { readonly phase: string; readonly network: { readonly macAddress: string } };
}

async function shown(name: string): Promise<Shown> {
  return JSON.parse((await inn("guest", "get", name, "-o", "json")).out) as Shown;
}

it("gives a port of a node to one guest, and tells the others who has it", async () => {
  expect((await inn("guest", "create", "a", ...SIZE, "--forward", "tcp:2222:22")).code).toBe(0);
  expect((await inn("guest", "get", "a")).out).toMatch(/ports +tcp 127\.0\.0\.1:2222 -> 22/);
  const later = ["guest", "create", "b", ...SIZE, "--forward", "2222:80", "--no-wait"];
  expect((await inn(...later)).code).toBe(0);
  await vi.waitFor(async () => {
    const { out } = await inn("guest", "explain", "b");
    expect(out).toMatch(/n1 +port +tcp\/2222 is held by default\/a/);
  }, PATIENCE);
  const udp = ["guest", "create", "c", ...SIZE, "--forward", "udp:2222:22"];
  expect((await inn(...udp)).code).toBe(0);
  expect((await inn("guest", "delete", "a")).code).toBe(0);
  await vi.waitFor(async () => {
    expect((await shown("b")).status.phase).toBe("GUEST_PHASE_RUNNING");
  }, PATIENCE);
});

it("chooses ports and addresses of its own for each guest, which they keep", async () => {
  const names = ["a", "b", "c"];
  for (const name of names) {
    const created = await inn("guest", "create", name, ...SIZE, "--forward", "22");
    expect(created.code).toBe(0);
  }
  const guests = await Promise.all(names.map(shown));
  const ports = guests.map(({ spec }) => spec.forwards[0]?.hostPort ?? 0);
  expect(new Set(ports).size).toBe(names.length);
  for (const port of ports) expect(port).toBeGreaterThanOrEqual(30_000);
  const addresses = guests.map(({ status }) => status.network.macAddress);
  expect(new Set(addresses).size).toBe(names.length);
  expect((await inn("guest", "stop", "a")).code).toBe(0);
  expect((await inn("guest", "start", "a")).code).toBe(0);
  const again = await shown("a");
  expect([again.spec, again.status.network]).toEqual([guests[0]?.spec, guests[0]?.status.network]);
});

it("refuses a rule that is none, and names what is allowed", async () => {
  const refused = await inn("guest", "create", "a", ...SIZE, "--forward", "sctp:1:2");
  expect(refused.code).toBe(2);
  expect(refused.err).toContain("[tcp|udp:][PORT OF THE NODE:]PORT OF THE GUEST");
});
