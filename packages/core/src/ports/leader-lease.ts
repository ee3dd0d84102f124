/**
 * The leader lease port. Contract suite: `testing/contracts/leader-lease.contract.ts`.
 *
 * L1 Each grant has a higher epoch than every grant before it, also across restarts.
 * L2 While a lease has not run out, nobody else is granted it.
 * L3 From the moment of a grant the store refuses lower epochs (S3).
 */
export interface LeaderTerm {
  readonly holderId: string;
  readonly epoch: number;
}

export interface LeaderLease {
  /**
   * Undefined while somebody else holds it. The same holder asking again while it holds is granted
   * a new epoch.
   */
  acquire(holderId: string, ttlMs: number): Promise<LeaderTerm | undefined>;
  /** False when the term is over: stop leading at once. */
  renew(term: LeaderTerm, ttlMs: number): Promise<boolean>;
  /** Lets somebody else lead at once. A no-op for a term that is over. */
  release(term: LeaderTerm): Promise<void>;
}
