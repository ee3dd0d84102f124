/**
 * The runtime's configuration of one container (OCI runtime specification 1.0): what the guest sees
 * and may do. A value of its own in JSON: nothing that a user wrote is parsed by a shell or becomes
 * a path.
 *
 * C1 The guest's root is nobody on the host, and no process of it can gain a right that it was not
 *    started with.
 * C2 The limits are the launch's: memory without swap, CPU time, number of processes.
 * C3 systemd gets what it needs to be first: a terminal, places in memory for what it notes, its
 *    machine's id, and a tree of control groups of which only the part below it is its own. It
 *    gets no right that other containers have not.
 */
import { type CopyLaunch, type CopyResources, precondition } from "@innkeeper/core";
import type { IdRange } from "../guest-ids.js";
import { SEED } from "./container-directory.js";
import { SECCOMP_PROFILE } from "./seccomp-profile.js";

/** Processes and threads of one guest, unless it asks for another number. */
export const PIDS_MAX = 2048;
export const CPU_PERIOD_US = 100_000;
const CPU_SHARES_PER_CPU = 1024;
const CPU_SHARES_MIN = 2;
const CPU_QUOTA_US_MIN = 1000;
/** What programs that make tables of all that they could open are used to. */
const OPEN_FILES_AT_FIRST = 1024;
const MIB = 1024 * 1024;

/** What root in a guest keeps: to own files, change users, serve low ports, end its processes. */
const CAPABILITIES = [
  ...["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_SETFCAP"],
  ...["CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_KILL", "CAP_SYS_CHROOT"],
  ...["CAP_NET_BIND_SERVICE", "CAP_AUDIT_WRITE"],
];

/** What tells of the host, or reaches it. */
const MASKED_PATHS = [
  ...["/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys"],
  ...["/proc/kallsyms", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi"],
  ...["/proc/timer_list", "/proc/timer_stats", "/proc/vmallocinfo"],
  ...["/sys/devices/virtual/powercap", "/sys/firmware", "/sys/kernel/debug"],
];

const READ_ONLY_PATHS = [
  ...["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
];

/** Where cloud-init looks first. */
export const SEED_PLACE = "/var/lib/cloud/seed/nocloud";

/** Where a container finds its disk `NAME`: `/mnt/NAME`. Names are parsed: no separator in them. */
function diskPlace(name: string): string {
  return `/mnt/${name.replace(/^disk-/, "")}`;
}

/** Where the holder mounts a disk of its container, in its own mount namespace. */
export function diskMountPoint(index: number): string {
  return `/run/innkeeper/disk-${index}`;
}

const NAMESPACES = ["pid", "mount", "ipc", "uts", "network", "cgroup", "user"];

export interface BundleOptions {
  /** Where the root file system is mounted in the holder's mount namespace. */
  readonly rootPath: string;
  readonly cgroupPath: string;
  readonly canLimitSwap: boolean;
  readonly openFilesMax: number;
  /** What its user ids are on the host. */
  readonly ids: IdRange;
  /** Where its terminal is mounted in the holder's mount namespace, if it has one. */
  readonly consolePath?: string;
}

/** @throws `precondition` when the launch is nothing that a container can be. */
export function bundleConfig(launch: CopyLaunch, options: BundleOptions): object {
  const { boot } = launch;
  if (boot.kind !== "rootfs" || boot.command.length === 0) throw noCommand();
  const { rootPath: path, cgroupPath: cgroupsPath, ids } = options;
  const idMap = { containerID: 0, hostID: ids.firstId, size: ids.count };
  return {
    ociVersion: "1.0.2",
    hostname: launch.hostName ?? launch.guestUid,
    root: { path, readonly: false },
    process: processOf(launch, boot.command, options.openFilesMax),
    mounts: mountsOf(launch, options),
    linux: {
      cgroupsPath,
      namespaces: NAMESPACES.map((type) => ({ type })),
      uidMappings: [idMap],
      gidMappings: [idMap],
      resources: {
        devices: [{ allow: false, access: "rwm" }],
        ...limitsOf(launch, options.canLimitSwap),
      },
      seccomp: SECCOMP_PROFILE,
      maskedPaths: MASKED_PATHS,
      readonlyPaths: READ_ONLY_PATHS,
    },
  };
}

function processOf(
  { boot: { commandLine }, guestUid }: CopyLaunch,
  args: readonly string[],
  files: number,
): object {
  return {
    args,
    terminal: false,
    cwd: "/",
    user: { uid: 0, gid: 0 },
    env: [
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      ...["HOME=/root", "container=innkeeper", `container_uuid=${guestUid}`],
      `GUEST_COMMAND_LINE=${commandLine}`,
    ],
    noNewPrivileges: true,
    capabilities: {
      bounding: CAPABILITIES,
      effective: CAPABILITIES,
      permitted: CAPABILITIES,
    },
    rlimits: [
      { type: "RLIMIT_NOFILE", soft: Math.min(OPEN_FILES_AT_FIRST, files), hard: files },
      { type: "RLIMIT_CORE", soft: 0, hard: 0 },
    ],
  };
}

export interface Limits {
  readonly memory: { readonly limit: number; readonly swap?: number };
  readonly cpu: { readonly shares: number; readonly quota: number; readonly period: number };
  readonly pids: { readonly limit: number };
}

/** The part of `linux.resources` that can be changed while the container runs (C2). */
export function limitsOf(resources: CopyResources, canLimitSwap: boolean): Limits {
  const { cpuMillis, memoryMib, limits } = resources;
  const limit = memoryMib * MIB;
  const shares = Math.floor((cpuMillis * CPU_SHARES_PER_CPU) / 1000);
  const quota = Math.floor((cpuMillis * CPU_PERIOD_US) / 1000);
  return {
    memory: canLimitSwap ? { limit, swap: limit } : { limit },
    cpu: {
      shares: Math.max(CPU_SHARES_MIN, shares),
      quota: Math.max(CPU_QUOTA_US_MIN, quota),
      period: CPU_PERIOD_US,
    },
    pids: { limit: limits?.pidsMax || PIDS_MAX },
  };
}

const MOUNTS = [
  mount("/proc", "proc", "nosuid,noexec,nodev"),
  mount("/dev", "tmpfs", "nosuid,strictatime,mode=755,size=64k"),
  mount("/dev/pts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"),
  mount("/dev/shm", "tmpfs", "nosuid,noexec,nodev,mode=1777"),
  mount("/dev/mqueue", "mqueue", "nosuid,noexec,nodev"),
  mount("/sys", "sysfs", "nosuid,noexec,nodev,ro"),
];

function mountsOf({ seed, disks }: CopyLaunch, { consolePath }: BundleOptions): readonly object[] {
  return [
    ...MOUNTS,
    ...(consolePath === undefined ? [] : systemdMounts(consolePath)),
    ...(seed === undefined ? [] : [bind(SEED, SEED_PLACE, "ro", "nodev", "noexec")]),
    ...disks.map(({ name }, index) => bind(diskMountPoint(index), diskPlace(name), "nodev")),
  ];
}

/** What systemd mounts by itself where it may: here it may not. */
function systemdMounts(consolePath: string): readonly object[] {
  return [
    mount("/run", "tmpfs", "nosuid,nodev,mode=755"),
    mount("/run/lock", "tmpfs", "nosuid,nodev,noexec,mode=1777,size=5m"),
    mount("/sys/fs/cgroup", "cgroup2", "nosuid,noexec,nodev"),
    bind(consolePath, "/dev/console", "noexec"),
  ];
}

/** A name inside the copy's directory, or an absolute path. */
function bind(source: string, destination: string, ...how: readonly string[]): object {
  const options = ["bind", "nosuid", ...how];
  return { destination, type: "bind", source, options };
}

function mount(destination: string, type: string, options: string): object {
  return { destination, type, source: type, options: options.split(",") };
}

function noCommand() {
  return precondition("IMAGE_HAS_NO_COMMAND", "the image names no first process");
}
