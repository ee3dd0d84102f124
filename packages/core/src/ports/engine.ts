/**
 * The engine port: one hypervisor on one node. Contract suite:
 * `testing/contracts/engine.contract.ts`.
 *
 * E1 Guests outlive the process that launched them: after `kill -9` of the agent, `adopt` finds
 *    each copy again.
 * E2 A copy is named by (guestUid, epoch); both are ours (a UUID and an integer), so they are safe
 *    in paths.
 * E3 `destroy` is idempotent and complete: afterwards no process, socket or file of the copy
 *    exists.
 * E4 `launch` leaves nothing behind when it fails.
 * E5 A copy launched as incoming never executes a guest instruction before `resume`.
 * E6 The end of a copy is seen within a second, with its reason, also for adopted copies.
 */

import type { ConsoleGrant } from "../domain/console.js";
import type {
  CopyExit,
  CopyRef,
  CopyResources,
  CopyUsage,
  MigrationProgress,
} from "../domain/copy.js";
import type { ErrorDetail } from "../domain/errors.js";
import type { ExecOutput, ExecRequest } from "../domain/exec.js";
import type { DiskFormat } from "../domain/image.js";
import type { GuestLimits } from "../domain/limits.js";
import type { Mode, ModeAbility } from "../domain/mode.js";
import type { PortForward } from "../domain/network.js";
import type { SeedFile } from "../domain/seed.js";
import type { NodeTemplate } from "../domain/template.js";

/**
 * `kernel`: booted directly. `disk`: firmware boots the first disk. `rootfs`: a container's root
 * file system as a tar archive.
 */
export type BootSource =
  | {
      readonly kind: "kernel";
      readonly kernelPath: string;
      readonly initrdPath: string | undefined;
    }
  | { readonly kind: "disk" }
  | {
      readonly kind: "rootfs";
      readonly rootfsPath: string;
      readonly command: readonly string[];
      /** Its first process is systemd. */
      readonly isSystemd?: boolean;
    };

export interface CopyDisk {
  /** Unique among the disks of the copy: at most 25 of a-z, 0-9 and '-', made by us. */
  readonly name: string;
  readonly sizeMib: number;
  readonly path: string;
  readonly format: DiskFormat;
}

export interface LaunchNetwork {
  /** Undefined: the engine makes one from the guest's uid. */
  readonly macAddress?: string | undefined;
  /** Its address on the node's bridge; undefined: it is in a network of its own. */
  readonly ipAddress?: string | undefined;
  /** Undefined = none. */
  readonly forwards?: readonly PortForward[] | undefined;
}

/**
 * Everything needed to run one copy of a guest. Paths are absolute and made by us, never by a user.
 */
export interface CopyLaunch extends CopyRef {
  readonly mode: Mode;
  readonly vcpuCount: number;
  /** Share of the host's CPUs, from the first instruction on, where the engine can limit it. */
  readonly cpuMillis: number;
  /** As long as the copy lives, it can have less but never more. */
  readonly memoryMib: number;
  /** From the first instruction on; absent = none. Those that mean nothing here are not kept. */
  readonly limits?: GuestLimits;
  readonly boot: BootSource & {
    /**
     * Kernel command line; may hold any printable character, so an engine must never split or
     * re-parse it.
     */
    readonly commandLine: string;
  };
  readonly network?: LaunchNetwork;
  /**
   * What it is told of itself: on a volume; where it has none to boot, by the firmware; a container
   * as files.
   */
  readonly seed?: readonly SeedFile[];
  /** What a container is called; machines take their name from what they are told. */
  readonly hostName?: string;
  /** What a container may write to its root file system; 0 or absent = what its node gives all. */
  readonly diskMib?: number;
  /** The guest's disks, in the order in which it sees them. */
  readonly disks: readonly CopyDisk[];
  /** It may begin from a template, if there is one of just this machine; absent = it boots. */
  readonly quickStart?: QuickStart;
  /** Its image runs the QEMU guest agent: an engine with virtual machines gives it a channel. */
  readonly hasGuestAgent?: boolean;
  /** True: wait, stopped, for a migration stream instead of booting. */
  readonly isIncoming: boolean;
  /** Begin as this snapshot, memory and all, instead of booting. Its disks are so already. */
  readonly restore?: CopySnapshot;
}

/** What a copy that begins from a template has to be told, and what its template is known by. */
export interface QuickStart {
  /** See `canonicalManifest`. */
  readonly manifest: string;
  readonly hostName: string;
  /** The guest's own part of the command line. */
  readonly commandLine: string;
}

/** A snapshot of a copy. */
export interface CopySnapshot {
  /** UUID. */
  readonly uid: string;
  /** Where its memory is, or goes: a qcow2 file made by us; undefined = without memory. */
  readonly statePath: string | undefined;
}

/**
 * `incoming`: waits for or receives a stream. `received`: the whole stream has arrived, vCPUs
 * stopped. `sent`: the whole state has been sent elsewhere, vCPUs stopped; `resume` takes it back.
 */
export type CopyRunState = "running" | "paused" | "incoming" | "received" | "sent" | "ended";

export interface MigrateOptions {
  /** Address given by the target's `listen`. */
  readonly uri: string;
  readonly downtimeMsMax: number;
  /** How far the guest may be slowed down, in percent; 0 = not at all. */
  readonly slowdownPercentMax: number;
  readonly onProgress: (progress: MigrationProgress) => void;
}

/**
 * A handle on one copy. All methods reject with `DomainError`; after the end they reject with kind
 * `precondition`.
 */
export interface EngineCopy {
  readonly ref: CopyRef;
  readonly pid: number | undefined;
  runState(): Promise<CopyRunState>;
  /** Resolves once, when the copy has ended by itself or by `destroy`; never rejects. */
  readonly ended: Promise<CopyExit>;
  /**
   * Calls the listener whenever `runState` may have changed by itself: a stream arrived, the engine
   * stopped the guest.
   */
  onChange(listener: () => void): void;
  /**
   * Why the guest stands still though it is `running`: it goes on by itself when that has passed.
   * Undefined or absent = it does not.
   */
  readonly trouble?: ErrorDetail | undefined;
  /** Calls the listener whenever `trouble` has changed. */
  onTrouble?(listener: () => void): void;
  /** Stops the vCPUs, keeps memory. Idempotent. */
  pause(): Promise<void>;
  /** Runs the vCPUs. Idempotent. Takes a `sent` copy back and starts a `received` one. */
  resume(): Promise<void>;
  /**
   * Resolves when the limits hold and the guest has given back what it must. Idempotent.
   * @throws `precondition`: NO_LIVE_RESIZE when this engine, mode or host cannot, or the amount is
   * more than the copy was launched with; MEMORY_NOT_GIVEN_BACK when the guest does not in time.
   */
  setResources(resources: CopyResources): Promise<void>;
  /**
   * Resolves when the copy has exactly these disks, at least as large; those that it has are known
   * by their names. The first stays. Files that are smaller are made larger. Idempotent.
   * @throws `precondition`: NO_LIVE_RESIZE when this mode cannot attach; DISK_IN_USE when the guest
   * does not let go of one in time.
   */
  setDisks(disks: readonly CopyDisk[]): Promise<void>;
  /**
   * Resolves when all disks hold the snapshot, of one moment. The guest stands still while its
   * memory is written. One of this name that is there already is an error.
   * @throws `precondition` (NO_SNAPSHOTS) when this engine or mode cannot.
   */
  takeSnapshot(snapshot: CopySnapshot): Promise<void>;
  /** Removes what any disk holds of it. Idempotent. */
  removeSnapshot(uid: string): Promise<void>;
  /** What it takes now; undefined when it has ended or nobody knows. */
  usage(): Promise<CopyUsage | undefined>;
  /** Asks the guest to power off; resolves when asked, not when done (see `ended`). */
  requestShutdown(): Promise<void>;
  /** Ends the copy at once and removes all that belongs to it. Idempotent. */
  destroy(): Promise<void>;
  /** On an `incoming` copy: opens the receiving end and returns its address. Idempotent. */
  listen(): Promise<string>;
  /**
   * Sends the running copy to `uri`; resolves when this copy is `sent`. Rejects, copy running
   * again, when it fails or is cancelled. @throws `precondition` (MIGRATION_STALLED) when it writes
   * faster than its memory can be sent, whatever the policy allows.
   */
  migrate(options: MigrateOptions): Promise<MigrationProgress>;
  /** Cancels a running `migrate`; a no-op when none runs. */
  cancelMigration(): Promise<void>;
  /**
   * Console bytes from `offset` on, at most `bytesMax`; `nextOffset` continues. Serial output is
   * kept in a bounded log.
   */
  readConsole(offset: number, bytesMax: number): Promise<{ bytes: Uint8Array; nextOffset: number }>;
  /**
   * The way in to the guest's console. One at a time is open, by the caller's care. @throws
   * `precondition` (NO_CONSOLE_INPUT).
   */
  openConsole(): Promise<ConsoleInput>;
  /**
   * Runs a command inside the running guest, with the guest's own limits and rights. Yields what it
   * prints, as slowly as it is read, then `exit`. When the signal aborts or the reader leaves, the
   * command is ended.
   * @throws `precondition`: NO_GUEST_AGENT, GUEST_AGENT_SILENT, COMMAND_NOT_STARTED; `timeout`
   * (EXEC_TIMED_OUT) when it did not end in time and was ended.
   */
  exec(request: ExecRequest, signal: AbortSignal): AsyncIterable<ExecOutput>;
}

export interface ConsoleInput extends ConsoleGrant {
  /** Resolves when the bytes are on their way; a guest that reads nothing lets it wait. */
  write(bytes: Uint8Array): Promise<void>;
  /** What was written still arrives. Idempotent. */
  close(): void;
}

export interface Engine {
  /**
   * Finds out what this engine can do on this host, by running a guest where that matters. Empty
   * with reason when it cannot work.
   */
  probe(): Promise<EngineProbe>;
  /** Resolves when the copy's vCPUs run (or, if incoming, when it is ready to `listen`). */
  launch(launch: CopyLaunch): Promise<EngineCopy>;
  /**
   * Takes over a copy left by an earlier agent process; undefined when no such copy lives (its
   * leftovers are then removed).
   */
  adopt(ref: CopyRef): Promise<EngineCopy | undefined>;
  /** Every copy of which anything exists on this host: processes, directories. */
  list(): Promise<readonly CopyRef[]>;
  /**
   * What guests can begin from, and who hears of changes; absent = the engine has no templates. A
   * copy that asks for a quick start and finds none boots, and has one made.
   */
  readonly templates?: EngineTemplates | undefined;
  /** Lets go of all handles without touching the guests; called at agent shutdown. */
  close(): Promise<void>;
}

export interface EngineTemplates {
  list(): readonly NodeTemplate[];
  onChange(listener: () => void): void;
}

export interface EngineProbe {
  readonly abilities: readonly ModeAbility[];
  /** One sentence for each thing that does not work here, and why. */
  readonly problems: readonly string[];
}
