/** Control groups of both versions, in directories that look like the kernel's. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CopyCgroup, whyNoCgroups } from "./copy-cgroup.js";

const LIMITS = { cpuMillis: 1000, memoryMibMax: 2, threadsMax: 9 };

let root: string;

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), "innkeeper-cgroup-"));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

/** The group of a guest with the files that the kernel puts there. */
function kernelFiles(directory: string, files: Readonly<Record<string, string>>): void {
  mkdirSync(path.join(root, directory), { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(path.join(root, directory, name), text);
  }
}

function textOf(file: string): string {
  return readFileSync(path.join(root, file), "utf8");
}

describe("version 1", () => {
  beforeEach(() => {
    kernelFiles("cpu/innkeeper/g.1", {
      "cpu.cfs_period_us": "",
      "cpu.cfs_quota_us": "",
      "cpu.shares": "",
    });
    kernelFiles("cpuacct/innkeeper/g.1", { "cpuacct.usage": "1234567890\n" });
    kernelFiles("memory/innkeeper/g.1", {
      "memory.stat": "cache 99\ntotal_rss 3145729\n",
      "memory.limit_in_bytes": "",
      "memory.oom_control": "oom_kill_disable 0\noom_kill 3\n",
    });
    kernelFiles("pids/innkeeper/g.1", { "pids.max": "max\n" });
  });

  it("can be used", () => {
    expect(whyNoCgroups(root)).toBeUndefined();
  });

  it("caps half a CPU as half of each period, and weighs it as half of one", async () => {
    await new CopyCgroup("g.1", root).make(4711, { ...LIMITS, cpuMillis: 500 });
    expect(textOf("cpu/innkeeper/g.1/cpu.cfs_period_us")).toBe("100000");
    expect(textOf("cpu/innkeeper/g.1/cpu.cfs_quota_us")).toBe("50000");
    expect(textOf("cpu/innkeeper/g.1/cpu.shares")).toBe("512");
    for (const hierarchy of ["cpu", "cpuacct", "memory", "pids"]) {
      expect(textOf(`${hierarchy}/innkeeper/g.1/cgroup.procs`)).toBe("4711");
    }
  });

  it("lets go of the cap until it is set again, and keeps the weight", async () => {
    const cgroup = new CopyCgroup("g.1", root);
    await cgroup.make(4711, { ...LIMITS, cpuMillis: 500 });
    cgroup.liftCpuCap();
    expect(textOf("cpu/innkeeper/g.1/cpu.cfs_quota_us")).toBe("-1");
    expect(textOf("cpu/innkeeper/g.1/cpu.shares")).toBe("512");
    cgroup.setCpu(500);
    expect(textOf("cpu/innkeeper/g.1/cpu.cfs_quota_us")).toBe("50000");
  });

  it("weighs all guests together as much as all CPUs", () => {
    kernelFiles("cpu/innkeeper", { "cpu.shares": "1024\n" });
    expect(whyNoCgroups(root)).toBeUndefined();
    expect(textOf("cpu/innkeeper/cpu.shares")).toBe(String(1024 * cpus().length));
  });

  it("caps memory and threads, and knows when memory was the end", async () => {
    const cgroup = new CopyCgroup("g.1", root);
    await cgroup.make(4711, LIMITS);
    expect(textOf("memory/innkeeper/g.1/memory.limit_in_bytes")).toBe("2097152");
    expect(textOf("pids/innkeeper/g.1/pids.max")).toBe("9");
    expect(cgroup.oomKills).toBe(3);
  });

  it("counts CPU time, and memory without the files that were read", () => {
    expect(new CopyCgroup("g.1", root).usage()).toEqual({ cpuMs: 1234, memoryMib: 4 });
  });
});

describe("version 2", () => {
  beforeEach(() => {
    kernelFiles("", { "cgroup.controllers": "cpu memory\n" });
    kernelFiles("innkeeper/g.1", {
      "cpu.max": "",
      "cpu.weight": "",
      "cpu.stat": "usage_usec 2500000\n",
      "memory.max": "",
      "memory.events": "oom 1\noom_kill 1\n",
      "pids.max": "",
      "memory.stat": "anon 1048576\nfile 99\n",
    });
  });

  it("is asked for its controllers, and for the weight of all CPUs", () => {
    kernelFiles("innkeeper", { "cpu.weight": "100" });
    expect(whyNoCgroups(root)).toBeUndefined();
    expect(textOf("innkeeper/cpu.weight")).toBe(String(100 * cpus().length));
    for (const file of ["cgroup.subtree_control", "innkeeper/cgroup.subtree_control"]) {
      expect(textOf(file)).toBe("+cpu +memory +pids");
    }
  });

  it("lets go of the cap until it is set again", () => {
    new CopyCgroup("g.1", root).liftCpuCap();
    expect(textOf("innkeeper/g.1/cpu.max")).toBe("max 100000");
  });

  it("caps two CPUs as two of each period", async () => {
    await new CopyCgroup("g.1", root).make(4711, { ...LIMITS, cpuMillis: 2000 });
    expect(textOf("innkeeper/g.1/cpu.max")).toBe("200000 100000");
    expect(textOf("innkeeper/g.1/cpu.weight")).toBe("79");
    expect(textOf("innkeeper/g.1/memory.max")).toBe("2097152");
    expect(textOf("innkeeper/g.1/pids.max")).toBe("9");
    expect(new CopyCgroup("g.1", root).oomKills).toBe(1);
    expect(textOf("innkeeper/g.1/cgroup.procs")).toBe("4711");
  });

  it("counts CPU time, and memory without the files that were read", () => {
    expect(new CopyCgroup("g.1", root).usage()).toEqual({ cpuMs: 2500, memoryMib: 1 });
  });
});

describe("a host without control groups", () => {
  it("says so", () => {
    expect(whyNoCgroups(root)).toBe(`there are no control groups in ${root}`);
  });

  it("limits and counts nothing, and leaves nothing behind", async () => {
    const cgroup = new CopyCgroup("g.1", root);
    await cgroup.make(4711, { ...LIMITS, cpuMillis: 500 });
    expect(cgroup.usage()).toBeUndefined();
    expect(cgroup.exists).toBe(false);
    expect(existsSync(path.join(root, "innkeeper"))).toBe(false);
  });
});
