/**
 * Finds out how guests can run on this host by running one: a host can have `/dev/kvm`, create a
 * machine on it and still never execute a guest instruction. An acceleration counts only when the
 * tiny guest said its first word under it, in each mode, within the time.
 */
import { createHash } from "node:crypto";
import {
  access,
  constants,
  copyFile,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Clock, type CopyLaunch, type EngineCopy, toDomainError } from "@innkeeper/core";
import { roundedStart } from "../rounded-start.js";
import { saysInTime } from "./console-words.js";
import { kvmIsOpenToGuests } from "./copy-user.js";
import type { QemuAcceleration } from "./modes.js";
import { QEMU_MODES, type QemuMode } from "./modes.js";

export interface ProbeParts {
  readonly clock: Clock;
  /** The tiny guest, and the disk that firmware boots it from. */
  readonly kernelPath: string;
  readonly diskPath: string;
  /**
   * Keeps the result while QEMU, the tiny guest and the host's boot stay the same; undefined =
   * probe each time.
   */
  readonly cacheFile: string | undefined;
  readonly version: string;
  /** Each guest runs as a user of its own. */
  readonly hasUsers?: boolean;
  /** Default: whether /dev/kvm may be opened by whoever runs the guests. */
  readonly hasKvm?: () => Promise<boolean>;
  readonly launch: (launch: CopyLaunch, acceleration: QemuAcceleration) => Promise<EngineCopy>;
}

export interface ProbeResult {
  readonly acceleration: QemuAcceleration | undefined;
  readonly modes: readonly QemuMode[];
  /** From launch to first word, of each mode that works. */
  readonly startMs: StartTimes;
  readonly problems: readonly string[];
}

export type StartTimes = Readonly<Partial<Record<QemuMode, number>>>;
type Tried = Pick<ProbeResult, "modes" | "startMs" | "problems">;

/** Never a guest of a cluster: those have random identities. */
const PROBE_UID = "00000000-0000-4000-8000-000000000000";
const FIRST_WORD = "innkeeper-guest: up";
const DEADLINE_MS: Readonly<Record<QemuAcceleration, number>> = { kvm: 2_000, tcg: 15_000 };
const MEMORY_MIB = 32;
const KVM_MISSING = "kvm: /dev/kvm is absent or closed to the users of guests";

export async function probeAcceleration(parts: ProbeParts): Promise<ProbeResult> {
  const key = await cacheKey(parts);
  const cached = await readCache(parts, key);
  if (cached !== undefined) return cached;
  const result = await runProbe(parts);
  await writeCache(parts, key, result);
  return result;
}

async function runProbe(parts: ProbeParts): Promise<ProbeResult> {
  const problems: string[] = [];
  for (const acceleration of ["kvm", "tcg"] as const) {
    const tried = await tryModes(parts, acceleration);
    problems.push(...tried.problems);
    if (tried.modes.length > 0) return { acceleration, ...tried, problems };
  }
  return { acceleration: undefined, modes: [], startMs: {}, problems };
}

/**
 * Every mode under one acceleration; what a hardware one cannot do for the first is not asked for
 * the others.
 */
async function tryModes(parts: ProbeParts, acceleration: QemuAcceleration): Promise<Tried> {
  const isHardware = acceleration === "kvm";
  const { hasKvm = parts.hasUsers === true ? canGuestsOpenKvm : canOpenKvm } = parts;
  if (isHardware && !(await hasKvm())) return { modes: [], startMs: {}, problems: [KVM_MISSING] };
  const startMs: Partial<Record<QemuMode, number>> = {};
  const problems: string[] = [];
  for (const mode of QEMU_MODES) {
    const tried = await tryGuest(parts, { acceleration, mode });
    if (typeof tried === "number") startMs[mode] = tried;
    else problems.push(tried);
    if (typeof tried === "string" && isHardware) break;
  }
  return { modes: QEMU_MODES.filter((mode) => startMs[mode] !== undefined), startMs, problems };
}

function canGuestsOpenKvm(): Promise<boolean> {
  return Promise.resolve(kvmIsOpenToGuests());
}

async function canOpenKvm(): Promise<boolean> {
  return await access("/dev/kvm", constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
}

/** How long it took until the guest said its first word, in milliseconds, or what went wrong. */
async function tryGuest(
  parts: ProbeParts,
  { acceleration, mode }: { acceleration: QemuAcceleration; mode: QemuMode },
): Promise<number | string> {
  const scratch = await mkdtemp(path.join(tmpdir(), "inn-probe-"));
  let copy: EngineCopy | undefined;
  try {
    const launch = await probeLaunch(parts, mode, scratch);
    const startedMs = parts.clock.monotonicMs();
    copy = await parts.launch(launch, acceleration);
    const said = { text: FIRST_WORD, withinMs: DEADLINE_MS[acceleration] };
    const hasSpoken = await saysInTime(copy, parts.clock, said);
    const silent = `a guest said nothing within ${DEADLINE_MS[acceleration]} ms`;
    const tookMs = parts.clock.monotonicMs() - startedMs;
    return hasSpoken ? roundedStart(tookMs) : `${acceleration} in ${mode} mode: ${silent}`;
  } catch (error) {
    return `${acceleration} in ${mode} mode: ${whyOf(error)}`;
  } finally {
    await copy?.destroy();
    await rm(scratch, { recursive: true });
  }
}

/** A disk is copied first: two probes may run at once, and a running one holds its disk. */
async function probeLaunch(
  { kernelPath, diskPath }: ProbeParts,
  mode: QemuMode,
  scratch: string,
): Promise<CopyLaunch> {
  const ref = { guestUid: PROBE_UID, epoch: 1 };
  const size = { vcpuCount: 1, cpuMillis: 1000, memoryMib: MEMORY_MIB };
  const launch = { ...ref, ...size, mode, isIncoming: false, disks: [] };
  if (mode !== "full") {
    const kernel = { kind: "kernel", kernelPath, initrdPath: undefined } as const;
    return { ...launch, boot: { ...kernel, commandLine: "" } };
  }
  const disk = path.join(scratch, "disk.raw");
  await copyFile(diskPath, disk);
  const boot = { kind: "disk", commandLine: "" } as const;
  return { ...launch, boot, disks: [{ name: "root", sizeMib: 1, path: disk, format: "raw" }] };
}

function whyOf(error: unknown): string {
  if (error instanceof Error && "syscall" in error) return error.message;
  const { message, metadata } = toDomainError(error);
  return metadata["why"] ?? message;
}

/** The boot's identity is part of it: another kernel or another machine may behave otherwise. */
async function cacheKey({
  version,
  kernelPath,
  diskPath,
  hasUsers = false,
}: ProbeParts): Promise<string> {
  const told = `${version} ${QEMU_MODES.join()} startMs users=${hasUsers}`;
  const hash = createHash("sha256").update(told);
  for (const file of [kernelPath, diskPath, "/proc/sys/kernel/random/boot_id"]) {
    hash.update("\0").update(await readFile(file).catch(() => ""));
  }
  return hash.digest("hex");
}

async function readCache({ cacheFile }: ProbeParts, key: string): Promise<ProbeResult | undefined> {
  if (cacheFile === undefined) return undefined;
  try {
    const cached = JSON.parse(await readFile(cacheFile, "utf8")) as { key: string } & ProbeResult;
    return cached.key === key ? cached : undefined;
  } catch {
    return undefined;
  }
}

/** A result that found nothing is not kept: the host may be mended. */
async function writeCache({ cacheFile }: ProbeParts, key: string, result: ProbeResult) {
  if (cacheFile === undefined || result.acceleration === undefined) return;
  await mkdir(path.dirname(cacheFile), { recursive: true });
  await writeFile(cacheFile, JSON.stringify({ key, ...result }));
}
