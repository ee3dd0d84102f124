/**
 * The event log port: the store's change log told for people, kept for longer than the store keeps
 * it. The store stays the truth: nothing that decides reads events. Contract suite:
 * `testing/contracts/event-log.contract.ts`.
 *
 * E1 An event is in the log once, however often and by whomever its commit is appended.
 * E2 Events are in the order of their revisions, and no commit is left out: an append that would
 *    leave a hole is refused.
 * E3 An append that fails may have been done in part; the next one completes it.
 * E4 `read` gives whole commits, in order, none left out after the revision, or says `compacted`.
 * E5 Every event up to `newestRevision` is in the log, was forgotten with age, or is named missing
 *    by a gap event (subject kind `log`) that was appended like any other.
 */
import type { Revision } from "./state-store.js";

/** Something that changed. */
export interface ClusterEvent {
  readonly revision: Revision;
  readonly atMs: number;
  /** A kind of record, or `log` for what is told about the log itself. */
  readonly subjectKind: string;
  readonly subjectId: string;
  /** Empty where there is none. */
  readonly projectId: string;
  /** UPPER_SNAKE. */
  readonly reason: string;
  readonly message: string;
}

/** All events of one commit, at least one. */
export interface EventBatch {
  readonly revision: Revision;
  readonly events: readonly ClusterEvent[];
}

export interface EventPage {
  readonly batches: readonly EventBatch[];
  /** Read after this revision next; the revision asked for when there was nothing. */
  readonly lastRevision: Revision;
}

export interface EventHistory {
  /**
   * Events of the commits after a revision, about `eventsMax` of them: commits are never split.
   * Revision 0 = from the oldest kept. @throws `unavailable` or `timeout` when it is not reached.
   */
  read(after: Revision, eventsMax: number): Promise<EventPage | "compacted">;
  /** The lowest revision that `read` can start after now. */
  oldestRevision(): Promise<Revision>;
}

export interface EventAppend {
  /**
   * No commit between this revision and the first batch has events: the batch before it, or what
   * `newestRevision` said.
   */
  readonly after: Revision;
  /** In the order of their revisions. */
  readonly batches: readonly EventBatch[];
}

export interface EventLog extends EventHistory {
  /** 0 when the log holds nothing (any more). @throws as `read`. */
  newestRevision(): Promise<Revision>;
  /**
   * Resolves when all of it is kept. @throws `conflict` when something after `after` is not in the
   * log, or somebody else appends at the same time: begin again at `newestRevision`; otherwise as
   * `read`.
   */
  append(request: EventAppend): Promise<void>;
}
