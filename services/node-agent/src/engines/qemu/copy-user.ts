/**
 * Each QEMU runs as a user of its own, from its first instruction on, with no right that root has:
 * a guest that breaks out of it is nobody, and finds neither the host's files nor other guests'.
 * Which user that is, the copy's directory tells: its group.
 *
 * U1 What belongs to no live copy any more belongs to root: files are given back before the id is
 *    free for another copy.
 */
import {
  accessSync,
  chownSync,
  constants,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import type { CopyLaunch, CopyRef } from "@innkeeper/core";
import type { GuestIds, IdRange } from "../guest-ids.js";
import { giveBack, type HandedLaunch, handOver } from "./handed-files.js";
import { TAP_DESCRIPTOR, TAP_SCRIPT } from "./tap-script.js";

/** Of util-linux. */
const PROGRAM = "setpriv";
const PROGRAM_PATHS = ["/usr/bin", "/bin", "/usr/local/bin"];
const KVM = "/dev/kvm";
const FREE_PORTS_FILE = "/proc/sys/net/ipv4/ip_unprivileged_port_start";

export interface CopyUsersOptions {
  readonly ids: GuestIds;
  /** Holds the directories of copies. */
  readonly stateDirectory: string;
  /** Holds a directory of disks for each guest; undefined = nothing is known of where they are. */
  readonly disksDirectory: string | undefined;
}

export class CopyUsers {
  #why: { readonly not: string | undefined } | undefined;

  constructor(private readonly options: CopyUsersOptions) {}

  /** Why guests cannot have users of their own here; undefined = they can. */
  get whyNot(): string | undefined {
    const { stateDirectory, ids } = this.options;
    this.#why ??= { not: whyNoUsers(stateDirectory, ids) };
    return this.#why.not;
  }

  /** Undefined where guests run as the agent does. @throws `capacity` (NO_GUEST_IDS). */
  take(directory: string): CopyUser | undefined {
    if (this.whyNot !== undefined) return undefined;
    return new CopyUser(this.options.ids.take(directory), this.options, directory);
  }

  /** By the id that its directory tells. */
  known(directory: string, userId: number | undefined): CopyUser | undefined {
    const range = userId === undefined ? undefined : this.options.ids.rangeAt(userId);
    return range && new CopyUser(range, this.options, directory);
  }

  /** Lets go of what ended agents left. */
  sweep(nowMs: number): void {
    this.options.ids.sweep(nowMs);
  }
}

/** The user of one copy. */
export class CopyUser {
  constructor(
    private readonly range: IdRange,
    private readonly options: CopyUsersOptions,
    private readonly directory: string,
  ) {}

  get id(): number {
    return this.range.firstId;
  }

  handOver(launch: CopyLaunch): HandedLaunch {
    return handOver(launch, this.id, this.options.disksDirectory);
  }

  /** The program and arguments that become QEMU, as this user. */
  command(qemu: readonly string[], launch: LaunchRights): readonly string[] {
    return commandAs(this.id, qemu, launch);
  }

  /** The copy is gone (U1). Idempotent. */
  end({ guestUid }: CopyRef): void {
    const { disksDirectory, ids } = this.options;
    if (disksDirectory !== undefined) giveBack(path.join(disksDirectory, guestUid), this.id);
    ids.free(this.range, this.directory);
  }
}

/** Whether a user of no group could open it, or one of its own group. */
export function kvmIsOpenToGuests(): boolean {
  const mode = statSync(KVM, { throwIfNoEntry: false })?.mode ?? 0;
  return (mode & 0o006) === 0o006 || kvmGroup() !== undefined;
}

/** What QEMU needs to be allowed beside what everybody may. */
export interface LaunchRights extends Pick<CopyLaunch, "network"> {
  readonly tap: string | undefined;
}

function commandAs(
  userId: number,
  qemu: readonly string[],
  launch: LaunchRights,
): readonly string[] {
  const group = kvmGroup();
  const kept = needsLowPort(launch) ? "-all,+net_bind_service" : "-all";
  return [
    ...(launch.tap === undefined ? [] : ["perl", "-e", TAP_SCRIPT, launch.tap, TAP_DESCRIPTOR]),
    ...[PROGRAM, `--reuid=${userId}`, `--regid=${userId}`, "--no-new-privs"],
    group === undefined ? "--clear-groups" : `--groups=${group}`,
    ...[`--bounding-set=${kept}`, `--inh-caps=${kept}`, `--ambient-caps=${kept}`, "--"],
    ...qemu,
  ];
}

function whyNoUsers(stateDirectory: string, ids: GuestIds): string | undefined {
  if (process.getuid?.() !== 0) return "the agent does not run as root";
  const isThere = PROGRAM_PATHS.some((each) => isExecutable(path.join(each, PROGRAM)));
  if (!isThere) return `${PROGRAM} is not installed (Debian: util-linux)`;
  const { firstId } = ids.ofImages;
  const probe = path.join(stateDirectory, `ids-probe.${process.pid}`);
  try {
    mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
    writeFileSync(probe, "");
    chownSync(probe, firstId, firstId);
    return undefined;
  } catch {
    return `user id ${firstId} cannot be given to a file of ${stateDirectory}`;
  } finally {
    rmSync(probe, { force: true });
  }
}

/** Group that may use the device where not everybody may. */
function kvmGroup(): number | undefined {
  const { mode = 0, gid = 0 } = statSync(KVM, { throwIfNoEntry: false }) ?? {};
  const isForGroup = (mode & 0o066) === 0o060 && gid !== 0;
  return isForGroup ? gid : undefined;
}

/** Ports that only root may open lead to guests all the same: the cluster has decided that. */
function needsLowPort({ network }: Pick<CopyLaunch, "network">): boolean {
  const freeFrom = firstFreePort();
  return (network?.forwards ?? []).some(({ hostPort }) => hostPort < freeFrom);
}

function firstFreePort(): number {
  try {
    return Number(readFileSync(FREE_PORTS_FILE, "utf8"));
  } catch {
    return 1024;
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
