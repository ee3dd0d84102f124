/**
 * The engine contract over real containers in real time, and guests that mean harm. Without root no
 * container can run: then it is tested that the probe says so.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import {
  type CopyLaunch,
  type CopyRef,
  type EngineCopy,
  type ExecRequest,
  NO_LIMITS,
} from "@innkeeper/core";
import { randomIdSource, systemClock } from "@innkeeper/core/platform";
import { silentLogger } from "@innkeeper/core/testing";
import { engineContract } from "@innkeeper/core/testing/contracts/engine.contract";
import { EngineBench, type EngineHarness } from "@innkeeper/core/testing/contracts/engine-harness";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { later, waitUntil, withDeadline } from "../../testing/real-time.js";
import { copyName } from "../copy-name.js";
import { GuestIds } from "../guest-ids.js";
import { bundleConfig, PIDS_MAX } from "./bundle.js";
import { CGROUP_ROOT, Cgroup, canLimitSwap } from "./cgroup.js";
import { ContainerDirectory } from "./container-directory.js";
import { createContainerEngine, ROOT_PATH } from "./container-engine.js";
import { Holder } from "./holder.js";
import { CONSOLE_PART_BYTES, HOLDER_TITLE } from "./holder-script.js";
import { openFilesMax } from "./open-files.js";
import { RootfsStore } from "./rootfs-store.js";

const ROOTFS = fileURLToPath(
  new URL("../../../../../images/build/rootfs/rootfs.tar.gz", import.meta.url),
);
const MIB = 1024 * 1024;

/** Containers need root; without it the engine has only one thing to say. */
const isRoot = process.getuid?.() === 0;
const whereTheyRun = isRoot ? describe : (): void => undefined;

if (isRoot) {
  engineContract("container", containerHarness, { canMigrate: false, canExec: true });
} else it("says that containers need root", saysThatRootIsNeeded);

let bench: EngineBench;
let root: string;

whereTheyRun("what a guest is", () => {
  withBench();

  it("root there is nobody here, alone with its own processes", async () => {
    const copy = await runShell(
      "cat /proc/self/uid_map; echo pid $$; ps | wc -l; ls /sys/class/net; sleep 60",
    );
    await untilSays(copy, /^lo\s*$/m);
    const text = await bench.consoleOf(copy);
    const status = readFileSync(`/proc/${copy.pid}/status`, "utf8");
    const [, firstId] = /^Uid:\t([0-9]+)\t/m.exec(status) ?? [];
    expect(Number(firstId)).toBeGreaterThan(2_000_000_000);
    expect(text).toMatch(/^ +0 +[0-9]+ +65536\s+pid 1\s+[1-6]\s+lo\s*$/);
    expect(text).toContain(` ${firstId} `);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(status).toMatch(/^Seccomp:\t2$/m);
  });

  it("cannot mount, make namespaces, load, or reach what is masked", async () => {
    const tries = [
      "mount -t tmpfs none /tmp",
      "unshare -U true",
      "mknod /tmp/disk b 8 0",
      "hostname other",
      "echo 1 > /proc/sys/kernel/panic",
      "echo b > /proc/sysrq-trigger",
      "ip link set lo down",
    ];
    const script = tries.map((each) => `(${each}) >/dev/null 2>&1 && echo "did ${each}"`);
    const masked = "head -c 1 /proc/kcore 2>/dev/null | wc -c";
    const copy = await runShell(`${script.join("; ")}; ${masked}; sleep 60`);
    await untilSays(copy, /^[0-9]+$/m);
    expect(await bench.consoleOf(copy)).toBe("0\n");
  });

  it("takes the command line as it is, whatever is in it", async () => {
    const odd = "a;b $(id) `id` \"c\" 'd' --e {f} %s\\n";
    const copy = await run(["/bin/sh", "-c", 'printf "%s|\\n" "$GUEST_COMMAND_LINE"; sleep 60'], {
      commandLine: odd,
    });
    await untilSays(copy, /\|/);
    expect(await bench.consoleOf(copy)).toContain(`${odd}|`);
  });

  it("sees nothing of what another copy of its image wrote", async () => {
    const writer = await runShell("echo secret > /etc/passwd; echo done; sleep 60");
    await untilSays(writer, /done/);
    const reader = await runShell("cat /etc/passwd; echo done; sleep 60");
    await untilSays(reader, /done/);
    expect(await bench.consoleOf(reader)).toMatch(/^root:x:0/);
  });
});

whereTheyRun("commands in a guest", () => {
  withBench();

  it("have its rights, its limits and its files, and none of the host's", async () => {
    const copy = await runShell("echo mine > /tmp/file; echo ready; sleep 60");
    await untilSays(copy, /ready/);
    const group = new Cgroup(copyName(copy.ref));
    const before = group.processes.length;
    const seen = "cat /tmp/file /proc/self/uid_map /proc/self/status; mount -t tmpfs n /tmp";
    const { out, err, code } = await shellIn(copy, seen);
    expect(out).toMatch(/^mine\s+0 +2[0-9]{9} +65536\s/);
    expect(out).toMatch(/^Seccomp:\t2$/m);
    expect(out).toMatch(/^NoNewPrivs:\t1$/m);
    expect([err, code]).toEqual([expect.stringContaining("denied"), 1]);
    const counted = shellIn(copy, "sleep 1");
    await waitUntil("it counts as the guest's", async () => group.processes.length > before);
    expect((await counted).code).toBe(0);
  });

  it("get their input, give both outputs apart, and end with their code", async () => {
    const copy = await runShell("sleep 60");
    const input = Buffer.from("in");
    expect(await shellIn(copy, "cat; echo bad >&2; exit 7", { input })).toEqual({
      out: "in",
      err: "bad\n",
      code: 7,
      isCut: false,
    });
    expect(await shellIn(copy, "kill -9 $$")).toMatchObject({ code: 137 });
  });

  it("are ended, with all they started, when their time is over", async () => {
    const copy = await runShell("sleep 60");
    const group = new Cgroup(copyName(copy.ref));
    const before = group.processes.length;
    const late = shellIn(copy, "sleep 100 & sleep 100", { timeoutMs: 500 });
    await expect(late).rejects.toMatchObject({ kind: "timeout", reason: "EXEC_TIMED_OUT" });
    await waitUntil("the command to be gone", async () => group.processes.length === before);
    expect(readdirSync(path.join(root, "one", copyName(copy.ref)))).not.toContainEqual(
      expect.stringMatching(/^exec/),
    );
  });

  it("are ended when nobody listens any more", async () => {
    const copy = await runShell("sleep 60");
    const group = new Cgroup(copyName(copy.ref));
    const before = group.processes.length;
    const abort = new AbortController();
    const gone = shellIn(copy, "sleep 100", abort);
    await waitUntil("the command to run", async () => group.processes.length > before);
    abort.abort();
    await expect(gone).rejects.toMatchObject({ kind: "cancelled" });
    await waitUntil("the command to be gone", async () => group.processes.length === before);
  });

  it("give no more than a bounded part of what they print", async () => {
    const copy = await runShell("sleep 60");
    const { out, isCut, code } = await shellIn(copy, "head -c 17825792 /dev/zero");
    expect([out.length, isCut, code]).toEqual([16 * MIB, true, 0]);
  });
});

whereTheyRun("the input of a guest", () => {
  withBench();

  it("arrives line by line, also by another way in, and never ends", async () => {
    const copy = await runShell('while read line; do echo "got $line"; done; echo ended; sleep 60');
    for (const line of ["one", "two"]) {
      const input = await copy.openConsole();
      await input.write(Buffer.from(`${line}\n`));
      input.close();
      await untilSays(copy, new RegExp(`got ${line}`));
    }
    expect(await bench.consoleOf(copy)).toBe("got one\ngot two\n");
  });

  it("waits for a guest that does not read", async () => {
    const copy = await runShell("sleep 60");
    const input = await copy.openConsole();
    let isTaken = false;
    const writing = input.write(Buffer.alloc(MIB)).then(
      () => {
        isTaken = true;
      },
      (error: unknown) => error,
    );
    await later(300);
    expect(isTaken).toBe(false);
    await bench.destroy(copy);
    input.close();
    await bench.harness.settle(Promise.race([writing, later(50)]));
    expect(isTaken).toBe(false);
  });
});

type ShellOptions = Partial<ExecRequest> & { readonly signal?: AbortSignal };

async function shellIn(
  copy: EngineCopy,
  script: string,
  { signal = new AbortController().signal, ...options }: ShellOptions = {},
) {
  const request = { input: new Uint8Array(0), timeoutMs: 20_000, ...options };
  const text = { stdout: "", stderr: "" };
  let [code, isCut] = [-1, false];
  for await (const each of copy.exec({ words: ["sh", "-c", script], ...request }, signal)) {
    if (each.kind === "exit") [code, isCut] = [each.code, each.isCut];
    else text[each.kind] += Buffer.from(each.bytes).toString("latin1");
  }
  return { out: text.stdout, err: text.stderr, code, isCut };
}

whereTheyRun("the resources of a guest", () => {
  withBench();

  it("are told, and shrink and grow again while it runs, within its launch size", async () => {
    const copy = await runShell("while :; do :; done");
    const group = new Cgroup(copyName(copy.ref));
    await bench.harness.settle(copy.setResources({ cpuMillis: 250, memoryMib: 32 }));
    expect(limitsOn(group)).toEqual({ memoryMib: 32, cpuPercent: 25 });
    await bench.harness.settle(copy.setResources({ cpuMillis: 1000, memoryMib: 64 }));
    expect(limitsOn(group)).toEqual({ memoryMib: 64, cpuPercent: 100 });
    await bench.harness.waitUntil("CPU time", async () => ((await copy.usage())?.cpuMs ?? 0) > 100);
    expect((await copy.usage())?.memoryMib).toBeGreaterThan(0);
    for (const more of [
      { cpuMillis: 1001, memoryMib: 64 },
      { cpuMillis: 1000, memoryMib: 65 },
    ]) {
      await expect(copy.setResources(more)).rejects.toMatchObject({ reason: "NO_LIVE_RESIZE" });
    }
  });

  it("hold no more processes than it asked for, from its start and after a change", async () => {
    const limits = { ...NO_LIMITS, pidsMax: 7 };
    const copy = await run(["/bin/sleep", "60"], { limits });
    const group = new Cgroup(copyName(copy.ref));
    expect(pidsMaxOn(group)).toBe("7");
    const size = { cpuMillis: 1000, memoryMib: 64 };
    await bench.harness.settle(copy.setResources({ ...size, limits: { ...limits, pidsMax: 9 } }));
    expect(pidsMaxOn(group)).toBe("9");
    await bench.harness.settle(copy.setResources(size));
    expect(pidsMaxOn(group)).toBe(String(PIDS_MAX));
  });

  it("are not taken from it by force: what it holds, it holds", async () => {
    const copy = await runShell(
      "dd if=/dev/zero of=/dev/shm/x bs=1M count=40; echo full; sleep 60",
    );
    await untilSays(copy, /^full$/m);
    await expect(copy.setResources({ cpuMillis: 1000, memoryMib: 16 })).rejects.toMatchObject({
      reason: "MEMORY_NOT_GIVEN_BACK",
    });
    expect(await copy.runState()).toBe("running");
  });
});

whereTheyRun("the end of a guest", () => {
  withBench();

  it.each([
    ["exit 0", "guest-shutdown", /ended$/],
    ["exit 7", "guest-exit", /exit code 7/],
    ["exit 137", "guest-exit", /exit code 137/],
  ])("is told with its exit code: %s", async (script, reason, message) => {
    const copy = await runShell(script);
    const exit = await bench.harness.settle(copy.ended);
    expect(exit).toEqual({ reason, message: expect.stringMatching(message) });
    expect(await bench.harness.leftovers()).toEqual([]);
  });

  it("is told with its exit code when it came while no agent ran", async () => {
    const copy = await runShell("sleep 1; echo bye; exit 3");
    const { engine } = bench;
    await bench.harness.settle(engine.close());
    const noted = path.join(root, "one", copyName(copy.ref), "exit");
    await bench.harness.waitUntil("the exit is noted", async () => existsSync(noted));
    const again = bench.open();
    const adopted = (await bench.adopt(again, copy.ref)) as EngineCopy;
    expect(await adopted.ended).toMatchObject({ reason: "guest-exit" });
    expect(await bench.consoleOf(adopted)).toContain("bye");
    expect(await bench.harness.leftovers()).toEqual([]);
  });

  it("comes with its holder's: nothing runs on unwatched", async () => {
    const copy = await runShell("sleep 60");
    for (const pid of holdersBelow(root)) process.kill(pid, "SIGKILL");
    expect(await bench.harness.settle(copy.ended)).toMatchObject({ reason: "killed" });
    expect(await bench.harness.leftovers()).toEqual([]);
  });

  it("names the program that is not there, and leaves nothing (E4)", async () => {
    await expect(run(["/no/such/program"])).rejects.toMatchObject({
      kind: "unavailable",
      message: expect.stringContaining("/no/such/program"),
    });
    expect(await bench.harness.leftovers()).toEqual([]);
  });
});

whereTheyRun("a host without overlays", () => {
  withBench();

  it("gives each copy an unpacked root of its own", async () => {
    const stateDir = path.join(root, "one");
    const guestIds = new GuestIds();
    const store = new RootfsStore(stateDir, guestIds.ofImages);
    const ref = { guestUid: randomIdSource.uuid(), epoch: 1 };
    const directory = new ContainerDirectory(stateDir, ref);
    const launch = bench.harness.launchOf("lasting");
    const host = { canLimitSwap: canLimitSwap(), openFilesMax: openFilesMax() };
    const group = new Cgroup(directory.name);
    const own = guestIds.take(directory.path);
    const paths = { rootPath: ROOT_PATH, cgroupPath: group.path, ids: own };
    const { firstId } = own;
    const launched = { runtime: "runc", vcpuCount: 1, memoryMib: 64, firstId } as const;
    await directory.make({ config: bundleConfig(launch, { ...paths, ...host }), launched });
    await store.provide(directory, ROOTFS, { storage: "plain", own, diskMib: 16 });
    const ids = { own, ofImages: guestIds.ofImages };
    const start = { directory, runtime: "runc", ids, clock: systemClock } as const;
    const holder = await Holder.start({ ...start, rootPath: ROOT_PATH, isOverlay: false });
    holder?.release();
    const adopted = (await bench.adopt(bench.engine, ref)) as EngineCopy;
    await bench.waitForBeat(adopted, 1);
    await bench.destroy(adopted);
    expect(await bench.harness.leftovers()).toEqual([]);
  });
});

whereTheyRun("a guest that means harm", () => {
  withBench();

  it("forks without end: it meets its limit, its neighbour runs on, it can be ended", async () => {
    const neighbour = await bench.launch();
    const bomb = await runShell("sh -c 'b() { b & b & b; }; b' 2>/dev/null; sleep 60", {
      memoryMib: 1024,
    });
    const group = new Cgroup(copyName(bomb.ref));
    expect(pidsMaxOn(group)).toBe(String(PIDS_MAX));
    await bench.harness.waitUntil("the bomb has grown", async () => refusedForks(group) > 0);
    const beat = await bench.lastBeat(neighbour);
    await bench.waitForBeat(neighbour, beat + 2);
    await bench.destroy(bomb);
    expect(group.processes).toEqual([]);
    expect(await neighbour.runState()).toBe("running");
  });

  it("takes all memory: it is ended for it, and that is said", async () => {
    const neighbour = await bench.launch();
    const hog = await run(["/bin/tail", "/dev/zero"]);
    expect(await bench.harness.settle(hog.ended)).toMatchObject({ reason: "out-of-memory" });
    expect(await neighbour.runState()).toBe("running");
  });

  it("floods its console: the log stays bounded, also without an agent, and readable", async () => {
    const copy = await runShell("yes flood >&2 & yes flood");
    await bench.harness.settle(bench.engine.close());
    const directory = path.join(root, "one", copyName(copy.ref));
    const written = () => Math.max(0, ...consoleFiles(directory).map(({ from }) => from));
    await bench.harness.waitUntil("a flood", async () => written() > 20 * MIB);
    const kept = consoleFiles(directory).reduce((sum, { size }) => sum + size, 0);
    expect(kept).toBeLessThanOrEqual(3 * CONSOLE_PART_BYTES);
    expect(statSync(path.join(directory, "errors")).size).toBeLessThan(1000);
    const adopted = (await bench.adopt(bench.open(), copy.ref)) as EngineCopy;
    const { bytes, nextOffset } = await adopted.readConsole(0, 1000);
    expect(nextOffset).toBeGreaterThan(10 * MIB);
    expect(Buffer.from(bytes).toString()).toContain("flood\nflood\n");
  });

  it("digs a tree too deep for any path: it is removed all the same", async () => {
    const dig = "d=0123456789012345678901234567890123456789; cd /tmp; i=0";
    const loop =
      "while [ $i -lt 200 ]; do mkdir $d; cd $d; i=$((i + 1)); done; echo deep; sleep 60";
    const copy = await runShell(`${dig}; ${loop}`);
    await untilSays(copy, /deep/);
    await bench.destroy(copy);
    expect(await bench.harness.leftovers()).toEqual([]);
  });

  it("is no archive at all: the launch fails with the reason, and leaves nothing", async () => {
    const file = path.join(root, "hostile.tar");
    writeFileSync(file, "this is no archive");
    const launch = bench.harness.launchOf("lasting");
    const boot = { ...launch.boot, rootfsPath: file } as CopyLaunch["boot"];
    await expect(bench.launch({ ...launch, boot })).rejects.toMatchObject({
      reason: "ROOT_FILE_SYSTEM_UNAVAILABLE",
    });
    expect(await bench.harness.leftovers()).toEqual([]);
  });
});

async function saysThatRootIsNeeded(): Promise<void> {
  const harness = containerHarness();
  expect(await harness.makeEngine().probe()).toEqual({
    abilities: [],
    problems: ["containers need an agent that runs as root"],
  });
  await harness.dispose();
}

function withBench(): void {
  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), "innkeeper-ct-"));
    bench = new EngineBench(harnessIn(root));
  });
  afterEach(async () => {
    await bench.dispose();
  });
}

async function run(
  command: readonly string[],
  { commandLine = "", memoryMib = 64, limits = NO_LIMITS } = {},
): Promise<EngineCopy> {
  const launch = bench.harness.launchOf("lasting");
  const boot = { kind: "rootfs", rootfsPath: ROOTFS, command, commandLine } as const;
  return await bench.launch({ ...launch, memoryMib, limits, boot });
}

async function runShell(script: string, options = {}): Promise<EngineCopy> {
  return await run(["/bin/sh", "-c", script], options);
}

async function untilSays(copy: EngineCopy, pattern: RegExp): Promise<void> {
  await bench.harness.waitUntil(`${pattern}`, async () =>
    pattern.test((await bench.consoleOf(copy)).replaceAll("\r", "")),
  );
}

/** As the kernel says, in either version of control groups. */
function limitsOn({ path: name }: Cgroup): { memoryMib: number; cpuPercent: number } {
  const read = (...files: string[]): string => {
    const file = files.map((each) => path.join(CGROUP_ROOT, each)).find((each) => existsSync(each));
    return file ? readFileSync(file, "utf8") : "";
  };
  const memory = read(`memory${name}/memory.limit_in_bytes`, `${name}/memory.max`);
  const quota = read(`cpu${name}/cpu.cfs_quota_us`, `${name}/cpu.max`).split(" ")[0];
  return { memoryMib: Number(memory) / MIB, cpuPercent: Number(quota) / 1000 };
}

function pidsMaxOn({ path: name }: Cgroup): string {
  const files = [`pids${name}/pids.max`, `${name}/pids.max`];
  const file = files.map((each) => path.join(CGROUP_ROOT, each)).find((each) => existsSync(each));
  return readFileSync(file ?? "no file of such a group", "utf8").trim();
}

function refusedForks(group: Cgroup): number {
  const files = [["pids", group.path], [group.path]].map((each) =>
    path.join(CGROUP_ROOT, ...each, "pids.events"),
  );
  const file = files.find((each) => existsSync(each));
  return Number(/^max ([0-9]+)$/m.exec(file ? readFileSync(file, "utf8") : "")?.[1] ?? 0);
}

function consoleFiles(directory: string): { from: number; size: number }[] {
  const names = readdirSync(directory).filter((name) => name.startsWith("console."));
  return names.map((name) => {
    const { size } = statSync(path.join(directory, name), { throwIfNoEntry: false }) ?? { size: 0 };
    return { from: Number(name.slice("console.".length)), size };
  });
}

function containerHarness(): EngineHarness {
  // A comma, a colon, a quote and a blank: names that must never be parsed by mount or a shell.
  return harnessIn(mkdtempSync(path.join(tmpdir(), "innkeeper ct,:'x'-")));
}

function harnessIn(directory: string): EngineHarness {
  const refs: CopyRef[] = [];
  const make = (host: string) => {
    const stateDir = path.join(directory, host);
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    const reached = { clock: systemClock, log: silentLogger, probeRootfs: ROOTFS };
    return createContainerEngine({ stateDir, ...reached });
  };
  const commandLines = { lasting: "beat_ms=250", "powers-off": "beat_ms=250 exit=4", broken: "" };
  return {
    makeEngine: () => make("one"),
    makeTargetEngine: () => make("two"),
    launchOf: (manner) => {
      const ref = { guestUid: randomIdSource.uuid(), epoch: 1 };
      refs.push(ref);
      const rootfsPath = manner === "broken" ? path.join(directory, "no-such-file") : ROOTFS;
      const commandLine = commandLines[manner];
      return {
        ...ref,
        mode: "container",
        vcpuCount: 1,
        cpuMillis: 1000,
        memoryMib: 64,
        boot: { kind: "rootfs", rootfsPath, command: ["/init"], commandLine },
        disks: [],
        isIncoming: false,
      };
    },
    settle: (promise) => withDeadline(promise),
    waitUntil,
    pass: (durationMs) => later(durationMs),
    killGuest: async (ref) => {
      const copy = path.join(directory, "one", copyName(ref));
      process.kill(Number(readFileSync(path.join(copy, "pid"), "utf8")), "SIGKILL");
      await waitUntil("the holder to be gone", async () => holdersBelow(copy).length === 0);
    },
    leftovers: async () => [
      ...holdersBelow(directory).map(String),
      ...copiesBelow(directory),
      ...groupsOf(refs),
    ],
    dispose: async () => {
      for (const name of copiesBelow(directory)) await new Cgroup(name).end(systemClock);
      await waitUntil("no holder", async () => holdersBelow(directory).length === 0);
      rmSync(directory, { recursive: true });
    },
  };
}

function holdersBelow(directory: string): number[] {
  const pids = readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name));
  return pids
    .map(Number)
    .filter((pid) => commandLineOf(pid).startsWith(`${HOLDER_TITLE} ${directory}`));
}

function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

/** Unpacked images stay for the next copy. */
function copiesBelow(directory: string): string[] {
  const hosts = ["one", "two"].map((host) => path.join(directory, host)).filter(existsSync);
  return hosts.flatMap((host) => readdirSync(host)).filter((name) => name !== "images");
}

function groupsOf(refs: readonly CopyRef[]): string[] {
  const hierarchies = ["", ...readdirSync(CGROUP_ROOT)];
  return refs.flatMap((ref) =>
    hierarchies
      .map((each) => path.join(CGROUP_ROOT, each, "innkeeper", copyName(ref)))
      .filter(existsSync),
  );
}
