/**
 * What a container gets whose first process is systemd, shown by a shell in its place: a terminal,
 * and a part of the tree of control groups that is its own and no larger than it may be. The real
 * one boots in `test/integration/disk-debian.test.ts`.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { CopyLaunch, Engine, EngineCopy } from "@innkeeper/core";
import { randomIdSource, systemClock } from "@innkeeper/core/platform";
import { silentLogger } from "@innkeeper/core/testing";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { copyName } from "../copy-name.js";
import { GuestIds } from "../guest-ids.js";
import { CGROUP_ROOT, GROUPS_MAX } from "./cgroup.js";
import { createContainerEngine } from "./container-engine.js";

const ROOTFS = fileURLToPath(
  new URL("../../../../../images/build/rootfs/rootfs.tar.gz", import.meta.url),
);
const PATIENCE = { timeout: 30_000, interval: 20 };
const MIB = 1024 * 1024;

const root = mkdtempSync(path.join(tmpdir(), "innkeeper-systemd-"));
const engines: Engine[] = [];
const copies: EngineCopy[] = [];

function anEngine(): Engine {
  const engine = createContainerEngine({
    stateDir: path.join(root, "containers"),
    clock: systemClock,
    log: silentLogger,
    probeRootfs: ROOTFS,
    guestIds: new GuestIds({
      firstId: 2_000_000_000,
      ranges: 8,
      claimsDirectory: path.join(root, "claims"),
    }),
    diskMib: 64,
  });
  engines.push(engine);
  return engine;
}

afterEach(async () => {
  for (const copy of copies.splice(0)) await copy.destroy();
});
afterAll(async () => {
  for (const engine of engines) await engine.close();
  rmSync(root, { recursive: true });
});

const whereTheyRun = describe.runIf(process.getuid?.() === 0 && groupsOf("").length > 0);

whereTheyRun("a container whose first process is systemd", () => {
  it("has a terminal, which it may let go of, and takes what is typed, also later", async () => {
    const copy = await launch(
      "tty; exec <&- >&- 2>&-; exec sh -i </dev/console >/dev/console 2>&1",
    );
    await untilSays(copy, /^\/dev\/(console|pts\/[0-9]+)$/m);
    await type(copy, "echo one$((1 + 1)); echo err >&2\r");
    await untilSays(copy, /^one2\s+err$/m);
    await engines.at(-1)?.close();
    copies.pop();
    const adopted = await anEngine().adopt(copy.ref);
    if (adopted === undefined) throw new Error("it is not there any more");
    copies.push(adopted);
    await type(adopted, "echo two$((1 + 1))\r");
    await untilSays(adopted, /^two2$/m);
  });

  it("is asked to power off by the signal for that", async () => {
    const copy = await launch(
      "trap 'echo asked; exit 0' 37; echo ready; while :; do sleep 0.1; done",
    );
    await untilSays(copy, /^ready$/m);
    await copy.requestShutdown();
    expect(await copy.ended).toMatchObject({ reason: "guest-shutdown" });
    copies.pop();
  });

  it("makes groups below its own, not without end, and none is left of them", async () => {
    const make = "i=0; while mkdir -p t/$i/a/b 2>/dev/null; do i=$((i + 1)); done";
    const tries = "echo max >cgroup.max.descendants && echo raised; mkdir ../x && echo above";
    const copy = await launch(`cd /sys/fs/cgroup; ${make}; (${tries}) 2>&1; echo done; sleep 60`);
    await untilSays(copy, /^done$/m);
    expect(await wordsOf(copy)).toMatch(/Permission denied/);
    expect(await wordsOf(copy)).not.toMatch(/^(raised|above)$/m);
    const name = copyName(copy.ref);
    const [group = ""] = groupsOf(path.join("innkeeper", name)).slice(-1);
    const made = execFileSync("find", [group, "-mindepth", "1", "-type", "d"], {
      encoding: "utf8",
    });
    expect(made.split("\n").length - 1).toBe(GROUPS_MAX);
    await copy.destroy();
    expect(existsSync(group)).toBe(false);
    expect(groupsOf(path.join("innkeeper", name))).toEqual([]);
  });

  it("floods its terminal: what is kept stays bounded", async () => {
    const copy = await launch("yes flood >&2");
    const directory = path.join(root, "containers", copyName(copy.ref));
    await vi.waitFor(() => {
      const names = readdirSync(directory).filter((name) => name.startsWith("console."));
      const newest = Math.max(...names.map((name) => Number(name.slice("console.".length))));
      expect(newest).toBeGreaterThan(4 * MIB);
    }, PATIENCE);
    expect(sizeOf(directory)).toBeLessThan(3 * MIB);
  });
});

/** The directories of a group, in every hierarchy; of the root only those of version 2. */
function groupsOf(name: string): string[] {
  const hierarchies = ["", ...readdirSync(CGROUP_ROOT)].map((each) => path.join(CGROUP_ROOT, each));
  const all = hierarchies.filter((each) => existsSync(path.join(each, "cgroup.procs")));
  const named = all.map((each) => path.join(each, name)).filter((each) => existsSync(each));
  return name === "" ? named.filter((each) => existsSync(`${each}/cgroup.controllers`)) : named;
}

function sizeOf(directory: string): number {
  const files = readdirSync(directory).filter((name) => name !== "disk.ext4");
  return files.reduce((sum, name) => sum + statSync(path.join(directory, name)).size, 0);
}

async function launch(script: string): Promise<EngineCopy> {
  const command = ["/bin/sh", "-c", script];
  const boot = { kind: "rootfs", rootfsPath: ROOTFS, command, isSystemd: true } as const;
  const one: CopyLaunch = {
    ...{ guestUid: randomIdSource.uuid(), epoch: 1, mode: "container" },
    ...{ vcpuCount: 1, cpuMillis: 1000, memoryMib: 64, disks: [], isIncoming: false },
    boot: { ...boot, commandLine: "" },
  };
  const copy = await (engines.at(-1) ?? anEngine()).launch(one);
  copies.push(copy);
  return copy;
}

async function type(copy: EngineCopy, text: string): Promise<void> {
  const input = await copy.openConsole();
  expect(input.isTerminal).toBe(true);
  await input.write(Buffer.from(text));
  input.close();
}

async function wordsOf(copy: EngineCopy): Promise<string> {
  const { bytes } = await copy.readConsole(0, MIB);
  return Buffer.from(bytes).toString("latin1").replaceAll("\r", "");
}

async function untilSays(copy: EngineCopy, pattern: RegExp): Promise<void> {
  await vi.waitFor(async () => expect(await wordsOf(copy)).toMatch(pattern), PATIENCE);
}
