/**
 * What an agent must not forget: the newest assignment of each guest, the highest epochs seen.
 * Contract suite: `testing/contracts/agent-journal.contract.ts`.
 *
 * J1 What `put` acknowledged is there after `kill -9`.
 * J2 An entry with desired state `absent` is kept as a tombstone until it is dropped.
 */
import type { GuestAssignment } from "../domain/assignment.js";
import type { CopyExit, LaunchSize } from "../domain/copy.js";
import type { ErrorDetail } from "../domain/errors.js";

export interface JournalEntry {
  readonly assignment: GuestAssignment;
  /**
   * Engine copy that may exist on this host: its epoch; undefined = none. Written before the
   * launch.
   */
  readonly launchedEpoch: number | undefined;
  /** What that copy was launched with; written before the launch. */
  readonly launchedWith: LaunchSize | undefined;
  /** `startCount` of the assignment under which the restarts below are counted. */
  readonly startCount: number;
  readonly restartCount: number;
  readonly restartsInARow: number;
  readonly startedAtMs: number | undefined;
  readonly lastExit: CopyExit | undefined;
  /** Set while no more starts are tried. */
  readonly failure: ErrorDetail | undefined;
  /** When the next start is due, while backing off. */
  readonly restartAtMs: number | undefined;
  /** The epoch whose copy has begun as a snapshot; absent = none. */
  readonly restoredEpoch?: number | undefined;
  /** The epoch whose copy has begun by booting, and is watched until it is up; absent = none. */
  readonly bootedEpoch?: number | undefined;
  readonly updatedAtMs: number;
}

export interface AgentJournal {
  load(): Promise<{ readonly leaderEpoch: number; readonly entries: readonly JournalEntry[] }>;
  /** Durable when it resolves. Many at once share one disk sync. */
  put(entries: readonly JournalEntry[]): Promise<void>;
  putLeaderEpoch(leaderEpoch: number): Promise<void>;
  drop(guestUids: readonly string[]): Promise<void>;
  close(): Promise<void>;
}
