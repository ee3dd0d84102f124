/** What the leader's loops share. */
import type { Clock, CommitResult, IdSource, Logger, Transaction } from "@innkeeper/core";
import type { Mirror } from "../mirror/mirror.js";

export interface LoopContext {
  readonly mirror: Mirror;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Logger;
  readonly leader: Leader;
  /** Resolves when the mirror has seen the revision. */
  readonly mirrored: (revision: number) => Promise<void>;
}

/** The loops' only way to write: every transaction carries the leader's epoch (I4). */
export interface Leader {
  readonly epoch: number;
  commitAll(transactions: readonly Transaction[]): Promise<readonly CommitResult[]>;
}
