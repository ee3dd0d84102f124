/**
 * Guests with disks as users see them: `inn up` on real QEMU, with the tiny guest on a disk that
 * firmware boots. The disk holds the guest's command line, so a guest shows which content it sees.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { PATIENCE, Programs, type Started } from "./programs.js";

const IMAGE = fileURLToPath(new URL("../../images/build/disk/image.json", import.meta.url));
const RAW = path.join(path.dirname(IMAGE), "disk.raw");
const SMALL = ["--memory", "32MiB", "--cpu", "100m"];
const DISK = ["--image", "disk", ...SMALL];
/** Where the disk holds its command line: see images/disk/boot.S. */
const COMMAND_LINE_AT = 512;

let programs: Programs;
let cluster: Started;

beforeAll(async () => {
  programs = new Programs();
  cluster = await programs.up("data", ["--nodes", "2"]);
  expect((await inn("image", "import", IMAGE)).code).toBe(0);
});

afterAll(async () => {
  await programs.dispose();
});

function inn(...args: readonly string[]) {
  return programs.inn(cluster.address, ...args);
}

interface SeenGuest {
  readonly uid: string;
  readonly node: string;
  readonly mode: string;
  readonly diskMib: number;
}

async function guest(name: string): Promise<SeenGuest> {
  const { out } = await inn("guest", "get", name, "-o", "json");
  const { uid, spec, status } = JSON.parse(out) as {
    uid: string;
    spec: { resources: { diskMib: number | string } };
    status: { placement: { nodeId: string; mode: string } };
  };
  const { nodeId: node, mode } = status.placement;
  return { uid, node, mode, diskMib: Number(spec.resources.diskMib) };
}

function disksOf({ node, uid }: Pick<SeenGuest, "node" | "uid">): string {
  return path.join(programs.directory, "data", "nodes", node, "disks", uid);
}

async function said(name: string, text: string | RegExp): Promise<void> {
  await vi.waitFor(async () => {
    expect((await inn("guest", "logs", name)).out).toMatch(text);
  }, PATIENCE);
}

/** Changes what a stopped guest will find on its disk, as the guest itself might have. */
function writeCommandLine(directory: string, text: string): void {
  const bytes = Buffer.alloc(512);
  bytes.write(text);
  const file = path.join(programs.directory, "sector");
  writeFileSync(file, bytes);
  const write = `write -s ${file} ${COMMAND_LINE_AT} 512`;
  execFileSync("qemu-io", ["-f", "qcow2", "-c", write, "root.qcow2"], { cwd: directory });
}

describe("a guest of a disk image", () => {
  it.each(["full", "hybrid"])("boots in mode %s from a disk of its own", async (mode) => {
    const name = `boots-${mode}`;
    const created = await inn("guest", "create", name, ...DISK, "--mode", mode);
    expect(created).toMatchObject({
      code: 0,
      out: expect.stringContaining(`: ${mode} (as asked)`),
    });
    await said(name, /innkeeper-guest: up tiny\ninnkeeper-guest: beat 1\n/);
    const seen = await guest(name);
    expect(seen).toMatchObject({ mode: `MODE_${mode.toUpperCase()}`, diskMib: 1 });
    expect((await inn("guest", "get", name)).out).toMatch(/^disk +1 MiB$/m);
    expect(readdirSync(disksOf(seen)).sort()).toEqual(["base", "root.qcow2"]);
    expect(await inn("guest", "delete", name)).toMatchObject({ code: 0 });
    expect(existsSync(disksOf(seen))).toBe(false);
  });

  it("keeps its disk over a stop, a start and its agent's death; the image stays", async () => {
    const before = readFileSync(RAW);
    await inn("guest", "create", "kept", ...DISK, "--restart", "never");
    await said("kept", "beat 1");
    expect(await inn("guest", "stop", "kept")).toMatchObject({ code: 0 });
    const seen = await guest("kept");
    writeCommandLine(disksOf(seen), "beat=20 exit=7");
    await programs.kill(cluster);
    cluster = await programs.up("data", ["--nodes", "2"]);
    await inn("guest", "start", "kept", "--no-wait");
    await said("kept", /beat 7\ninnkeeper-guest: off\n$/);
    await inn("guest", "create", "other", ...DISK);
    await said("other", "beat 8");
    expect(readFileSync(RAW).equals(before)).toBe(true);
    for (const name of ["kept", "other"]) await inn("guest", "delete", name);
  });

  it("goes on from its disk when the image's blob is gone from its node", async () => {
    await inn("guest", "create", "alone", ...DISK);
    const base = path.join(disksOf(await guest("alone")), "base");
    expect(readFileSync(base).equals(readFileSync(RAW))).toBe(true);
    await inn("guest", "delete", "alone");
  });
});

describe("the size of a disk", () => {
  it("is the image's unless more is asked for, and counts in quota and on the node", async () => {
    await inn("project", "create", "roomy", "--disk", "100MiB");
    const roomy = ["--project", "roomy", "guest"];
    const large = await inn(...roomy, "create", "large", ...DISK, "--disk", "64MiB");
    expect(large.code).toBe(0);
    const { err, code } = await inn(...roomy, "create", "more", ...DISK, "--disk", "37MiB");
    expect([code, err]).toEqual([4, expect.stringMatching(/"roomy".*37 requested.*64.*QUOTA_EXC/)]);
    const project = await inn("project", "get", "roomy");
    expect(project.out).toMatch(/^disk +64.*100/m);
    await inn(...roomy, "delete", "large");
  });

  it("is refused where no node has that much, with every node's numbers", async () => {
    const { code, err } = await inn("guest", "create", "vast", ...DISK, "--disk", "900TiB");
    expect(code).toBe(4);
    expect(err.match(/n[12]: diskMib needs 943718400, has [0-9]+ left/g)).toHaveLength(2);
    await inn("guest", "delete", "vast");
  });

  it("may be blank beside a kernel, and is removed with the guest", async () => {
    const tiny = ["--image", "tiny", ...SMALL, "--disk", "5MiB"];
    expect((await inn("guest", "create", "blank", ...tiny)).code).toBe(0);
    await said("blank", "beat 1");
    const directory = disksOf(await guest("blank"));
    expect(readdirSync(directory)).toEqual(["data.qcow2"]);
    await inn("guest", "delete", "blank");
    expect(existsSync(directory)).toBe(false);
  });
});

describe("what a disk forbids", () => {
  it("is to move while the guest runs, which is said with the disk", async () => {
    await inn("guest", "create", "stays", ...DISK, "--mode", "hybrid");
    const { code, err } = await inn("guest", "migrate", "stays");
    expect(code).toBe(1);
    expect(err).toMatch(/cannot move while it runs: its disk of 1 MiB is on n[12] \[NO_LIVE_MIG/);
    await inn("guest", "delete", "stays");
  });

  it("is a mode that cannot boot it, or a mode that boots disks for what is none", async () => {
    const paravirt = await inn("guest", "create", "x", ...DISK, "--mode", "paravirt");
    expect(paravirt).toMatchObject({ code: 2, err: expect.stringMatching(/auto, full, hybrid/) });
    const full = await inn("guest", "create", "x", "--image", "tiny", "--mode", "full", ...SMALL);
    expect(full).toMatchObject({ code: 2, err: expect.stringMatching(/auto, hybrid, paravirt/) });
  });
});

describe("an image that is not what it says", () => {
  async function fails(name: string, disk: Buffer, description: object): Promise<string> {
    const directory = path.join(programs.directory, name);
    mkdirSync(directory);
    writeFileSync(path.join(directory, "disk"), disk);
    const blobs = [{ role: "disk", file: "disk" }];
    const image = { id: name, kind: "disk", memoryMibMin: 16, blobs, ...description };
    writeFileSync(path.join(directory, "image.json"), JSON.stringify(image));
    const file = path.join(directory, "image.json");
    expect(await inn("image", "import", file)).toMatchObject({ code: 0 });
    const create = ["guest", "create", name, "--image", name, ...SMALL];
    const { code, err } = await inn(...create, "--restart", "never");
    expect(code).not.toBe(0);
    await inn("guest", "delete", name);
    return err;
  }

  it("starts no guest: neither rubbish nor another size nor a broken table", async () => {
    const rubbish = await fails("rubbish", Buffer.alloc(4096, 7), {
      diskFormat: "qcow2",
      diskMib: 1,
    });
    expect(rubbish).toMatch(/the image's disk cannot be used: it is no qcow2 file/);
    const size = await fails("size", readFileSync(RAW), { diskFormat: "raw", diskMib: 2 });
    expect(size).toMatch(/it holds a disk of 1 MiB, its manifest says 2 MiB/);
    execFileSync("qemu-img", ["convert", "-O", "qcow2", RAW, "q"], { cwd: programs.directory });
    const broken = readFileSync(path.join(programs.directory, "q"));
    broken.fill(0xff, 40, 48);
    const table = await fails("table", broken, { diskFormat: "qcow2", diskMib: 1 });
    expect(table).toMatch(/L1 table/);
  });
});
