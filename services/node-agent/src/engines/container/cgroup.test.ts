import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { FakeClock } from "@innkeeper/core/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Cgroup, canLimitSwap, GROUPS_MAX } from "./cgroup.js";

let root: string;

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), "inn-cgroup-"));
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

function write(file: string, text: string): void {
  const full = path.join(root, file);
  mkdirSync(path.dirname(full), { recursive: true });
  writeFileSync(full, text);
}

describe("version 1: a directory in each hierarchy", () => {
  it("is read", () => {
    const group = new Cgroup("g.1", root);
    write("freezer/innkeeper/g.1/freezer.state", "FROZEN\n");
    write("memory/innkeeper/g.1/memory.oom_control", "oom_kill_disable 0\noom_kill 3\n");
    write("memory/innkeeper/g.1/memory.usage_in_bytes", "4096\n");
    write("cpuacct/innkeeper/g.1/cpuacct.usage", "1500000000\n");
    write("pids/innkeeper/g.1/cgroup.procs", "11\n12\n");
    write("memory/innkeeper/g.1/cgroup.procs", "12\n");
    expect(group.isFrozen).toBe(true);
    expect(group.oomKills).toBe(3);
    expect(group.memoryBytes).toBe(4096);
    expect(group.cpuMs).toBe(1500);
    expect([...group.processes].sort()).toEqual([11, 12]);
  });

  it("limits swap only where the kernel counts it", () => {
    write("memory/memory.limit_in_bytes", "0\n");
    expect(canLimitSwap(root)).toBe(false);
    write("memory/memory.memsw.limit_in_bytes", "0\n");
    expect(canLimitSwap(root)).toBe(true);
  });
});

describe("version 2: one directory", () => {
  it("is read", () => {
    const group = new Cgroup("g.1", root);
    write("innkeeper/g.1/cgroup.events", "populated 1\nfrozen 1\n");
    write("innkeeper/g.1/memory.events", "low 0\noom 4\noom_kill 2\noom_group_kill 0\n");
    write("innkeeper/g.1/memory.current", "8192\n");
    write("innkeeper/g.1/cpu.stat", "usage_usec 2500000\nuser_usec 1\n");
    write("innkeeper/g.1/cgroup.procs", "11\n");
    expect(group.isFrozen).toBe(true);
    expect(group.oomKills).toBe(2);
    expect(group.memoryBytes).toBe(8192);
    expect(group.cpuMs).toBe(2500);
    expect(group.processes).toEqual([11]);
    expect(canLimitSwap(root)).toBe(true);
  });
});

const isRoot = process.getuid?.() === 0;

describe.runIf(isRoot)("a part of the tree that is the guest's own", () => {
  const own = { firstId: 3_000_000, count: 65_536 };

  function withFiles(group: string): void {
    for (const file of ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"]) {
      write(`${group}/${file}`, "");
    }
    write(`${group}/memory.max`, "4096");
  }

  it("is bounded; the guest owns the group, and no limit of it", () => {
    write("unified/cgroup.controllers", "");
    withFiles("unified/innkeeper/g.1");
    const joined = new Cgroup("g.1", root).delegate(own);
    const group = path.join(root, "unified", "innkeeper", "g.1");
    expect(joined).toBe(path.join(group, "cgroup.procs"));
    expect(readFileSync(`${group}/cgroup.max.descendants`, "utf8")).toBe(String(GROUPS_MAX));
    for (const file of ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"]) {
      expect(statSync(path.join(group, file)).uid).toBe(own.firstId);
    }
    for (const file of ["memory.max", "cgroup.max.descendants", "cgroup.max.depth"]) {
      expect(statSync(path.join(group, file)).uid).toBe(0);
    }
  });

  it("is joined by the runtime where there is only version 2", () => {
    write("cgroup.controllers", "cpu memory pids");
    withFiles("innkeeper/g.1");
    expect(new Cgroup("g.1", root).delegate(own)).toBe("");
  });

  it("is refused where there is only version 1", () => {
    write("systemd/cgroup.procs", "");
    expect(() => new Cgroup("g.1", root).delegate(own)).toThrowError(
      expect.objectContaining({ kind: "precondition", reason: "SYSTEMD_NOT_SUPPORTED" }),
    );
  });
});

describe("a group that is not there", () => {
  it("has nothing in it, and its end is done", async () => {
    const group = new Cgroup("g.1", root);
    expect(group.isFrozen).toBe(false);
    expect([group.oomKills, group.cpuMs, group.memoryBytes]).toEqual([0, 0, 0]);
    expect(group.processes).toEqual([]);
    await group.end(new FakeClock());
  });
});

describe("the end", () => {
  it("removes what a guest made below its group", async () => {
    const deep = path.join(root, "unified", "innkeeper", "g.1", "a", "b");
    mkdirSync(deep, { recursive: true });
    await new Cgroup("g.1", root).end(new FakeClock());
    expect(existsSync(path.join(root, "unified", "innkeeper", "g.1"))).toBe(false);
  });

  it("removes the group from each hierarchy, and no other group", async () => {
    for (const hierarchy of ["pids", "memory"]) {
      for (const name of ["g.1", "g.2"]) {
        mkdirSync(path.join(root, hierarchy, "innkeeper", name), { recursive: true });
      }
    }
    await new Cgroup("g.1", root).end(new FakeClock());
    expect(existsSync(path.join(root, "pids", "innkeeper", "g.1"))).toBe(false);
    expect(existsSync(path.join(root, "memory", "innkeeper", "g.1"))).toBe(false);
    expect(existsSync(path.join(root, "memory", "innkeeper", "g.2"))).toBe(true);
  });
});
