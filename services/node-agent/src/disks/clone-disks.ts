/**
 * Disks that begin as those of another guest on this node: what was written to them is copied, the
 * image below is shared. Made under another name, in two steps: first the empty files, which hold
 * the space, then their content.
 */
import { chmod, rm } from "node:fs/promises";
import path from "node:path";
import { type CloneOf, cloneCancelled, type DiskFormat } from "@innkeeper/core";
import { keepBase } from "./disk-base.js";
import { createQcow2, qemuImg } from "./qemu-img.js";

const BASE = "base";

export interface CloneFile {
  /** Of the new disk; names are those of its files. */
  readonly directory: string;
  readonly file: string;
  readonly newFile: string;
  readonly sizeMib: number;
}

export interface FillOptions {
  readonly signal: AbortSignal;
  /** Hears how much of what is to be copied has been, 0 to 100. */
  readonly onPercent: (percent: number) => void;
}

/** As `qemu-img -p` says it. */
const PROGRESS = /\(([0-9.]+)\/100%\)/g;

interface Below {
  readonly file: string;
  readonly format: DiskFormat;
}

/** The file is as large as the guest sees it, and empty above the image. */
export async function reserveClone(clone: CloneFile, { guestUid }: CloneOf): Promise<void> {
  const { directory, newFile, sizeMib } = clone;
  await rm(path.join(directory, newFile), { force: true });
  const below = await imageBelow(clone, guestUid);
  if (below !== undefined) {
    await rm(path.join(directory, BASE), { force: true });
    const source = { path: path.join(directory, "..", guestUid, BASE), sizeMib };
    await keepBase({ ...source, format: below.format }, path.join(directory, BASE));
  }
  await createQcow2({ directory, file: newFile, sizeMib, base: below });
  await chmod(path.join(directory, newFile), 0o600);
}

/**
 * One after the other; each counts by its size. @throws `cancelled`, `precondition`
 * (DISK_STORE_FAILED) also when a copy of the source runs.
 */
export async function fillClones(
  clones: readonly CloneFile[],
  from: CloneOf,
  { signal, onPercent }: FillOptions,
): Promise<void> {
  const totalMib = clones.reduce((sum, { sizeMib }) => sum + sizeMib, 0);
  let doneMib = 0;
  for (const clone of clones) {
    const { sizeMib } = clone;
    await fillClone(clone, from, {
      signal,
      onPercent: (percent) => onPercent((100 * doneMib + percent * sizeMib) / totalMib),
    });
    doneMib += sizeMib;
  }
}

async function fillClone(
  clone: CloneFile,
  { guestUid, snapshotUid }: CloneOf,
  { signal, onPercent }: FillOptions,
): Promise<void> {
  const { directory, newFile } = clone;
  const below = await imageBelow(clone, guestUid);
  const moment = snapshotUid === "" ? [] : ["-U", "-l", `snapshot.name=${snapshotUid}`];
  const shared = below === undefined ? [] : ["-B", below.file, "-F", below.format];
  const formats = ["-f", "qcow2", "-O", "qcow2"];
  const args = ["convert", "-p", "-n", ...formats, ...shared, ...moment];
  const onOutput = (text: string): void => {
    const last = [...text.matchAll(PROGRESS)].at(-1);
    if (last !== undefined) onPercent(Math.min(100, Number(last[1])));
  };
  try {
    await qemuImg(directory, [...args, sourceOf(clone, guestUid), newFile], { signal, onOutput });
  } catch (error) {
    throw signal.aborted ? cloneCancelled() : error;
  }
}

async function imageBelow(clone: CloneFile, guestUid: string): Promise<Below | undefined> {
  const info = ["info", "-U", "-f", "qcow2", "--output=json", sourceOf(clone, guestUid)];
  const text = await qemuImg(clone.directory, info);
  const format = (JSON.parse(text) as { "backing-filename-format"?: DiskFormat })[
    "backing-filename-format"
  ];
  return format === undefined ? undefined : { file: BASE, format };
}

/** A UUID and names of ours. */
function sourceOf({ file }: CloneFile, guestUid: string): string {
  return `../${guestUid}/${file}`;
}
