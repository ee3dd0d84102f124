/**
 * Gets, keeps and loses the leader lease. Losing it is safe however late it is noticed, because the
 * store refuses the writes of a term that is over (I4); so a renewal that fails ends the term only
 * when its time has really run out.
 */
import {
  type Clock,
  type LeaderLease,
  type LeaderTerm,
  type Logger,
  toDomainError,
} from "@innkeeper/core";

/** Renewals within one lease; also bounds how long a lost lease goes unnoticed. */
const RENEWALS_PER_LEASE = 3;
/** Pause between looks of a controller that waits for its turn. */
const POLL_MS_MAX = 250;

export interface LeadershipParts {
  readonly lease: LeaderLease;
  readonly clock: Clock;
  readonly log: Logger;
  readonly holderId: string;
  readonly ttlMs: number;
  readonly onBegin: (term: LeaderTerm) => void;
  readonly onEnd: () => void;
}

export class Leadership {
  #term: LeaderTerm | undefined;
  /** Monotonic time until which the lease holds for certain. */
  #heldUntilMs = 0;
  #isStopped = false;
  #cancelNext: () => void = () => undefined;

  constructor(private readonly parts: LeadershipParts) {}

  get term(): LeaderTerm | undefined {
    return this.#term;
  }

  /** Tries at once, then for ever. */
  async start(): Promise<void> {
    await this.#turn();
  }

  /** The store has refused the term: it is over. */
  end(term: LeaderTerm): void {
    if (this.#term === term) this.#end();
  }

  /** The holder's process is surely gone: its lease need not run out. */
  async depose(gone: LeaderTerm): Promise<void> {
    if (this.#isStopped || this.#term !== undefined) return;
    this.#cancelNext();
    await this.parts.lease.release(gone).catch((error: unknown) => {
      this.parts.log.warn({ error }, "the lease of a leader that is gone could not be released");
    });
    await this.#turn();
  }

  /**
   * Ends the term, if there is one, and tries for a new one: what this one knew can no longer be
   * trusted.
   */
  async renewTerm(): Promise<void> {
    const term = this.#term;
    if (this.#isStopped || term === undefined) return;
    this.#cancelNext();
    this.#end();
    await this.parts.lease.release(term).catch(() => undefined);
    await this.#turn();
  }

  /** Lets somebody else lead at once. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelNext();
    const term = this.#term;
    if (term === undefined) return;
    this.#end();
    await this.parts.lease.release(term);
  }

  async #turn(): Promise<void> {
    const { ttlMs } = this.parts;
    if (this.#term === undefined) await this.#acquire();
    else await this.#renew(this.#term);
    if (this.#isStopped) return;
    const renewalMs = ttlMs / RENEWALS_PER_LEASE;
    const nextMs = this.#term === undefined ? Math.min(renewalMs, POLL_MS_MAX) : renewalMs;
    this.#cancelNext = this.parts.clock.schedule(nextMs, () => void this.#turn());
  }

  async #acquire(): Promise<void> {
    const { lease, clock, log, holderId, ttlMs, onBegin } = this.parts;
    const askedMs = clock.monotonicMs();
    try {
      const term = await lease.acquire(holderId, ttlMs);
      if (term === undefined || this.#isStopped) return;
      this.#term = term;
      this.#heldUntilMs = askedMs + ttlMs;
      log.info({ leaderEpoch: term.epoch }, "this controller leads");
      onBegin(term);
    } catch (error) {
      log.warn({ reason: toDomainError(error).reason }, "the leader lease cannot be asked for");
    }
  }

  async #renew(term: LeaderTerm): Promise<void> {
    const { lease, clock, log, ttlMs } = this.parts;
    const askedMs = clock.monotonicMs();
    let isHeld: boolean;
    try {
      isHeld = await lease.renew(term, ttlMs);
      if (isHeld) this.#heldUntilMs = askedMs + ttlMs;
    } catch (error) {
      log.warn({ reason: toDomainError(error).reason }, "the leader lease could not be renewed");
      isHeld = clock.monotonicMs() < this.#heldUntilMs;
    }
    if (!isHeld) this.end(term);
  }

  #end(): void {
    this.parts.log.warn({ leaderEpoch: this.#term?.epoch }, "this controller no longer leads");
    this.#term = undefined;
    this.parts.onEnd();
  }
}
