import type { CopyLaunch } from "@innkeeper/core";
import { describe, expect, it } from "vitest";
import { bundleConfig, limitsOf, PIDS_MAX } from "./bundle.js";
import { ALLOWED } from "./seccomp-profile.js";

const LAUNCH: CopyLaunch = {
  guestUid: "11111111-2222-4333-8444-555555555555",
  epoch: 3,
  mode: "container",
  vcpuCount: 2,
  cpuMillis: 1500,
  memoryMib: 64,
  boot: { kind: "rootfs", rootfsPath: "/r.tar", command: ["/init", "-x"], commandLine: 'a "b"\\n' },
  disks: [],
  isIncoming: false,
};

interface Bundle {
  readonly hostname: string;
  readonly mounts: readonly Readonly<Record<"destination" | "type" | "source", string>>[];
}

const OPTIONS = {
  rootPath: "/run/root",
  cgroupPath: "/innkeeper/x",
  canLimitSwap: true,
  openFilesMax: 512,
  ids: { firstId: 3_000_000, count: 65_536 },
};

describe("the configuration of a container", () => {
  it("starts the image's command with the guest's command line as it is", () => {
    expect(bundleConfig(LAUNCH, OPTIONS)).toMatchObject({
      hostname: LAUNCH.guestUid,
      process: {
        args: ["/init", "-x"],
        env: expect.arrayContaining(['GUEST_COMMAND_LINE=a "b"\\n']),
        noNewPrivileges: true,
      },
      root: { path: "/run/root" },
      linux: {
        cgroupsPath: "/innkeeper/x",
        namespaces: expect.arrayContaining([{ type: "user" }]),
        uidMappings: [{ containerID: 0, hostID: 3_000_000, size: 65_536 }],
        gidMappings: [{ containerID: 0, hostID: 3_000_000, size: 65_536 }],
      },
    });
  });

  it("gives systemd a terminal, places in memory and its groups, and no right", () => {
    const plain = bundleConfig(LAUNCH, OPTIONS) as Bundle;
    const systemd = bundleConfig(LAUNCH, { ...OPTIONS, consolePath: "/run/console" }) as Bundle;
    const added = systemd.mounts.slice(plain.mounts.length);
    expect(added.map(({ destination, type, source }) => [destination, type, source])).toEqual([
      ["/run", "tmpfs", "tmpfs"],
      ["/run/lock", "tmpfs", "tmpfs"],
      ["/sys/fs/cgroup", "cgroup2", "cgroup2"],
      ["/dev/console", "bind", "/run/console"],
    ]);
    expect({ ...systemd, mounts: plain.mounts }).toEqual(plain);
  });

  it("shows its disks and what it is told where they are looked for", () => {
    const disk = { sizeMib: 20, path: "/d/x.ext4", format: "raw" } as const;
    const disks = [
      { ...disk, name: "disk-logs" },
      { ...disk, name: "disk-b" },
    ];
    const seed = [{ name: "user-data", bytes: new Uint8Array() } as const];
    const launch = { ...LAUNCH, disks, seed, hostName: "box" };
    const { mounts, hostname } = bundleConfig(launch, OPTIONS) as Bundle;
    expect(hostname).toBe("box");
    expect(mounts.filter(({ type }) => type === "bind")).toEqual([
      expect.objectContaining({
        source: "seed",
        destination: "/var/lib/cloud/seed/nocloud",
        options: expect.arrayContaining(["ro"]),
      }),
      expect.objectContaining({ source: "/run/innkeeper/disk-0", destination: "/mnt/logs" }),
      expect.objectContaining({ source: "/run/innkeeper/disk-1", destination: "/mnt/b" }),
    ]);
  });

  it("never raises what the host gives it", () => {
    const text = JSON.stringify(bundleConfig(LAUNCH, OPTIONS));
    expect(text).toContain('{"type":"RLIMIT_NOFILE","soft":512,"hard":512}');
    for (const capability of ["CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_MKNOD"]) {
      expect(text).not.toContain(capability);
    }
  });

  it("limits memory without swap where that is counted, and CPU time by the share", () => {
    const limit = 64 * 1024 * 1024;
    expect(limitsOf(LAUNCH, true)).toEqual({
      memory: { limit, swap: limit },
      cpu: { shares: 1536, quota: 150_000, period: 100_000 },
      pids: { limit: PIDS_MAX },
    });
    expect(limitsOf(LAUNCH, false).memory).toEqual({ limit });
    expect(limitsOf({ cpuMillis: 1, memoryMib: 1 }, true).cpu).toMatchObject({
      shares: 2,
      quota: 1000,
    });
  });

  it("refuses an image without a first process", () => {
    const boot = { ...LAUNCH.boot, command: [] } as CopyLaunch["boot"];
    expect(() => bundleConfig({ ...LAUNCH, boot }, OPTIONS)).toThrowError(
      expect.objectContaining({ kind: "precondition", reason: "IMAGE_HAS_NO_COMMAND" }),
    );
  });
});

describe("the system calls of guests", () => {
  it("are named once each", () => {
    expect(new Set(ALLOWED).size).toBe(ALLOWED.length);
  });

  it.each([
    ...["mount", "umount2", "pivot_root", "setns", "unshare", "clone", "clone3", "bpf"],
    ...["init_module", "finit_module", "delete_module", "kexec_load", "reboot", "swapon"],
    ...["settimeofday", "clock_settime", "keyctl", "add_key", "perf_event_open", "userfaultfd"],
    ...["open_by_handle_at", "iopl", "ioperm", "io_uring_setup", "ptrace", "acct", "quotactl"],
  ])("do not include %s", (name) => {
    expect(ALLOWED).not.toContain(name);
  });

  it.each(["read", "getrandom", "execve", "futex", "wait4", "socket"])("include %s", (name) => {
    expect(ALLOWED).toContain(name);
  });
});
