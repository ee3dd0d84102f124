/**
 * Control groups whose copy is gone: an agent and its copy were ended together, and nobody was left
 * to remove the group. Several agents may share the host, so only what is empty and was not made
 * just now is removed; the kernel itself refuses to remove a group that has processes.
 */
import { readdirSync, rmdirSync, statSync } from "node:fs";
import path from "node:path";
import { isCopyName } from "./copy-name.js";

const CGROUP_ROOT = "/sys/fs/cgroup";
/** All groups of ours are below this one. */
const PARENT = "innkeeper";
/** A group is empty for a moment between its making and its first process. */
export const ORPHAN_AGE_MS = 10 * 60_000;

/** @returns how many directories were removed; a group is one in each hierarchy of version 1. */
export function sweepOrphanGroups({
  nowMs,
  root = CGROUP_ROOT,
}: {
  readonly nowMs: number;
  readonly root?: string;
}): number {
  const parents = ["", ...namesIn(root)].map((each) => path.join(root, each, PARENT));
  const groups = parents.flatMap((parent) =>
    namesIn(parent)
      .filter(isCopyName)
      .map((name) => path.join(parent, name)),
  );
  return groups.filter((group) => isOld(group, nowMs) && isRemoved(group)).length;
}

function isOld(group: string, nowMs: number): boolean {
  const made = statSync(group, { throwIfNoEntry: false });
  return made !== undefined && made.mtimeMs < nowMs - ORPHAN_AGE_MS;
}

function isRemoved(group: string): boolean {
  try {
    rmdirSync(group);
    return true;
  } catch {
    return false;
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
