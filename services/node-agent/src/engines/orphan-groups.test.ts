/** Which control groups are swept, in directories that look like the kernel's. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ORPHAN_AGE_MS, sweepOrphanGroups } from "./orphan-groups.js";

const NOW_MS = 1_800_000_000_000;
const COPY = "00000000-0000-4000-8000-00000000000a.1";

let root: string;

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), "innkeeper-orphans-"));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

function group(name: string, ageMs: number): string {
  const directory = path.join(root, name);
  mkdirSync(directory, { recursive: true });
  utimesSync(directory, new Date(NOW_MS - ageMs), new Date(NOW_MS - ageMs));
  return directory;
}

it("removes old empty groups of copies in every hierarchy, of both versions", () => {
  const old = ["cpu/innkeeper", "memory/innkeeper", "innkeeper"].map((parent) =>
    group(`${parent}/${COPY}`, ORPHAN_AGE_MS + 1),
  );
  expect(sweepOrphanGroups({ nowMs: NOW_MS, root })).toBe(3);
  for (const each of old) expect(existsSync(each)).toBe(false);
});

it("leaves what is new, what is in use, and what is no copy's", () => {
  const used = group(`cpu/innkeeper/${COPY}`, 0);
  writeFileSync(path.join(used, "a-process-is-in-it"), "");
  utimesSync(used, new Date(1), new Date(1));
  const kept = [
    used,
    group(`memory/innkeeper/${COPY}`, ORPHAN_AGE_MS - 1),
    group("cpu/innkeeper/somebody", ORPHAN_AGE_MS * 2),
    group(`cpu/other/${COPY}`, ORPHAN_AGE_MS * 2),
  ];
  expect(sweepOrphanGroups({ nowMs: NOW_MS, root })).toBe(0);
  for (const each of kept) expect(existsSync(each)).toBe(true);
});

it("finds nothing on a host without control groups", () => {
  expect(sweepOrphanGroups({ nowMs: NOW_MS, root: path.join(root, "none") })).toBe(0);
});
