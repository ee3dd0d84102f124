/**
 * Disks as qcow2 files: `<directory>/<guest uid>/<name>.qcow2`, thin. A root disk is an
 * overlay on `base` beside it, which is a second name of the image's blob. Those of containers are
 * file systems in sparse files, `<name>.ext4`. Everything inside is named relatively, so the whole
 * directory may be moved. One process owns the directory.
 */
import { chmod, mkdir, readdir, rename, rm, rmdir } from "node:fs/promises";
import path from "node:path";
import {
  assert,
  type CloneOf,
  type CloneOrder,
  type CopyDisk,
  type CopySnapshot,
  cloneSourceGone,
  type DiskName,
  type DiskStore,
  diskFull,
  diskStoreFailed,
  type ExportedDisk,
  isUuid,
  type WantedDisk,
  type WantedSnapshot,
} from "@innkeeper/core";
import { type CloneFile, fillClones, reserveClone } from "./clone-disks.js";
import { checkBase, keepBase } from "./disk-base.js";
import { freeBytesOf, namesIn, sizesOf, syncFile } from "./disk-files.js";
import { DiskExports } from "./export-disk.js";
import {
  makeStateFile,
  presentSnapshots,
  removeOffline,
  removeState,
  restoreOffline,
  takeOffline,
} from "./file-snapshots.js";
import { growFileSystem, makeFileSystem } from "./file-system-disk.js";
import { createQcow2, growQcow2, snapshotsIn } from "./qemu-img.js";

const MIB = 1024 * 1024;
const BASE = "base";
const SUFFIX = ".qcow2";
/** Of a disk that holds a file system. */
const FILE_SYSTEM_SUFFIX = ".ext4";
/** What comes and goes while the guest is there. */
const COMES_AND_GOES = /^disk-[a-z0-9-]+\.(qcow2|ext4)(\.new)?$/;
const TAKES_SPACE = /\.(qcow2|ext4)(\.new)?$/;
/** While it is made. */
const NEW = ".new";
const FIRST_DISKS = ["root.qcow2", "data.qcow2"];
const REMOVE = { recursive: true, force: true } as const;

export interface FileDiskStoreOptions {
  readonly directory: string;
  /** Default: what the file system has left. */
  readonly freeBytes?: () => Promise<number>;
}

/** Makes the directory if needed. @throws `precondition`. */
export async function createFileDiskStore(options: FileDiskStoreOptions): Promise<DiskStore> {
  const directory = path.resolve(options.directory);
  await mkdir(directory, { recursive: true, mode: 0o700 }).catch(rethrow);
  await new DiskExports(directory).sweep().catch(rethrow);
  const { freeBytes = () => freeBytesOf(directory) } = options;
  return new FileDiskStore(directory, freeBytes);
}

class FileDiskStore implements DiskStore {
  readonly #exports: DiskExports;
  /** One act at a time: what one takes must be seen by the next. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly directory: string,
    private readonly freeBytes: () => Promise<number>,
  ) {
    this.#exports = new DiskExports(directory);
  }

  prepare(guestUid: string, wanted: readonly WantedDisk[]): Promise<readonly CopyDisk[]> {
    return this.#inAlone(guestUid, async () => {
      const directory = this.#of(guestUid);
      const smaller = await this.#makeMissing(directory, wanted);
      for (const disk of smaller) {
        const grown = { directory, file: fileOf(disk), sizeMib: disk.sizeMib };
        await (disk.isFileSystem === true ? growFileSystem(grown) : growQcow2(grown));
        await syncFile(path.join(directory, fileOf(disk)));
      }
      return copyDisks(directory, wanted);
    });
  }

  async clone(
    guestUid: string,
    { from, wanted, onProgress }: CloneOrder,
    signal: AbortSignal,
  ): Promise<readonly CopyDisk[]> {
    const directory = this.#of(guestUid);
    const files = await this.#inTurn(() => this.#reserve(directory, from, wanted));
    try {
      await fillClones(files, from, { signal, onPercent: onProgress ?? (() => undefined) });
    } catch (error) {
      await this.#inTurn(() => dropNew(directory, files));
      throw error;
    }
    return await this.#inTurn(async () => {
      for (const { newFile } of files) await syncFile(path.join(directory, newFile));
      for (const { file, newFile } of files) {
        await rename(path.join(directory, newFile), path.join(directory, file));
      }
      if (files.length > 0) await syncFile(directory);
      return copyDisks(directory, wanted);
    });
  }

  add(guestUid: string, wanted: readonly WantedDisk[]): Promise<readonly CopyDisk[]> {
    return this.#inTurn(async () => {
      const directory = this.#of(guestUid);
      await this.#makeMissing(directory, wanted);
      return copyDisks(directory, wanted);
    });
  }

  keepOnly(guestUid: string, names: readonly DiskName[]): Promise<void> {
    return this.#inTurn(async () => {
      const directory = this.#of(guestUid);
      const kept = names.flatMap((name) => [`${name}${SUFFIX}`, `${name}${FILE_SYSTEM_SUFFIX}`]);
      for (const file of await namesIn(directory)) {
        const isOld = COMES_AND_GOES.test(file) && !kept.includes(file);
        if (isOld) await rm(path.join(directory, file), { force: true });
      }
      if ((await namesIn(directory)).length === 0) await rm(directory, REMOVE);
    });
  }

  snapshots(guestUid: string): Promise<ReadonlyMap<string, { readonly isWhole: boolean }>> {
    return this.#inTurn(() => presentSnapshots(this.#of(guestUid)));
  }

  makeRoom(guestUid: string, snapshot: WantedSnapshot): Promise<CopySnapshot> {
    return this.#inTurn(async () => {
      const directory = this.#of(guestUid);
      const { uid, hasMemory, memoryMib } = snapshot;
      let needBytes = memoryMib * MIB;
      for (const name of (await namesIn(directory)).filter(isDisk)) {
        needBytes += (await sizesOf(path.join(directory, name))).sizeBytes;
      }
      await this.#checkSpace(Math.ceil(needBytes / MIB));
      return { uid, statePath: hasMemory ? await makeStateFile(directory, uid) : undefined };
    });
  }

  takeSnapshot(guestUid: string, uid: string): Promise<void> {
    return this.#inAlone(guestUid, () => takeOffline(this.#of(guestUid), uid));
  }

  removeSnapshot(guestUid: string, uid: string): Promise<void> {
    return this.#inAlone(guestUid, () => removeOffline(this.#of(guestUid), uid));
  }

  removeState(guestUid: string, uid: string): Promise<void> {
    return this.#inTurn(() => removeState(this.#of(guestUid), uid));
  }

  restoreSnapshot(guestUid: string, uid: string): Promise<CopySnapshot> {
    return this.#inAlone(guestUid, () => restoreOffline(this.#of(guestUid), uid));
  }

  async exportDisk(
    guestUid: string,
    snapshotUid: string,
    signal: AbortSignal,
  ): Promise<ExportedDisk> {
    const directory = this.#of(guestUid);
    const from = { guestUid, snapshotUid };
    const file = await this.#inTurn(async () => {
      const names = await namesIn(directory);
      const found = FIRST_DISKS.find((each) => names.includes(each));
      if (found === undefined) throw cloneSourceGone(from);
      if (snapshotUid !== "") await checkSnapshot(directory, from, [found]);
      const { sizeBytes } = await sizesOf(path.join(directory, found));
      await this.#checkSpace(Math.ceil(sizeBytes / MIB));
      return found;
    });
    const made = await this.#exports.make({ ...from, file }, signal);
    // What holds it now held it all the while: its name is never given again.
    const isKept = snapshotUid === "" || (await snapshotsIn(directory, file)).includes(snapshotUid);
    if (isKept) return made;
    await made.remove();
    throw cloneSourceGone(from);
  }

  remove(guestUid: string): Promise<void> {
    return this.#inAlone(guestUid, async () => {
      await rm(this.#of(guestUid), REMOVE);
    });
  }

  list(): Promise<readonly string[]> {
    return this.#inTurn(async () => (await readdir(this.directory)).filter(isUuid));
  }

  #of(guestUid: string): string {
    assert(isUuid(guestUid), "disks belong to guests, which are named by UUIDs");
    return path.join(this.directory, guestUid);
  }

  /** In turn, and while nobody copies the guest's disks away as they are. */
  #inAlone<T>(guestUid: string, act: () => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      await this.#exports.giveWay(guestUid);
      return await act();
    });
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#last.then(act).catch(rethrow);
    this.#last = done.catch(() => undefined);
    return done;
  }

  /** Answers with those that are there and smaller. There is room for all of it (K4). */
  async #makeMissing(
    directory: string,
    wanted: readonly WantedDisk[],
  ): Promise<readonly WantedDisk[]> {
    const present = await namesIn(directory);
    const missing = wanted.filter((disk) => !present.includes(fileOf(disk)));
    let needBytes = missing.reduce((sum, { sizeMib }) => sum + sizeMib * MIB, 0);
    const smaller: WantedDisk[] = [];
    for (const disk of wanted.filter((each) => !missing.includes(each))) {
      const bytes = (await sizesOf(path.join(directory, fileOf(disk)))).sizeBytes;
      if (bytes >= disk.sizeMib * MIB) continue;
      needBytes += disk.sizeMib * MIB - bytes;
      smaller.push(disk);
    }
    for (const { base } of missing) if (base !== undefined) await checkBase(base);
    if (needBytes > 0) await this.#checkSpace(Math.ceil(needBytes / MIB));
    if (missing.length > 0) await this.#make(directory, missing);
    return smaller;
  }

  /** Empty files for those that are missing, which hold the space that they may come to take. */
  async #reserve(
    directory: string,
    from: CloneOf,
    wanted: readonly WantedDisk[],
  ): Promise<readonly CloneFile[]> {
    const present = await namesIn(directory);
    const missing = wanted.filter((disk) => !present.includes(fileOf(disk)));
    if (missing.length === 0) return [];
    const source = this.#of(from.guestUid);
    const there = await namesIn(source);
    for (const disk of missing) if (!there.includes(fileOf(disk))) throw cloneSourceGone(from);
    if (from.snapshotUid !== "") await checkSnapshot(source, from, missing.map(fileOf));
    await this.#checkSpace(missing.reduce((sum, { sizeMib }) => sum + sizeMib, 0));
    await mkdir(directory, { mode: 0o700, recursive: true });
    const files = missing.map((disk) => {
      const file = fileOf(disk);
      return { directory, file, newFile: `${file}${NEW}`, sizeMib: disk.sizeMib };
    });
    try {
      for (const file of files) await reserveClone(file, from);
      await syncFile(this.directory);
    } catch (error) {
      await dropNew(directory, files);
      throw error;
    }
    return files;
  }

  async #make(directory: string, missing: readonly WantedDisk[]): Promise<void> {
    await mkdir(directory, { mode: 0o700, recursive: true });
    const made: string[] = [];
    try {
      for (const disk of missing) {
        made.push(fileOf(disk));
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
  async #checkSpace(needMib: number): Promise<void> {
    let leftBytes = await this.freeBytes();
    for (const uid of (await readdir(this.directory)).filter(isUuid)) {
      const directory = path.join(this.directory, uid);
      for (const name of await namesIn(directory)) {
        if (!TAKES_SPACE.test(name)) continue;
        leftBytes -= (await sizesOf(path.join(directory, name))).growthBytes;
      }
    }
    const haveMib = Math.max(0, Math.floor(leftBytes / MIB));
    if (needMib > haveMib) throw diskFull(needMib, haveMib);
  }
}

function isDisk(file: string): boolean {
  return file.endsWith(SUFFIX) && !file.startsWith("state-");
}

function fileOf({ name, isFileSystem }: Pick<WantedDisk, "name" | "isFileSystem">): string {
  return `${name}${isFileSystem === true ? FILE_SYSTEM_SUFFIX : SUFFIX}`;
}

function copyDisks(directory: string, wanted: readonly WantedDisk[]): readonly CopyDisk[] {
  return wanted.map((disk) => {
    const { name, sizeMib, isFileSystem } = disk;
    const format = isFileSystem === true ? "raw" : "qcow2";
    return { name, sizeMib, path: path.join(directory, fileOf(disk)), format };
  });
}

/** Seen under its name only when it is whole (K3). */
async function makeDisk(directory: string, disk: WantedDisk): Promise<void> {
  const { sizeMib, base } = disk;
  const file = `${fileOf(disk)}${NEW}`;
  const below = base && { file: BASE, format: base.format };
  await rm(path.join(directory, file), { force: true });
  if (base !== undefined) {
    await rm(path.join(directory, BASE), { force: true });
    await keepBase(base, path.join(directory, BASE));
  }
  if (disk.isFileSystem === true) await makeFileSystem({ directory, file, sizeMib });
  else await createQcow2({ directory, file, sizeMib, base: below });
  await chmod(path.join(directory, file), 0o600);
  await syncFile(path.join(directory, file));
  await rename(path.join(directory, file), path.join(directory, fileOf(disk)));
  await syncFile(directory);
}

async function dropNew(directory: string, files: readonly CloneFile[]): Promise<void> {
  for (const { newFile } of files) await rm(path.join(directory, newFile), { force: true });
  await removeUnused(directory);
}

async function checkSnapshot(
  source: string,
  from: CloneOf,
  files: readonly string[],
): Promise<void> {
  for (const file of files) {
    const held = await snapshotsIn(source, file);
    if (!held.includes(from.snapshotUid)) throw cloneSourceGone(from);
  }
}

/** Leaves a directory that holds a whole disk, and nothing of one that holds none. */
async function removeUnused(directory: string): Promise<void> {
  const names = await namesIn(directory);
  const isUsed = names.some((name) => TAKES_SPACE.test(name) && !name.endsWith(NEW));
  if (isUsed) return;
  for (const name of names) await rm(path.join(directory, name), { force: true });
  await rmdir(directory);
}

/** A refusal of the file system; a broken invariant stays one. */
function rethrow(error: unknown): never {
  if (error instanceof Error && "syscall" in error) throw diskStoreFailed(error.message, error);
  throw error;
}
