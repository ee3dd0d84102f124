/**
 * The leader lease of the embedded store. Epochs are durable; the lease itself is not, because
 * whoever has the store open knows that every earlier holder's process is gone: a restarted
 * controller leads at once.
 */
import { type LeaderLease, type LeaderTerm, LeaseState } from "@innkeeper/core";
import type { EmbeddedStateStore } from "./embedded-state-store.js";

/** The one lease of this store. */
export function createEmbeddedLeaderLease(store: EmbeddedStateStore): LeaderLease {
  return new EmbeddedLeaderLease(store);
}

class EmbeddedLeaderLease implements LeaderLease {
  readonly #store: EmbeddedStateStore;
  readonly #lease = new LeaseState();

  constructor(store: EmbeddedStateStore) {
    this.#store = store;
  }

  acquire(holderId: string, ttlMs: number): Promise<LeaderTerm | undefined> {
    return new Promise((resolve) => {
      const { clock } = this.#store;
      if (!this.#lease.mayGrant(holderId, clock.monotonicMs())) {
        resolve(undefined);
        return;
      }
      const term = { holderId, epoch: this.#store.grantLeaderEpoch() };
      this.#lease.grant(term, clock.monotonicMs() + ttlMs);
      resolve(term);
    });
  }

  renew(term: LeaderTerm, ttlMs: number): Promise<boolean> {
    const monotonicMs = this.#store.clock.monotonicMs();
    return Promise.resolve(this.#lease.renew(term, { monotonicMs, ttlMs }));
  }

  release(term: LeaderTerm): Promise<void> {
    this.#lease.release(term);
    return Promise.resolve();
  }
}
