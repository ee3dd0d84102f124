/**
 * Who holds the leader lease until when: the rules L1 and L2 for stores that keep the lease in
 * memory.
 */
import type { LeaderTerm } from "../ports/leader-lease.js";

export class LeaseState {
  #current: (LeaderTerm & { readonly endsAtMs: number }) | undefined;

  /** False while somebody else holds it. */
  mayGrant(holderId: string, monotonicMs: number): boolean {
    const current = this.#current;
    if (current === undefined || current.holderId === holderId) return true;
    return current.endsAtMs <= monotonicMs;
  }

  /** Starts a term; the caller has made sure that its epoch is new (L1). */
  grant(term: LeaderTerm, endsAtMs: number): void {
    this.#current = { ...term, endsAtMs };
  }

  /** Prolongs the term unless it is over. */
  renew(
    term: LeaderTerm,
    times: { readonly monotonicMs: number; readonly ttlMs: number },
  ): boolean {
    const current = this.#current;
    if (current === undefined || !isSame(current, term)) return false;
    if (current.endsAtMs <= times.monotonicMs) return false;
    this.#current = { ...current, endsAtMs: times.monotonicMs + times.ttlMs };
    return true;
  }

  release(term: LeaderTerm): void {
    if (this.#current !== undefined && isSame(this.#current, term)) this.#current = undefined;
  }
}

function isSame(left: LeaderTerm, right: LeaderTerm): boolean {
  return left.epoch === right.epoch && left.holderId === right.holderId;
}
