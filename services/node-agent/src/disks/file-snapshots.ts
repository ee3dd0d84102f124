/**
 * Snapshots inside the qcow2 files of one guest, and the files that hold the memory that belongs to
 * them. A snapshot is named by its uid everywhere.
 */
import { chmod, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { type CopySnapshot, isUuid, snapshotNotFound } from "@innkeeper/core";
import { createQcow2, qemuImg, snapshotsIn } from "./qemu-img.js";

const STATE = /^state-(.+)\.qcow2$/;
const DISK = /^(root|data|disk-.+)\.qcow2$/;
/** The memory lies behind what such a file says that it holds. */
const STATE_MIB = 1;

export async function presentSnapshots(
  directory: string,
): Promise<Map<string, { readonly isWhole: boolean }>> {
  const names = await namesIn(directory);
  const held: string[][] = [];
  for (const file of names.filter((name) => DISK.test(name))) {
    held.push(await snapshotsIn(directory, file));
  }
  const states = new Map<string, boolean>();
  for (const file of names) {
    const uid = STATE.exec(file)?.[1];
    if (uid) states.set(uid, (await snapshotsIn(directory, file)).includes(uid));
  }
  const uids = new Set([...held.flat(), ...states.keys()].filter(isUuid));
  const isWhole = (uid: string): boolean =>
    held.every((each) => each.includes(uid)) && (states.get(uid) ?? true);
  return new Map([...uids].map((uid) => [uid, { isWhole: isWhole(uid) }]));
}

export async function makeStateFile(directory: string, uid: string): Promise<string> {
  const file = stateFile(uid);
  await rm(path.join(directory, file), { force: true });
  await createQcow2({ directory, file, sizeMib: STATE_MIB, base: undefined });
  await chmod(path.join(directory, file), 0o600);
  return path.join(directory, file);
}

export async function takeOffline(directory: string, uid: string): Promise<void> {
  for (const file of await disksIn(directory))
    await qemuImg(directory, ["snapshot", "-c", uid, file]);
}

export async function removeOffline(directory: string, uid: string): Promise<void> {
  for (const file of await disksWith(directory, uid)) {
    await qemuImg(directory, ["snapshot", "-d", uid, file]);
  }
  await removeState(directory, uid);
}

export async function removeState(directory: string, uid: string): Promise<void> {
  await rm(path.join(directory, stateFile(uid)), { force: true });
}

/** @throws `not-found` when no disk holds it. */
export async function restoreOffline(directory: string, uid: string): Promise<CopySnapshot> {
  const files = await disksWith(directory, uid);
  if (files.length === 0) throw snapshotNotFound(uid);
  for (const file of files) await qemuImg(directory, ["snapshot", "-a", uid, file]);
  const hasState = (await namesIn(directory)).includes(stateFile(uid));
  return { uid, statePath: hasState ? path.join(directory, stateFile(uid)) : undefined };
}

async function disksWith(directory: string, uid: string): Promise<string[]> {
  const found: string[] = [];
  for (const file of await disksIn(directory)) {
    if ((await snapshotsIn(directory, file)).includes(uid)) found.push(file);
  }
  return found;
}

async function disksIn(directory: string): Promise<string[]> {
  return (await namesIn(directory)).filter((name) => DISK.test(name));
}

function stateFile(uid: string): string {
  return `state-${uid}.qcow2`;
}

async function namesIn(directory: string): Promise<string[]> {
  return await readdir(directory).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  });
}
