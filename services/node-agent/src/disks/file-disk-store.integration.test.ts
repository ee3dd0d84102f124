/**
 * The disk store contract on real files, made by a real qemu-img, and what only files can break.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { DiskBase, DiskStore, WantedDisk } from "@innkeeper/core";
import { diskStoreContract } from "@innkeeper/core/testing/contracts/disk-store.contract";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createFileDiskStore } from "./file-disk-store.js";

const MIB = 1024 * 1024;
const UID = "00000000-0000-4000-8000-00000000000a";
const CONTENT = "what the image holds";

/** A comma, a quote, a colon and a blank: names that must never be parsed by QEMU. */
function makeRoot(): string {
  return mkdtempSync(path.join(tmpdir(), "inn disks,'x':-"));
}

function rawImage(directory: string, name = "blob"): DiskBase {
  const file = path.join(directory, name);
  const bytes = Buffer.alloc(MIB);
  bytes.write(CONTENT);
  writeFileSync(file, bytes);
  return { path: file, format: "raw", sizeMib: 1 };
}

diskStoreContract("files", async () => {
  const root = makeRoot();
  const capacityMib = 100;
  const freeBytes = (): Promise<number> => Promise.resolve(capacityMib * MIB);
  const open = () => createFileDiskStore({ directory: path.join(root, "disks"), freeBytes });
  const base = rawImage(root);
  return {
    disks: await open(),
    reopen: open,
    rootOf: (sizeMib) => ({ name: "root", sizeMib, base }),
    capacityMib,
    close: async () => rmSync(root, { recursive: true }),
  };
});

let root: string;
let disks: DiskStore;

beforeEach(async () => {
  root = makeRoot();
  disks = await createFileDiskStore({ directory: path.join(root, "disks") });
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

function rootDisk(base: DiskBase, sizeMib = 4): WantedDisk {
  return { name: "root", sizeMib, base };
}

async function prepared(wanted: WantedDisk): Promise<string> {
  const [disk] = await disks.prepare(UID, [wanted]);
  if (disk === undefined) throw new Error("no disk was made");
  return disk.path;
}

/** What a guest would read from the disk's beginning. */
function contentOf(file: string): string {
  const raw = path.join(root, "read.raw");
  qemuImg(path.dirname(file), "convert", "-O", "raw", path.basename(file), raw);
  return readFileSync(raw).toString("latin1", 0, CONTENT.length);
}

function qemuImg(directory: string, ...args: readonly string[]): string {
  return execFileSync("qemu-img", args, { cwd: directory, encoding: "utf8" });
}

function writeAt(file: string, text: string): void {
  const hex = `0x${Buffer.from(text.slice(0, 1)).toString("hex")}`;
  const args = ["-f", "qcow2", "-c", `write -P ${hex} 0 512`, path.basename(file)];
  execFileSync("qemu-io", args, { cwd: path.dirname(file), stdio: "ignore" });
}

describe("a root disk", () => {
  it.each(["raw", "qcow2"] as const)("reads as its %s image and is thin (K2)", async (format) => {
    const raw = rawImage(root);
    const base = format === "raw" ? raw : { ...raw, path: path.join(root, "q"), format };
    if (format === "qcow2") qemuImg(root, "convert", "-O", "qcow2", "blob", "q");
    const file = await prepared(rootDisk(base, 64));
    expect(contentOf(file)).toBe(CONTENT);
    const info = JSON.parse(
      qemuImg(path.dirname(file), "info", "--output=json", "root.qcow2"),
    ) as Record<string, unknown>;
    expect(info).toMatchObject({ "virtual-size": 64 * MIB, "backing-filename": "base" });
    expect(statSync(file).blocks * 512).toBeLessThan(MIB);
  });

  it("keeps what was written when it is prepared again, and never changes the image", async () => {
    const base = rawImage(root);
    const before = readFileSync(base.path);
    const file = await prepared(rootDisk(base));
    writeAt(file, "Z");
    await prepared(rootDisk(base));
    expect(contentOf(file)).toBe("Z".repeat(CONTENT.length));
    expect(readFileSync(base.path).equals(before)).toBe(true);
  });

  it("still reads as its image when the blob is removed and the directory moved (K2)", async () => {
    const base = rawImage(root);
    const file = await prepared(rootDisk(base));
    rmSync(base.path);
    renameSync(path.join(root, "disks"), path.join(root, "moved"));
    expect(contentOf(path.join(root, "moved", UID, path.basename(file)))).toBe(CONTENT);
  });

  it("is made afresh when the one who made it was killed half-way (K3)", async () => {
    const directory = path.join(root, "disks", UID);
    mkdirSync(directory);
    writeFileSync(path.join(directory, "root.qcow2.new"), "half");
    writeFileSync(path.join(directory, "base"), "half");
    expect(contentOf(await prepared(rootDisk(rawImage(root))))).toBe(CONTENT);
    expect(readdirSync(directory).sort()).toEqual(["base", "root.qcow2"]);
  });
});

describe("a clone", () => {
  const B = "00000000-0000-4000-8000-00000000000b";
  const never = new AbortController().signal;
  const asIs = { guestUid: UID, snapshotUid: "" };

  it.each(["raw", "qcow2"] as const)("reads as its source did, over a %s image", async (format) => {
    const raw = rawImage(root);
    const base = format === "raw" ? raw : { ...raw, path: path.join(root, "q"), format };
    if (format === "qcow2") qemuImg(root, "convert", "-O", "qcow2", "blob", "q");
    const wanted = [rootDisk(base)];
    const theirs = await prepared(rootDisk(base));
    const S = "00000000-0000-4000-8000-0000000000c1";
    await disks.takeSnapshot(UID, S);
    writeAt(theirs, "Z");
    const [of] = await disks.clone(B, { from: asIs, wanted }, never);
    expect(contentOf(of?.path ?? "")).toBe("Z".repeat(CONTENT.length));
    await disks.remove(B);
    const [then] = await disks.clone(B, { from: { ...asIs, snapshotUid: S }, wanted }, never);
    await disks.remove(UID);
    rmSync(base.path);
    expect(contentOf(then?.path ?? "")).toBe(CONTENT);
    expect(readdirSync(path.join(root, "disks", B)).sort()).toEqual(["base", "root.qcow2"]);
  });

  it("is not made of a disk that a machine has open, unless of a snapshot", async () => {
    const theirs = await prepared(rootDisk(rawImage(root)));
    const wanted = [rootDisk(rawImage(root, "same"))];
    const S = "00000000-0000-4000-8000-0000000000c1";
    await disks.takeSnapshot(UID, S);
    const machine = spawn("qemu-io", ["-f", "qcow2", path.basename(theirs)], {
      cwd: path.dirname(theirs),
    });
    try {
      await once(machine.stdout, "data");
      await expect(disks.clone(B, { from: asIs, wanted }, never)).rejects.toThrow(
        /another process/,
      );
      expect(await disks.list()).toEqual([UID]);
      const from = { ...asIs, snapshotUid: S };
      expect(await disks.clone(B, { from, wanted }, never)).toHaveLength(1);
    } finally {
      machine.stdin.end();
      await once(machine, "close");
    }
  });

  it("is made afresh when the one who made it was killed half-way (K3)", async () => {
    await prepared(rootDisk(rawImage(root)));
    const directory = path.join(root, "disks", B);
    mkdirSync(directory);
    writeFileSync(path.join(directory, "root.qcow2.new"), "half");
    const wanted = [rootDisk(rawImage(root, "same"))];
    const [made] = await disks.clone(B, { from: asIs, wanted }, never);
    expect(contentOf(made?.path ?? "")).toBe(CONTENT);
    expect(readdirSync(directory).sort()).toEqual(["base", "root.qcow2"]);
  });
});

describe("an export", () => {
  const never = new AbortController().signal;
  const exportsOf = (): string[] => readdirSync(path.join(root, "disks", "exports"));

  it("is one file that reads as the disk, or as the snapshot did, and is removed", async () => {
    const theirs = await prepared(rootDisk(rawImage(root)));
    const S = "00000000-0000-4000-8000-0000000000c1";
    await disks.takeSnapshot(UID, S);
    writeAt(theirs, "Z");
    for (const [uid, content] of [
      ["", "Z".repeat(CONTENT.length)],
      [S, CONTENT],
    ] as const) {
      const { read, remove } = await disks.exportDisk(UID, uid, never);
      const pieces: Uint8Array[] = [];
      for await (const piece of read()) pieces.push(piece);
      const file = path.join(root, "exported.qcow2");
      writeFileSync(file, Buffer.concat(pieces));
      expect(contentOf(file)).toBe(content);
      expect(exportsOf()).toHaveLength(1);
      await remove();
      expect(exportsOf()).toEqual([]);
    }
  });

  it("gives way to who is about to use the disk", async () => {
    const wanted = rootDisk(rawImage(root), 1024);
    const theirs = await prepared(wanted);
    execFileSync("qemu-io", ["-f", "qcow2", "-c", "write -P 7 0 512M", path.basename(theirs)], {
      cwd: path.dirname(theirs),
    });
    const exporting = disks.exportDisk(UID, "", never);
    const refused = expect(exporting).rejects.toMatchObject({ kind: "cancelled" });
    await vi.waitFor(() => expect(exportsOf()).toHaveLength(1), { timeout: 10_000, interval: 1 });
    await disks.prepare(UID, [wanted]);
    await refused;
    writeAt(theirs, "Z");
    expect(exportsOf()).toEqual([]);
  });

  it("is limited in number, and swept by the next process", async () => {
    await prepared(rootDisk(rawImage(root)));
    const [first] = await Promise.all([1, 2].map(() => disks.exportDisk(UID, "", never)));
    const third = (): Promise<unknown> => disks.exportDisk(UID, "", never);
    await expect(third()).rejects.toMatchObject({ reason: "EXPORT_BUSY" });
    await first?.remove();
    await third();
    expect(exportsOf()).toHaveLength(2);
    await createFileDiskStore({ directory: path.join(root, "disks") });
    expect(readdirSync(path.join(root, "disks"))).toEqual([UID]);
  });
});

describe("an image that cannot be trusted", () => {
  const corrupt = { kind: "corrupt", reason: "IMAGE_CORRUPT" };

  async function refused(base: DiskBase, why: RegExp): Promise<void> {
    const making = disks.prepare(UID, [rootDisk(base)]);
    await expect(making).rejects.toMatchObject(corrupt);
    await expect(making).rejects.toThrow(why);
    expect(await disks.list()).toEqual([]);
  }

  it("is refused when it has another size than its manifest says, with both sizes", async () => {
    const base = rawImage(root);
    await refused({ ...base, sizeMib: 2 }, /disk of 1 MiB, its manifest says 2 MiB/);
    writeFileSync(base.path, Buffer.alloc(MIB + 1));
    await refused(base, /disk of 2 MiB, its manifest says 1 MiB/);
  });

  it("is refused when it is no qcow2 file", async () => {
    await refused({ ...rawImage(root), format: "qcow2" }, /no qcow2 file/);
  });

  it("is refused when it would show the guest a file of this host", async () => {
    const secret = rawImage(root, "secret");
    qemuImg(root, "create", "-q", "-f", "qcow2", "-F", "raw", "-b", secret.path, "evil", "1M");
    const base = { path: path.join(root, "evil"), format: "qcow2", sizeMib: 1 } as const;
    await refused(base, /needs another file below it/);
  });

  it("is refused when it keeps its data in a file of this host", async () => {
    const options = ["-o", "data_file=other,data_file_raw=on"];
    qemuImg(root, "create", "-q", "-f", "qcow2", ...options, "evil", "1M");
    const base = { path: path.join(root, "evil"), format: "qcow2", sizeMib: 1 } as const;
    await refused(base, /keeps its data in another file/);
  });
});

describe("a disk that holds a file system", () => {
  const wanted = (sizeMib: number): WantedDisk[] => [
    { name: "disk-a", sizeMib, base: undefined, isFileSystem: true },
  ];
  const sizeOf = (file: string): number => {
    const { stdout } = spawnSync("dumpe2fs", ["-h", file], { encoding: "utf8" });
    const [count = 0, bytes = 0] = ["Block count", "Block size"].map((name) =>
      Number(new RegExp(`^${name}: +([0-9]+)$`, "m").exec(stdout)?.[1]),
    );
    return count * bytes;
  };

  it("is whole from the first, grows with it, and takes of the host what is written", async () => {
    const [disk] = await disks.prepare(UID, wanted(64));
    const file = disk?.path ?? "";
    expect(disk).toMatchObject({ name: "disk-a", sizeMib: 64, format: "raw" });
    expect(sizeOf(file)).toBe(64 * MIB);
    expect(statSync(file).blocks * 512).toBeLessThan(2 * MIB);
    expect(await disks.prepare(UID, wanted(200))).toEqual([{ ...disk, sizeMib: 200 }]);
    expect(sizeOf(file)).toBe(200 * MIB);
    expect(statSync(file).blocks * 512).toBeLessThan(4 * MIB);
    expect(spawnSync("e2fsck", ["-fn", file]).status).toBe(0);
  });

  it("is grown to the end when that was broken off", async () => {
    const [disk] = await disks.prepare(UID, wanted(32));
    truncateSync(disk?.path ?? "", 96 * MIB);
    await disks.prepare(UID, wanted(96));
    expect(sizeOf(disk?.path ?? "")).toBe(96 * MIB);
  });

  it("holds the space that it may come to take, and goes when it is not wanted", async () => {
    const directory = path.join(root, "small");
    const freeBytes = (): Promise<number> => Promise.resolve(100 * MIB);
    const small = await createFileDiskStore({ directory, freeBytes });
    await small.prepare(UID, wanted(80));
    const other = UID.replace("a", "b");
    await expect(small.prepare(other, wanted(40))).rejects.toMatchObject({ reason: "DISK_FULL" });
    await small.keepOnly(UID, []);
    expect(await small.list()).toEqual([]);
    await small.prepare(other, wanted(40));
  });
});
