/**
 * The leader lease beside a {@link MemoryDisk}: the same truth for everyone who has the disk open.
 */
import type { Clock } from "../ports/clock.js";
import type { LeaderLease, LeaderTerm } from "../ports/leader-lease.js";
import type { MemoryDisk } from "./memory-state-store.js";

export class MemoryLeaderLease implements LeaderLease {
  readonly #disk: MemoryDisk;
  readonly #clock: Clock;

  constructor(options: { readonly disk: MemoryDisk; readonly clock: Clock }) {
    this.#disk = options.disk;
    this.#clock = options.clock;
  }

  acquire(holderId: string, ttlMs: number): Promise<LeaderTerm | undefined> {
    const { lease, state } = this.#disk;
    const monotonicMs = this.#clock.monotonicMs();
    if (!lease.mayGrant(holderId, monotonicMs)) return Promise.resolve(undefined);
    const term = { holderId, epoch: state.leaderEpoch + 1 };
    state.raiseLeaderEpoch(term.epoch);
    lease.grant(term, monotonicMs + ttlMs);
    return Promise.resolve(term);
  }

  renew(term: LeaderTerm, ttlMs: number): Promise<boolean> {
    const monotonicMs = this.#clock.monotonicMs();
    return Promise.resolve(this.#disk.lease.renew(term, { monotonicMs, ttlMs }));
  }

  release(term: LeaderTerm): Promise<void> {
    this.#disk.lease.release(term);
    return Promise.resolve();
  }
}
