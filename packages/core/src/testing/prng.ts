/**
 * Seeded randomness: the same seed gives the same numbers on every machine. Algorithm: sfc32,
 * seeded by splitmix32. Not for secrets.
 */
import { assert } from "../domain/assert.js";

const WARM_UP_ROUNDS = 12;

export class Prng {
  readonly #state: Uint32Array;

  constructor(seed: number) {
    assert(Number.isSafeInteger(seed), "a seed is a safe integer");
    this.#state = seedState(seed);
    for (let round = 0; round < WARM_UP_ROUNDS; round += 1) this.next32();
  }

  /** An integer in 0 .. 2^32 - 1. */
  next32(): number {
    const [a = 0, b = 0, c = 0, counter = 0] = this.#state;
    const result = (a + b + counter) >>> 0;
    this.#state[3] = counter + 1;
    this.#state[0] = b ^ (b >>> 9);
    this.#state[1] = c + (c << 3);
    this.#state[2] = ((c << 21) | (c >>> 11)) + result;
    return result;
  }

  /** A number in 0 .. 1, without 1. */
  fraction(): number {
    return this.next32() / 2 ** 32;
  }

  /** An integer from `min` to `max`, both possible. */
  integer(min: number, max: number): number {
    assert(min <= max, "integer: min is not above max");
    return min + Math.floor(this.fraction() * (max - min + 1));
  }

  /** True with this probability (0 .. 1). */
  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** One of the items, each as likely as the others. */
  pick<T>(items: readonly T[]): T {
    assert(items.length > 0, "pick: there is something to pick from");
    return items[this.integer(0, items.length - 1)] as T;
  }

  /** The items in random order, as a new array. */
  shuffle<T>(items: readonly T[]): T[] {
    const shuffled = [...items];
    for (let last = shuffled.length - 1; last > 0; last -= 1) {
      const other = this.integer(0, last);
      [shuffled[last], shuffled[other]] = [shuffled[other] as T, shuffled[last] as T];
    }
    return shuffled;
  }

  /** A generator of its own, so that draws here and there do not disturb each other. */
  fork(): Prng {
    return new Prng(this.next32());
  }
}

/** Runs the check once for each seed 1 .. `seedCount`; a failure names the seed. */
export function forEachSeed(seedCount: number, check: (prng: Prng, seed: number) => void): void {
  for (let seed = 1; seed <= seedCount; seed += 1) {
    try {
      check(new Prng(seed), seed);
    } catch (error) {
      throw failedAt(seed, error);
    }
  }
}

/** {@link forEachSeed} for checks that take time; one after the other. */
export async function forEachSeedAsync(
  seedCount: number,
  check: (prng: Prng, seed: number) => Promise<void>,
): Promise<void> {
  for (let seed = 1; seed <= seedCount; seed += 1) {
    try {
      await check(new Prng(seed), seed);
    } catch (error) {
      throw failedAt(seed, error);
    }
  }
}

function failedAt(seed: number, error: unknown): Error {
  const message = error instanceof Error ? error.message : String(error);
  return new Error(`failed with seed ${seed}: ${message}`, { cause: error });
}

function seedState(seed: number): Uint32Array {
  let mixed = seed >>> 0;
  const next = (): number => {
    mixed = (mixed + 0x9e3779b9) >>> 0;
    let z = mixed;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  const fromLow = next();
  mixed = (mixed ^ Math.floor(seed / 2 ** 32)) >>> 0;
  return Uint32Array.of(fromLow, next(), next(), 1);
}
