/**
 * What a guest that has broken out of its QEMU could do on the host: the test is that user, in the
 * place of the process, and tries. Needs root, without which no process can have another user.
 */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { CopyDisk, CopyLaunch, EngineCopy } from "@innkeeper/core";
import { randomIdSource, systemClock } from "@innkeeper/core/platform";
import { silentLogger } from "@innkeeper/core/testing";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { createQcow2 } from "../../disks/qemu-img.js";
import { copyName } from "../copy-name.js";
import { GuestIds } from "../guest-ids.js";
import { createQemuEngine } from "./qemu-engine.js";

const IMAGES = fileURLToPath(new URL("../../../../../images/build/", import.meta.url));
const FIRST_ID = 2_000_000_000;
const LOW_PORT = 917;

const root = mkdtempSync(path.join(tmpdir(), "innkeeper-users-"));
const stateDir = path.join(root, "guests");
const disksDirectory = path.join(root, "disks");
const claimsDirectory = path.join(root, "claims");
const guestIds = new GuestIds({ firstId: FIRST_ID, ranges: 16, claimsDirectory });
const options = {
  ...{ stateDir, disksDirectory, guestIds, clock: systemClock, log: silentLogger },
  migrationHost: "127.0.0.1",
  probeKernel: path.join(IMAGES, "tiny/tiny.elf"),
  probeDisk: path.join(IMAGES, "disk/disk.raw"),
  probeCacheFile: path.join(root, "probe.json"),
};
let engine = createQemuEngine(options);
const copies: EngineCopy[] = [];

beforeAll(() => mkdirSync(disksDirectory, { mode: 0o700 }));
afterEach(async () => {
  for (const copy of copies.splice(0)) await copy.destroy();
});
afterAll(async () => {
  await engine.close();
  rmSync(root, { recursive: true });
});

describe.runIf(process.getuid?.() === 0)("a QEMU", () => {
  it("is a user of its own, without groups, rights or a way to new ones", async () => {
    const [one, two] = [statusOf(await launch()), statusOf(await launch())];
    for (const status of [one, two]) {
      expect(Number(status.get("Uid")?.split("\t")[0])).toBeGreaterThan(FIRST_ID);
      expect(new Set(`${status.get("Uid")}\t${status.get("Gid")}`.split("\t")).size).toBe(1);
      expect(status.get("Groups")?.trim()).toBe("");
      for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) {
        expect(Number.parseInt(status.get(set) ?? "", 16)).toBe(0);
      }
      expect(status.get("NoNewPrivs")).toBe("1");
    }
    expect(one.get("Uid")).not.toBe(two.get("Uid"));
  });

  it("reaches its own files and no others, not even from where it stands", async () => {
    const [mine, other] = [await launch(), await launch()];
    const [own, others] = [directoryOf(mine), directoryOf(other)];
    const handed = `/proc/${mine.pid}/fd/3`;
    const tries = [
      ["connect", path.join(others, "qmp.sock")],
      ["connect", path.join(others, "serial.sock")],
      ["list", others],
      ["read", path.join(own, "qemu.log")],
      ["make", path.join(own, "new")],
      ["list", handed],
      ["make", path.join(handed, "new")],
      ["make", path.join(handed, mine.ref.guestUid, "new")],
      ["read", path.join(handed, other.ref.guestUid, "root.qcow2")],
      ["read", path.join(root, "probe.json")],
    ] as const;
    const id = Number(statusOf(mine).get("Uid")?.split("\t")[0]);
    for (const [act, file] of tries) expect([act, await does(id, act, file)]).toEqual([act, false]);
    // As from inside: what is closed above the directory that it stands in does not matter there.
    expect(await does(id, "read", path.join(handed, mine.ref.guestUid, "root.qcow2"))).toBe(true);
    expect(await does(id, "connect", `/proc/${mine.pid}/cwd/qmp.sock`)).toBe(true);
    expect(await does(id, "read", `/proc/${mine.pid}/cwd/console.log`)).toBe(true);
    expect(await does(id, "make", `/proc/${mine.pid}/cwd/new`)).toBe(false);
  });

  it("keeps its user over a restart of the agent, and gets the files that are added", async () => {
    const copy = await launch();
    const before = statusOf(copy).get("Uid");
    await engine.close();
    engine = createQemuEngine(options);
    const adopted = await engine.adopt(copy.ref);
    if (adopted === undefined) throw new Error("it was not adopted");
    copies.splice(0, 1, adopted);
    expect(statusOf(adopted).get("Uid")).toBe(before);
    const added = await aDisk(copy.ref.guestUid, "disk-a");
    await adopted.setDisks([await rootOf(copy.ref.guestUid), added]);
    const { uid, mode } = statSync(added.path);
    expect([String(uid), mode & 0o777]).toEqual([before?.split("\t")[0], 0o600]);
  });

  it("leaves nothing that is its user's, and another one may have the id", async () => {
    const copy = await launch();
    const disk = (await rootOf(copy.ref.guestUid)).path;
    expect(statSync(disk).uid).toBeGreaterThan(FIRST_ID);
    expect(readdirSync(claimsDirectory)).toHaveLength(1);
    await copy.destroy();
    expect(statSync(disk).uid).toBe(0);
    expect(readdirSync(claimsDirectory)).toHaveLength(0);
  });

  it("may lead a port to its guest that only root may open, and no more than that", async () => {
    const forwards = [{ protocol: "tcp", hostPort: LOW_PORT, guestPort: 22 }] as const;
    const status = statusOf(await launch({ network: { forwards } }));
    const netBindService = 1 << 10;
    expect(Number.parseInt(status.get("CapEff") ?? "", 16)).toBe(netBindService);
    expect(await isTaken(LOW_PORT)).toBe(true);
  });
});

it("runs as the agent does where that is not root, and the node says so", async () => {
  const asOther = vi.spyOn(process, "getuid").mockReturnValue(1000);
  const unprivileged = createQemuEngine({ ...options, stateDir: path.join(root, "other") });
  try {
    const { abilities, problems } = await unprivileged.probe();
    expect(abilities.map(({ mode }) => mode)).toContain("paravirt");
    expect(problems).toContainEqual(expect.stringMatching(/all guests run as the agent's user/));
  } finally {
    asOther.mockRestore();
    await unprivileged.close();
  }
});

async function launch(overrides: Partial<CopyLaunch> = {}): Promise<EngineCopy> {
  const guestUid = randomIdSource.uuid();
  const kernelPath = path.join(IMAGES, "tiny/tiny.elf");
  const copy = await engine.launch({
    ...{ guestUid, epoch: 1, mode: "hybrid" as const },
    ...{ vcpuCount: 1, cpuMillis: 1000, memoryMib: 32, isIncoming: false },
    boot: { kind: "kernel", kernelPath, initrdPath: undefined, commandLine: "beat=4" },
    disks: [await aDisk(guestUid, "root")],
    ...overrides,
  });
  copies.push(copy);
  return copy;
}

async function aDisk(guestUid: string, name: string): Promise<CopyDisk> {
  const directory = path.join(disksDirectory, guestUid);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = `${name}.qcow2`;
  await createQcow2({ directory, file, sizeMib: 8, base: undefined });
  return { name, sizeMib: 8, path: path.join(directory, file), format: "qcow2" };
}

function rootOf(guestUid: string): Promise<CopyDisk> {
  const file = path.join(disksDirectory, guestUid, "root.qcow2");
  return Promise.resolve({ name: "root", sizeMib: 8, path: file, format: "qcow2" });
}

function directoryOf(copy: EngineCopy): string {
  return path.join(stateDir, copyName(copy.ref));
}

function statusOf({ pid }: EngineCopy): ReadonlyMap<string, string> {
  const lines = readFileSync(`/proc/${pid}/status`, "utf8").split("\n");
  return new Map(lines.map((line) => line.split(":\t") as [string, string]));
}

/** In Node of its own: whoever has been root may keep what root has opened. */
const ACTS = {
  list: "require('fs').readdirSync(process.argv[1])",
  make: "require('fs').writeFileSync(process.argv[1], '')",
  read: "require('fs').readFileSync(process.argv[1])",
  connect: "require('net').connect(process.argv[1]).on('connect', () => process.exit(0))",
} as const;

/** Whether the user may. */
async function does(id: number, act: keyof typeof ACTS, file: string): Promise<boolean> {
  const isDone = promisify(execFile)(process.execPath, ["-e", ACTS[act], file], {
    ...{ uid: id, gid: id, cwd: "/", env: {} },
  });
  return await isDone.then(
    () => true,
    () => false,
  );
}

function isTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(true));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(false)));
  });
}
