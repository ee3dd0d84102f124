/**
 * Disks as qcow2 files: `<directory>/<guest uid>/{root,data}.qcow2`, thin. A root disk is an
 * overlay on `base` beside it, which is a second name of the image's blob. Everything inside is
 * named relatively, so the whole directory may be moved. One process owns the directory.
 */
import { mkdir, open, readdir, rename, rm, rmdir, statfs } from "node:fs/promises";
import path from "node:path";
import {
  assert,
  type CopyDisk,
  type DiskStore,
  diskFull,
  diskStoreFailed,
  isUuid,
  type WantedDisk,
} from "@innkeeper/core";
import { checkBase, keepBase } from "./disk-base.js";
import { QCOW2_HEADER_BYTES, readQcow2Header } from "./qcow2-header.js";
import { createQcow2 } from "./qemu-img.js";

const MIB = 1024 * 1024;
/** The size of a file's block in `stat`, whatever the file system's is. */
const STAT_BLOCK_BYTES = 512;
const BASE = "base";
const FILE = { root: "root.qcow2", data: "data.qcow2" } as const;
/** While it is made. */
const NEW = ".new";

export interface FileDiskStoreOptions {
  readonly directory: string;
  /** Default: what the file system has left. */
  readonly freeBytes?: () => Promise<number>;
}

/** Makes the directory if needed. @throws `precondition`. */
export async function createFileDiskStore(options: FileDiskStoreOptions): Promise<DiskStore> {
  const directory = path.resolve(options.directory);
  await mkdir(directory, { recursive: true, mode: 0o700 }).catch(rethrow);
  const { freeBytes = () => freeBytesOf(directory) } = options;
  return new FileDiskStore(directory, freeBytes);
}

class FileDiskStore implements DiskStore {
  /** One act at a time: what one takes must be seen by the next. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly directory: string,
    private readonly freeBytes: () => Promise<number>,
  ) {}

  prepare(guestUid: string, wanted: readonly WantedDisk[]): Promise<readonly CopyDisk[]> {
    return this.#inTurn(async () => {
      const directory = this.#of(guestUid);
      const present = await namesIn(directory);
      const missing = wanted.filter(({ name }) => !present.includes(FILE[name]));
      if (missing.length > 0) await this.#make(directory, missing);
      return wanted.map(({ name }) => ({
        path: path.join(directory, FILE[name]),
        format: "qcow2" as const,
      }));
    });
  }

  remove(guestUid: string): Promise<void> {
    return this.#inTurn(async () => {
      await rm(this.#of(guestUid), { recursive: true, force: true });
    });
  }

  list(): Promise<readonly string[]> {
    return this.#inTurn(async () => (await readdir(this.directory)).filter(isUuid));
  }

  #of(guestUid: string): string {
    assert(isUuid(guestUid), "disks belong to guests, which are named by UUIDs");
    return path.join(this.directory, guestUid);
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#last.then(act).catch(rethrow);
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #make(directory: string, missing: readonly WantedDisk[]): Promise<void> {
    for (const { base } of missing) if (base !== undefined) await checkBase(base);
    await this.#checkSpace(missing);
    await mkdir(directory, { mode: 0o700, recursive: true });
    const made: string[] = [];
    try {
      for (const disk of missing) {
        made.push(FILE[disk.name]);
        await makeDisk(directory, disk);
      }
      await syncFile(this.directory);
    } catch (error) {
      for (const name of made) await rm(path.join(directory, name), { force: true });
      await removeUnused(directory);
      throw error;
    }
  }

  /** K4: what is left, less what the present disks may still grow by. */
  async #checkSpace(missing: readonly WantedDisk[]): Promise<void> {
    const needMib = missing.reduce((sum, { sizeMib }) => sum + sizeMib, 0);
    let leftBytes = await this.freeBytes();
    for (const uid of (await readdir(this.directory)).filter(isUuid)) {
      const directory = path.join(this.directory, uid);
      for (const name of await namesIn(directory)) {
        leftBytes -= await growthBytes(path.join(directory, name));
      }
    }
    const haveMib = Math.max(0, Math.floor(leftBytes / MIB));
    if (needMib > haveMib) throw diskFull(needMib, haveMib);
  }
}

/** Seen under its name only when it is whole (K3). */
async function makeDisk(directory: string, { name, sizeMib, base }: WantedDisk): Promise<void> {
  const file = `${FILE[name]}${NEW}`;
  const below = base && { file: BASE, format: base.format };
  await rm(path.join(directory, file), { force: true });
  if (base !== undefined) {
    await rm(path.join(directory, BASE), { force: true });
    await keepBase(base, path.join(directory, BASE));
  }
  await createQcow2({ directory, file, sizeMib, base: below });
  await syncFile(path.join(directory, file));
  await rename(path.join(directory, file), path.join(directory, FILE[name]));
  await syncFile(directory);
}

/** Leaves a directory that holds a whole disk, and nothing of one that holds none. */
async function removeUnused(directory: string): Promise<void> {
  const names = await namesIn(directory);
  const isUsed = names.some((name) => Object.values<string>(FILE).includes(name));
  if (isUsed) return;
  for (const name of names) await rm(path.join(directory, name), { force: true });
  await rmdir(directory);
}

async function growthBytes(file: string): Promise<number> {
  if (!file.endsWith(".qcow2")) return 0;
  const handle = await open(file, "r");
  try {
    const bytes = Buffer.alloc(QCOW2_HEADER_BYTES);
    await handle.read(bytes, 0, bytes.length, 0);
    const sizeBytes = sizeWithin(bytes);
    const { blocks } = await handle.stat();
    return Math.max(0, sizeBytes - blocks * STAT_BLOCK_BYTES);
  } finally {
    await handle.close();
  }
}

/** An overlay of ours names its base, which is no problem here. */
function sizeWithin(bytes: Buffer): number {
  const alone = Buffer.from(bytes);
  alone.fill(0, 8, 20);
  const header = readQcow2Header(alone);
  return "problem" in header ? 0 : header.sizeBytes;
}

async function namesIn(directory: string): Promise<string[]> {
  return await readdir(directory).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  });
}

async function syncFile(file: string): Promise<void> {
  const handle = await open(file, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function freeBytesOf(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

/** A refusal of the file system; a broken invariant stays one. */
function rethrow(error: unknown): never {
  if (error instanceof Error && "syscall" in error) throw diskStoreFailed(error.message, error);
  throw error;
}
