/**
 * Container guests in a whole cluster, by `inn`: they are made, stopped, paused, told why they
 * cannot move, and live on when everything else is killed.
 */

import { once } from "node:events";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import path from "node:path";
import { systemClock } from "@innkeeper/core/platform";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Cgroup } from "../../services/node-agent/src/engines/container/cgroup.js";
import { PATIENCE, Programs, type Started } from "./programs.js";

let programs: Programs;

beforeEach(() => {
  programs = new Programs();
});

afterEach(async () => {
  for (const name of copies()) await new Cgroup(name).end(systemClock);
  await programs.dispose();
});

const CONTAINERS = ["--engines", "container", "--nodes", "2"];
const SIZE = ["--memory", "32MiB", "--cpu", "500m", "--image", "rootfs"];

/** Directories of containers on all nodes. */
function copies(): string[] {
  const nodes = path.join(programs.directory, "data", "nodes");
  if (!existsSync(nodes)) return [];
  return readdirSync(nodes)
    .map((node) => path.join(nodes, node, "containers"))
    .filter((each) => existsSync(each))
    .flatMap((each) => readdirSync(each))
    .filter((name) => name !== "images");
}

interface Status {
  readonly phase: string;
  readonly restartCount?: number;
  readonly placement?: { readonly mode: string; readonly engine: string };
  readonly lastExit?: { readonly reason: string };
}

async function statusOf({ address }: Started, id: string): Promise<Status> {
  const { out } = await programs.inn(address, "guest", "get", id, "-o", "json");
  return (JSON.parse(out) as { status: Status }).status;
}

async function newestBeat({ address }: Started, id: string): Promise<number> {
  const { out } = await programs.inn(address, "guest", "logs", id);
  return Number([...out.matchAll(/beat ([0-9]+)/g)].at(-1)?.[1] ?? 0);
}

async function untilBeat(cluster: Started, id: string, beat: number): Promise<void> {
  await vi.waitFor(
    async () => expect(await newestBeat(cluster, id)).toBeGreaterThanOrEqual(beat),
    PATIENCE,
  );
}

const isRoot = process.getuid?.() === 0;

if (!isRoot) {
  it("says that containers need root", async () => {
    const { told } = await programs.up("data", CONTAINERS);
    const [node] = told["nodes"] as { problems: readonly string[] }[];
    expect(node?.problems).toEqual(["containers need an agent that runs as root"]);
  });
}

const whereTheyRun = isRoot ? it : (): void => undefined;

whereTheyRun(
  "runs guests in containers, which outlive it and leave nothing when they go",
  async () => {
    const first = await programs.up("data", CONTAINERS);
    const inn = (...args: readonly string[]) => programs.inn(first.address, ...args);
    const created = await inn("guest", "create", "box", ...SIZE, "--append", "hostname=box");
    expect(created.out).toMatch(/^guest box is RUNNING: container \(/);
    expect(created.code).toBe(0);
    await untilBeat(first, "box", 1);
    const { out } = await inn("guest", "logs", "box");
    expect(out).toMatch(/^innkeeper-guest: up box /);

    const ran = await inn(
      "guest",
      "exec",
      "box",
      "--",
      "sh",
      "-c",
      "echo in; echo err >&2; exit 3",
    );
    expect(ran).toEqual({ code: 3, out: "in\n", err: "err\n" });
    const missing = await inn("guest", "exec", "box", "--", "no-such-program");
    expect([missing.code, missing.out]).toEqual([125, ""]);
    expect(missing.err).toMatch(/not found in \$PATH \[COMMAND_NOT_STARTED\]/);

    const moved = await inn("guest", "migrate", "box");
    expect(moved.code).not.toBe(0);
    expect(moved.err).toContain("cannot move while it runs");
    expect((await statusOf(first, "box")).phase).toBe("GUEST_PHASE_RUNNING");

    expect((await inn("guest", "pause", "box")).code).toBe(0);
    expect((await statusOf(first, "box")).phase).toBe("GUEST_PHASE_PAUSED");
    const still = await newestBeat(first, "box");
    expect((await inn("guest", "resume", "box")).code).toBe(0);
    await untilBeat(first, "box", still + 1);

    expect((await inn("guest", "stop", "box")).code).toBe(0);
    expect(await statusOf(first, "box")).toMatchObject({
      phase: "GUEST_PHASE_STOPPED",
      lastExit: { reason: "guest-shutdown" },
    });
    expect(copies()).toEqual([]);
    expect((await inn("guest", "start", "box")).code).toBe(0);
    await untilBeat(first, "box", 2);
    const beat = await newestBeat(first, "box");

    await programs.kill(first);
    const second = await programs.up("data", CONTAINERS);
    const after = await statusOf(second, "box");
    expect(after.phase).toBe("GUEST_PHASE_RUNNING");
    expect(after.restartCount ?? 0).toBe(0);
    await untilBeat(second, "box", beat + 1);
    expect((await programs.inn(second.address, "guest", "delete", "box")).code).toBe(0);
    expect(copies()).toEqual([]);
    expect(await programs.stop(second)).toBe(0);
    expect(programs.leftovers()).toEqual([]);
  },
);

whereTheyRun(
  "leads a port of its node to a container, and ends its network with it",
  async (context) => {
    const cluster = await programs.up("data", CONTAINERS);
    const inn = (...args: readonly string[]) => programs.inn(cluster.address, ...args);
    const { out: nodes } = await inn("node", "ls", "-o", "json");
    if (!nodes.includes('"forward"')) context.skip("slirp4netns is not installed");
    expect((await inn("guest", "create", "box", ...SIZE, "--forward", "8080")).code).toBe(0);
    const { out } = await inn("guest", "get", "box");
    const [, host, port] = /ports +tcp ([0-9.]+):([0-9]+) -> 8080/.exec(out) ?? [];
    const serve = "echo served >/tmp/index.html; exec httpd -f -p 8080 -h /tmp";
    const serving = programs.innLater(
      cluster.address,
      "guest",
      "exec",
      "box",
      "--",
      "sh",
      "-c",
      serve,
    );
    await vi.waitFor(async () => {
      // A connection that came before the guest listened may never be answered.
      const signal = AbortSignal.timeout(1000);
      const response = await fetch(`http://${host}:${port}/`, { signal });
      expect(await response.text()).toBe("served\n");
    }, PATIENCE);
    const seen = await inn("guest", "exec", "box", "--", "ip", "-4", "addr", "show", "eth0");
    expect(seen.out).toContain("inet 10.0.2.100/24");
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port: used } = taken.address() as AddressInfo;
    const clash = [
      "--forward",
      `tcp:${used}:80`,
      "--node",
      "n1",
      "--restart",
      "never",
      "--no-wait",
    ];
    expect((await inn("guest", "create", "late", ...SIZE, ...clash)).code).toBe(0);
    await vi.waitFor(async () => {
      expect((await inn("guest", "get", "late")).out).toMatch(/cannot be led to the guest/);
    }, PATIENCE);
    taken.close();
    expect((await inn("guest", "delete", "late")).code).toBe(0);
    expect((await inn("guest", "delete", "box")).code).toBe(0);
    await serving.ended();
    expect(copies()).toEqual([]);
    await expect(fetch(`http://${host}:${port}/`)).rejects.toThrow();
  },
);

whereTheyRun("tells a container of itself, and keeps what it writes to its disks", async () => {
  const cluster = await programs.up("data", CONTAINERS);
  const inn = (...args: readonly string[]) => programs.inn(cluster.address, ...args);
  const userData = path.join(programs.directory, "user-data");
  const script = "#!/bin/sh\necho told $(hostname) $(stat -c %a $0) >>/mnt/logs/told\n";
  writeFileSync(userData, script);
  const small = await inn("guest", "create", "box", ...SIZE, "--data-disk", "logs:1MiB");
  expect([small.code, small.err]).toEqual([2, expect.stringContaining("at least 16")]);
  const told = ["--user-data", userData, "--append", "hostname=other"];
  const disk = ["--data-disk", "logs:32MiB"];
  expect((await inn("guest", "create", "box", ...SIZE, ...told, ...disk)).code).toBe(0);
  await untilBeat(cluster, "box", 1);
  expect((await inn("guest", "logs", "box")).out).toMatch(/^innkeeper-guest: up box /m);
  const exec = (...words: string[]) => inn("guest", "exec", "box", "--", ...words);
  await vi.waitFor(async () => {
    expect((await exec("cat", "/mnt/logs/told")).out).toBe("told box 700\n");
  }, PATIENCE);
  const files = await exec("ls", "/var/lib/cloud/seed/nocloud");
  expect(files.out).toBe("meta-data\nuser-data\n");
  const live = await inn("guest", "disk", "set", "box", "logs", "64MiB");
  expect([live.code, live.err]).toEqual([1, expect.stringContaining("NO_LIVE_RESIZE")]);
  expect((await inn("guest", "stop", "box")).code).toBe(0);
  expect((await inn("guest", "disk", "set", "box", "logs", "64MiB")).code).toBe(0);
  expect((await inn("guest", "start", "box")).code).toBe(0);
  await vi.waitFor(async () => {
    expect((await exec("cat", "/mnt/logs/told")).out).toBe("told box 700\ntold box 700\n");
  }, PATIENCE);
  const [, sizeKib] = / ([0-9]+) /.exec((await exec("df", "-k", "/mnt/logs")).out) ?? [];
  expect(Number(sizeKib)).toBeGreaterThan(50 * 1024);
  expect((await inn("guest", "delete", "box")).code).toBe(0);
  expect(copies()).toEqual([]);
});

whereTheyRun("refuses an image for containers in any other mode, with the reason", async () => {
  const { address } = await programs.up("data", CONTAINERS);
  const refused = await programs.inn(address, "guest", "create", "vm", ...SIZE, "--mode", "hybrid");
  expect(refused.code).toBe(2);
  expect(refused.err).toContain("allowed: auto, container for image rootfs");
  const chosen = await programs.inn(address, "guest", "create", "box", ...SIZE, "--mode", "auto");
  expect(chosen.out).toMatch(/^guest box is RUNNING: container \(/);
  expect((await programs.inn(address, "guest", "delete", "box")).code).toBe(0);
});
