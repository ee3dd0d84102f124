/**
 * The files of a launch as QEMU sees them when it runs as a user of its own: it cannot walk to
 * them, for the directories above them are closed to it, so it gets the directories that hold them
 * as open descriptors, and names that begin there. What it got is noted in the copy's directory, so
 * an agent that starts again knows it too.
 *
 * H1 What QEMU writes belongs to its user and to nobody else; what it only reads stays root's.
 */
import { chmodSync, chownSync, lchownSync, lstatSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import type { CopyDisk, CopyLaunch, CopySnapshot } from "@innkeeper/core";
import type { CopyDirectory } from "./copy-directory.js";

/** After the three that every process has. */
export const FIRST_DESCRIPTOR = 3;
const WALKABLE = 0o001;
const READABLE = 0o004;

export interface HandedLaunch {
  /** With every path as QEMU sees it. */
  readonly launch: CopyLaunch;
  /** To be open in QEMU, from {@link FIRST_DESCRIPTOR} on. */
  readonly directories: readonly string[];
}

/** @param disksDirectory holds disks that may be plugged later, if any are known */
export function handOver(
  launch: CopyLaunch,
  userId: number,
  disksDirectory: string | undefined,
): HandedLaunch {
  const written = writtenPaths(launch);
  const read = readPaths(launch);
  for (const file of written) give(file, userId);
  for (const file of read) open(file, READABLE);
  const directories = disksDirectory === undefined ? [] : [disksDirectory];
  for (const file of [...written, ...read]) {
    const isHanded = directories.some((each) => isBelow(file, each));
    if (!isHanded) directories.push(path.dirname(file));
  }
  for (const each of directories) open(each, WALKABLE);
  for (const file of written) open(path.dirname(file), WALKABLE);
  return { directories, launch: withPaths(launch, (file) => nameIn(directories, file)) };
}

/** Files that a running QEMU is told of. */
export class HandedFiles {
  readonly #directories: readonly string[];

  constructor(
    private readonly directory: Pick<CopyDirectory, "path" | "handed">,
    private readonly userId: number | undefined,
  ) {
    this.#directories = directory.handed();
  }

  /** Where the agent finds a file, by the name that QEMU has for it. */
  found(name: string): string {
    const [, descriptor, rest = ""] = /^\/proc\/self\/fd\/([0-9]+)\/(.+)$/.exec(name) ?? [];
    const above = this.#directories[Number(descriptor) - FIRST_DESCRIPTOR];
    return above === undefined ? path.resolve(this.directory.path, name) : path.join(above, rest);
  }

  disks(disks: readonly CopyDisk[]): readonly CopyDisk[] {
    return disks.map((disk) => ({ ...disk, path: this.#hand(disk.path) }));
  }

  snapshot(snapshot: CopySnapshot): CopySnapshot {
    const { statePath } = snapshot;
    return statePath === undefined ? snapshot : { ...snapshot, statePath: this.#hand(statePath) };
  }

  #hand(file: string): string {
    if (this.userId === undefined) return file;
    give(file, this.userId);
    open(path.dirname(file), WALKABLE);
    return nameIn(this.#directories, file);
  }
}

/** Whatever of the directory is that user's becomes root's. Idempotent. */
export function giveBack(directory: string, userId: number): void {
  for (const name of namesIn(directory)) {
    const file = path.join(directory, name);
    const owner = lstatSync(file, { throwIfNoEntry: false })?.uid;
    if (owner === userId) lchownSync(file, 0, 0);
  }
}

function writtenPaths({ disks, restore }: CopyLaunch): readonly string[] {
  const state = restore?.statePath;
  return [...disks.map((disk) => disk.path), ...(state === undefined ? [] : [state])];
}

function readPaths({ boot }: CopyLaunch): readonly string[] {
  if (boot.kind !== "kernel") return [];
  return [boot.kernelPath, ...(boot.initrdPath === undefined ? [] : [boot.initrdPath])];
}

function withPaths(launch: CopyLaunch, see: (file: string) => string): CopyLaunch {
  const { boot, disks, restore } = launch;
  const state = restore?.statePath;
  return {
    ...launch,
    disks: disks.map((disk) => ({ ...disk, path: see(disk.path) })),
    ...(restore && { restore: { ...restore, statePath: state && see(state) } }),
    ...(boot.kind === "kernel" && {
      boot: {
        ...boot,
        kernelPath: see(boot.kernelPath),
        initrdPath: boot.initrdPath && see(boot.initrdPath),
      },
    }),
  };
}

function nameIn(directories: readonly string[], file: string): string {
  const index = directories.findIndex((each) => isBelow(file, each));
  const above = directories[index];
  if (above === undefined) return file;
  return `/proc/self/fd/${FIRST_DESCRIPTOR + index}/${path.relative(above, file)}`;
}

function isBelow(file: string, directory: string): boolean {
  return file.startsWith(directory.endsWith("/") ? directory : `${directory}/`);
}

/** What is not there is QEMU's to complain about. */
function give(file: string, userId: number): void {
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return;
  chmodSync(file, 0o600);
  chownSync(file, userId, userId);
}

function open(file: string, bits: number): void {
  const mode = statSync(file, { throwIfNoEntry: false })?.mode;
  if (mode !== undefined && (mode & bits) !== bits) chmodSync(file, (mode | bits) & 0o7777);
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
