/**
 * Fresh identity and randomness, as a port, so that a seed decides them in simulation. Contract:
 * `testing/contracts/id-source.contract.ts`.
 */
export interface IdSource {
  /** A random UUID (version 4), never given before. */
  uuid(): string;
  /** An integer in 0 .. 2^32 - 1. */
  random32(): number;
}
