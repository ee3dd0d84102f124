/** A copy: one incarnation of a guest on one node, named by guest uid and epoch. */

export interface CopyRef {
  /** UUID given by the controller. */
  readonly guestUid: string;
  /** Fencing number: only the copy with the guest's current epoch may run. */
  readonly epoch: number;
}

/** Why a copy ended. `guest-shutdown` is the only clean one. */
export const EXIT_REASONS = [
  "guest-shutdown",
  "guest-reset",
  "guest-panic",
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

export interface MigrationProgress {
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
