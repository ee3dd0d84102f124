/**
 * How fast guests on a bridge may send and receive, in a network namespace of the test's own:
 * counted on their devices while they do both as fast as they can.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { insideNamespace } from "./network-namespace.js";
import { PATIENCE, Programs, type Started } from "./programs.js";

const NAMESPACE = `inn-rate-${process.pid}`;
const INSIDE = insideNamespace(NAMESPACE);
const MIB = 1024 * 1024;
const WINDOW_MS = 3_000;

let programs: Programs;
let canMake = false;
let server: ChildProcess | undefined;

function ip(...args: readonly string[]): string {
  return spawnSync("ip", ["-n", NAMESPACE, ...args], { encoding: "utf8" }).stdout;
}

/** Takes all that comes on one port, gives without end on the other. */
const SERVER = `
const { createServer } = require("net");
const zeros = Buffer.alloc(65536);
createServer((socket) => { socket.resume(); socket.on("error", () => {}); }).listen(9000);
createServer((socket) => {
  const give = () => { while (socket.write(zeros)); };
  socket.on("drain", give).on("error", () => {});
  give();
}).listen(9001);`;

beforeEach((context) => {
  canMake = spawnSync("ip", ["netns", "add", NAMESPACE]).status === 0;
  if (!canMake) context.skip("no network namespace can be made here");
  ip("link", "set", "lo", "up");
  ip("link", "add", "inn0", "type", "bridge");
  ip("addr", "add", "10.77.0.1/16", "dev", "inn0");
  ip("link", "set", "inn0", "up");
  server = spawn("ip", ["netns", "exec", NAMESPACE, process.execPath, "-e", SERVER]);
  programs = new Programs(INSIDE);
});

afterEach(async () => {
  if (!canMake) return;
  server?.kill("SIGKILL");
  await programs.dispose();
  spawnSync("ip", ["netns", "delete", NAMESPACE]);
});

const UP = ["--nodes", "1", "--engines", "qemu", "--bridge", "inn0"];
const SIZE = ["--image", "linux", "--memory", "128MiB", "--mode", "paravirt"];
/** One direction each: what both wait for in one queue says little of its rate. */
const TRAFFIC = {
  in: "sleep 9000 | nc 10.77.0.1 9001 >/dev/null",
  out: "nc 10.77.0.1 9000 </dev/zero >/dev/null",
} as const;
type Way = keyof typeof TRAFFIC;

it.each(["in", "out"] as const)(
  "%s holds within 10 percent, also when it is changed",
  async (way) => {
    const cluster: Started = await programs.up("data", UP);
    const inn = (...args: readonly string[]) => programs.inn(cluster.address, ...args);
    const told = path.join(programs.directory, "user-data");
    const reached = "until ping -c 1 -W 1 10.77.0.1 >/dev/null 2>&1; do sleep 0.1; done";
    writeFileSync(told, `#!/bin/sh\n${reached}\n${TRAFFIC[way]} &\n`);
    const bridged = ["--network", "bridge", "--user-data", told];
    const created = await inn("guest", "create", "a", ...SIZE, ...bridged, `--net-${way}`, "2MiB");
    expect(created).toMatchObject({ code: 0 });
    const device = tapDevice();
    await vi.waitFor(() => expect(counted(device)[way]).toBeGreaterThan(4 * MIB), PATIENCE);
    await expectRate(device, way, 2 * MIB);
    expect((await inn("guest", "get", "a")).out).toContain(`network ${way} ${2 * MIB} bytes/s`);

    const faster = await inn("guest", "resize", "a", `--net-${way}`, "4MiB");
    expect(faster).toMatchObject({ code: 0 });
    await expectRate(device, way, 4 * MIB);
    expect((await inn("guest", "resize", "a", `--net-${way}`, "0MiB")).code).toBe(0);
    expect(await rateOf(device, way)).toBeGreaterThan(6 * MIB);
    expect(ip("-brief", "link")).not.toMatch(/^inl/m);

    expect((await inn("guest", "resize", "a", `--net-${way}`, "4MiB")).code).toBe(0);
    expect((await inn("guest", "delete", "a")).code).toBe(0);
    expect(ip("-brief", "link")).not.toMatch(/^in[nl][0-9a-f]{12}/m);
  },
);

it("holds for a container too, which had none when it began", async (context) => {
  if (process.getuid?.() !== 0) context.skip("containers need root");
  const offered = ["--nodes", "1", "--engines", "container", "--bridge", "inn0"];
  const cluster: Started = await programs.up("data", offered);
  const inn = (...args: readonly string[]) => programs.inn(cluster.address, ...args);
  const size = ["--image", "rootfs", "--memory", "64MiB", "--network", "bridge"];
  expect(await inn("guest", "create", "c", ...size)).toMatchObject({ code: 0 });
  const device = tapDevice();
  for (const way of ["in", "out"] as const) {
    const limited = await inn("guest", "resize", "c", `--net-${way}`, "4MiB");
    expect(limited).toMatchObject({ code: 0 });
    const before = counted(device)[way];
    const traffic = ["guest", "exec", "c", "--", "sh", "-c", TRAFFIC[way]];
    const exec = programs.innLater(cluster.address, ...traffic);
    await vi.waitFor(
      () => expect(counted(device)[way] - before).toBeGreaterThan(4 * MIB),
      PATIENCE,
    );
    await expectRate(device, way, 4 * MIB);
    exec.child.kill("SIGKILL");
  }
  expect((await inn("guest", "delete", "c")).code).toBe(0);
  expect(ip("-brief", "link")).not.toMatch(/^in[nl][0-9a-f]{12}/m);
});

it("is refused where a guest has a network of its own, with the reason", async () => {
  const cluster: Started = await programs.up("data", UP);
  const inn = (...args: readonly string[]) => programs.inn(cluster.address, ...args);
  const refused = await inn("guest", "create", "a", ...SIZE, "--net-in", "2MiB");
  expect(refused.code).toBe(2);
  expect(refused.err).toMatch(/net_in_bytes_per_second_max: 2097152 .*network of its own/);
});

/** The host's end: what it sends, the guest gets. */
function tapDevice(): string {
  const [, name] = /^(inn[0-9a-f]{12})/m.exec(ip("-brief", "link")) ?? [];
  if (name === undefined) throw new Error("the guest has no device");
  return name;
}

function counted(device: string): { readonly in: number; readonly out: number } {
  const [link] = JSON.parse(ip("-s", "-j", "link", "show", "dev", device)) as {
    stats64: { rx: { bytes: number }; tx: { bytes: number } };
  }[];
  return { in: link?.stats64.tx.bytes ?? 0, out: link?.stats64.rx.bytes ?? 0 };
}

async function rateOf(device: string, way: Way): Promise<number> {
  const [before, fromMs] = [counted(device)[way], performance.now()];
  await vi.waitUntil(() => performance.now() - fromMs >= WINDOW_MS, { timeout: 2 * WINDOW_MS });
  return ((counted(device)[way] - before) * 1000) / (performance.now() - fromMs);
}

async function expectRate(device: string, way: Way, bytesPerSecond: number): Promise<void> {
  const share = (await rateOf(device, way)) / bytesPerSecond;
  expect(share).toBeGreaterThan(0.9);
  expect(share).toBeLessThan(1.1);
}
