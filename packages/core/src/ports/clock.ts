/**
 * Time, as a port. The only way to read or wait for time in code that decides. Contract:
 * `testing/contracts/clock.contract.ts`.
 */
export interface Clock {
  /** Wall-clock time in epoch milliseconds; may jump. For records and people. */
  nowMs(): number;
  /** Monotonic milliseconds since an arbitrary start; for leases, deadlines and durations. */
  monotonicMs(): number;
  /**
   * Calls back once after `delayMs` (at least 0). The returned function cancels; cancelling twice
   * is harmless.
   */
  schedule(delayMs: number, callback: () => void): () => void;
}
