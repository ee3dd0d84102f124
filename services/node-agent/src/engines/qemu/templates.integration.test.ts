/**
 * Guests that begin from templates, on real QEMU: who they are, what their generators of random
 * numbers give, what time it is for them, and that afterwards they are guests like any other.
 */
import { readdirSync, readFileSync, readlinkSync, rmSync, truncateSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type CopyLaunch, type Engine, type EngineCopy, parseUuid } from "@innkeeper/core";
import { randomIdSource, systemClock } from "@innkeeper/core/platform";
import { silentLogger } from "@innkeeper/core/testing";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { createFileDiskStore } from "../../disks/file-disk-store.js";
import { createQemuEngine } from "./qemu-engine.js";

const IMAGES = fileURLToPath(new URL("../../../../../images/build/", import.meta.url));
const LINUX = path.join(IMAGES, "linux");
const PATIENCE = { timeout: 120_000, interval: 20 };
const COMMAND_LINE = "beat_ms=200";
const IMAGE_COMMAND_LINE = "console=ttyS0 quiet loglevel=3 random.trust_cpu=on tsc=reliable";
const MAC = ["52:54:00:aa:00:01", "52:54:00:aa:00:02"] as const;

/** Who it is, by its own word. The first read of the generator comes from a program of its own. */
const WHO = `#!/bin/sh
exec >/dev/console
random=$(head -c 16 /dev/urandom | xxd -p)
echo "who $(hostname) $(cat /etc/machine-id) $(cat /sys/class/net/eth0/address) $random $(date +%s)"
`;

let root: string;
let warnings: string[];
const engines: Engine[] = [];
const copies: EngineCopy[] = [];

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), "innkeeper-tpl-"));
});
afterEach(async () => {
  for (const copy of copies.splice(0)) await copy.destroy();
  for (const engine of engines.splice(0)) await engine.close();
});
afterAll(() => {
  rmSync(root, { recursive: true });
});

/** With the templates of whoever had this name before. */
async function startEngine(name: string): Promise<Engine> {
  warnings = [];
  const warn = (_: object, message: string): void => void warnings.push(message);
  const engine = createQemuEngine({
    stateDir: path.join(root, name, "guests"),
    clock: systemClock,
    log: { ...silentLogger, warn },
    migrationHost: "127.0.0.1",
    probeKernel: path.join(IMAGES, "tiny/tiny.elf"),
    probeDisk: path.join(IMAGES, "disk/disk.raw"),
    probeCacheFile: path.join(root, "probe.json"),
    templates: { directory: path.join(root, name, "templates"), templatesMax: 4, sizeMibMax: 2048 },
  });
  engines.push(engine);
  const isLooked = new Promise<void>((resolve) => engine.templates?.onChange(resolve));
  await engine.probe();
  await isLooked;
  return engine;
}

type Mode = "paravirt" | "hybrid";

function aLaunch(mode: Mode, more: Partial<CopyLaunch> = {}): CopyLaunch {
  return {
    guestUid: randomIdSource.uuid(),
    epoch: 1,
    mode,
    vcpuCount: 1,
    cpuMillis: 1000,
    memoryMib: 128,
    boot: {
      kind: "kernel",
      kernelPath: path.join(LINUX, "vmlinuz"),
      initrdPath: path.join(LINUX, "initrd"),
      commandLine: `${IMAGE_COMMAND_LINE} ${COMMAND_LINE}`,
    },
    disks: [],
    isIncoming: false,
    quickStart: { manifest: "{}", hostName: "web", commandLine: COMMAND_LINE },
    ...more,
  };
}

function named(mode: Mode, hostName: string, macAddress: string): CopyLaunch {
  const quickStart = { manifest: "{}", hostName, commandLine: COMMAND_LINE };
  const seed = [{ name: "user-data", bytes: Buffer.from(WHO) } as const];
  return aLaunch(mode, { quickStart, network: { macAddress }, seed });
}

async function launch(engine: Engine, order: CopyLaunch): Promise<EngineCopy> {
  const copy = await engine.launch(order);
  copies.push(copy);
  return copy;
}

async function textOf(copy: EngineCopy): Promise<string> {
  return Buffer.from((await copy.readConsole(0, 64 * 1024)).bytes).toString();
}

async function untilSays(copy: EngineCopy, sign: RegExp): Promise<RegExpExecArray> {
  return await vi.waitFor(async () => {
    const found = sign.exec(await textOf(copy));
    if (found === null) throw new Error(`no ${sign} in ${await textOf(copy)}`);
    return found;
  }, PATIENCE);
}

async function withTemplate(engine: Engine, mode: Mode): Promise<void> {
  const copy = await launch(engine, aLaunch(mode));
  await vi.waitFor(() => expect(engine.templates?.list()).toHaveLength(1), PATIENCE);
  await copy.destroy();
}

describe.each(["paravirt", "hybrid"] as const)("%s guests from one template", (mode) => {
  it("are two: names, address, random numbers, and the right time", async () => {
    const engine = await startEngine(mode);
    await withTemplate(engine, mode);
    expect(engine.templates?.list()).toMatchObject([
      { mode, memoryMib: 128, commandLine: "beat_ms=200" },
    ]);

    const orders = [named(mode, "one", MAC[0]), named(mode, "two", MAC[1])];
    const said: RegExpExecArray[] = [];
    for (const order of orders) {
      const copy = await launch(engine, order);
      expect(await copy.runState()).toBe("running");
      expect(await textOf(copy)).toMatch(/^innkeeper-guest: identity taken/);
      said.push(await untilSays(copy, /who (\S+) (\S+) (\S+) (\S+) (\d+)\r?\n/));
      const lateSeconds = Math.abs(Number(said.at(-1)?.[5]) - systemClock.nowMs() / 1000);
      expect(lateSeconds).toBeLessThan(3);
      await untilSays(copy, /network 10\.0\.2\.15/);
    }
    const column = (at: number): (string | undefined)[] => said.map((each) => each[at]);
    expect(column(1)).toEqual(["one", "two"]);
    expect(column(2)).toEqual(orders.map(({ guestUid }) => guestUid.replaceAll("-", "")));
    expect(column(3)).toEqual(MAC);
    expect(new Set(column(4)).size).toBe(2);
  });

  it("move while they run, and give memory back, as guests do that have booted", async () => {
    const engine = await startEngine(mode);
    expect(engine.templates?.list()).toHaveLength(1);
    const order = aLaunch(mode);
    const copy = await launch(engine, order);
    const [, before] = await untilSays(copy, /beat (\d+) /);
    await vi.waitFor(async () => {
      await copy.setResources({ cpuMillis: 1000, memoryMib: 112 });
    }, PATIENCE);

    const target = await startEngine(`${mode}-target`);
    const { quickStart: _, ...plain } = order;
    const received = await launch(target, { ...plain, isIncoming: true });
    const uri = await received.listen();
    await copy.migrate({
      uri,
      downtimeMsMax: 300,
      slowdownPercentMax: 0,
      onProgress: () => undefined,
    });
    await vi.waitFor(async () => expect(await received.runState()).toBe("received"), PATIENCE);
    await copy.destroy();
    await received.resume();
    const [, after] = await untilSays(received, /beat (\d+) /);
    expect(Number(after)).toBeGreaterThanOrEqual(Number(before));
    await received.requestShutdown();
    expect(await received.ended).toMatchObject({ reason: "guest-shutdown" });
  });

  it("have disks of their own, whose snapshots with memory go on", async () => {
    const engine = await startEngine(`${mode}-disk`);
    const disks = await createFileDiskStore({ directory: path.join(root, `${mode}-disks`) });
    const withDisk = async (): Promise<CopyLaunch> => {
      const order = aLaunch(mode);
      const wanted = [
        { name: "data", sizeMib: 8, base: undefined },
        { name: "disk-logs", sizeMib: 4, base: undefined },
      ] as const;
      return { ...order, disks: await disks.prepare(order.guestUid, wanted) };
    };
    const first = await launch(engine, await withDisk());
    await vi.waitFor(() => expect(engine.templates?.list()).toHaveLength(1), PATIENCE);
    const dataDisks = [{ name: "logs", sizeMib: 4 }];
    expect(engine.templates?.list()).toMatchObject([{ diskMib: 8, dataDisks }]);
    await first.destroy();
    const order = await withDisk();
    const copy = await launch(engine, order);
    expect(await textOf(copy)).toMatch(/^innkeeper-guest: identity taken/);
    await untilSays(copy, /beat 3 /);
    const { guestUid } = order;
    const uid = parseUuid("uid", randomIdSource.uuid());
    const snapshot = { uid, hasMemory: true, memoryMib: 256, isNew: true };
    await copy.takeSnapshot(await disks.makeRoom(guestUid, snapshot));
    await copy.destroy();
    const restore = await disks.restoreSnapshot(guestUid, uid);
    const again = await launch(engine, { ...order, epoch: 2, restore });
    const [, beat] = await untilSays(again, /beat (\d+) /);
    expect(Number(beat)).toBeGreaterThanOrEqual(3);
    expect(await textOf(again)).not.toContain("identity taken");
  });
});

describe("a template that is damaged", () => {
  it("is thrown away: the guest boots, and another one is made", async () => {
    const engine = await startEngine("paravirt");
    const directory = path.join(root, "paravirt", "templates");
    const [key = ""] = readdirSync(directory);
    truncateSync(path.join(directory, key, "state"), 1_000_000);
    const copy = await launch(engine, aLaunch("paravirt"));
    expect(warnings).toContain("a template is damaged: the guest boots");
    await untilSays(copy, /up guest /);
    expect(await textOf(copy)).not.toContain("identity taken");
    await vi.waitFor(() => expect(engine.templates?.list()).toHaveLength(1), PATIENCE);
    const quick = await launch(engine, aLaunch("paravirt"));
    expect(await textOf(quick)).toContain("identity taken");
  });

  it("or was half made when the agent was killed is swept, with its machine", async () => {
    const engine = await startEngine("killed");
    const guest = await engine.launch(aLaunch("paravirt"));
    const directory = path.join(root, "killed", "templates");
    await vi.waitFor(() => expect(readdirSync(directory).join()).toMatch(/\.new$/), PATIENCE);
    await vi.waitFor(async () => expect(await engine.list()).toHaveLength(2), PATIENCE);
    await engine.close();
    const next = await startEngine("killed");
    expect(readdirSync(directory)).toEqual([]);
    expect(await next.list()).toContainEqual(guest.ref);
    for (const ref of await next.list()) await (await next.adopt(ref))?.destroy();
    expect(await next.list()).toEqual([]);
    expect(processesIn("killed")).toEqual([]);
  });
});

function processesIn(name: string): string[] {
  const pids = readdirSync("/proc").filter((each) => /^\d+$/.test(each));
  return pids.filter((pid) => {
    try {
      const isQemu = readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("qemu-system");
      return isQemu && readlinkSync(`/proc/${pid}/cwd`).includes(path.join(root, name));
    } catch {
      return false;
    }
  });
}
