/** A copy: one incarnation of a guest on one node, named by guest uid and epoch. */
import type { GuestLimits } from "./limits.js";

export interface CopyRef {
  /** UUID given by the controller. */
  readonly guestUid: string;
  /** Fencing number: only the copy with the guest's current epoch may run. */
  readonly epoch: number;
}

/**
 * Why a copy ended. `guest-shutdown` is the only clean one. `guest-exit`: a container's first
 * process failed. `out-of-memory`: the guest took more memory than it has and was ended for it.
 * `boot-timeout`: it did not come up in the time that its image gives it.
 */
export const EXIT_REASONS = [
  "guest-shutdown",
  "guest-reset",
  "guest-panic",
  "guest-exit",
  "out-of-memory",
  "boot-timeout",
  "destroyed",
  "killed",
  "engine-error",
  "incoming-failed",
] as const;
export type ExitReason = (typeof EXIT_REASONS)[number];

export interface CopyExit {
  readonly reason: ExitReason;
  /** One sentence with what is known: signal, exit code, last line of the engine's error output. */
  readonly message: string;
}

/** What a copy was launched with: as long as it lives, it can have less but never more. */
export interface LaunchSize {
  readonly vcpuCount: number;
  readonly memoryMib: number;
}

/** What a running copy may use; never more than it was launched with. */
export interface CopyResources {
  readonly cpuMillis: number;
  readonly memoryMib: number;
  /** Absent = none. */
  readonly limits?: GuestLimits;
}

/** What a running copy takes of its host, as the host counts it. */
export interface CopyUsage {
  /** CPU time since the copy was launched; begins anew with each copy. */
  readonly cpuMs: number;
  /** Memory of the host that the copy holds. */
  readonly memoryMib: number;
  /** Pages that the guest writes to, measured now and then; absent = not yet, or nobody can. */
  readonly dirtyBytesPerSecond?: number;
}

/** What a node read of one of its guests. */
export interface UsageReading extends CopyUsage {
  readonly guestUid: string;
  /** On the agent's monotonic clock: says only how much time lies between two readings. */
  readonly readAtMs: number;
}

export interface MigrationProgress extends Partial<MigrationRates> {
  readonly transferredBytes: number;
  readonly remainingBytes: number;
  readonly totalBytes: number;
  readonly elapsedMs: number;
  /**
   * Set when the stream has been sent: how long the engine says the guest stood still, without the
   * handover.
   */
  readonly engineDowntimeMs: number | undefined;
}

/** How a migration goes. Unknown in records of old, and before the first bytes. */
export interface MigrationRates {
  /** What the stream carries now. */
  readonly bytesPerSecond: number;
  /** What the guest writes now, counted in whole pages. */
  readonly dirtyBytesPerSecond: number;
  /** Times that all of the memory, or all that was written since, has been gone through. */
  readonly rounds: number;
  /** How long it may stand still for the last bytes now. */
  readonly downtimeLimitMs: number;
  /** How far it is slowed down now. */
  readonly slowdownPercent: number;
}

export const MIGRATION_RATES = [
  "bytesPerSecond",
  "dirtyBytesPerSecond",
  "rounds",
  "downtimeLimitMs",
  "slowdownPercent",
] as const satisfies readonly (keyof MigrationRates)[];
