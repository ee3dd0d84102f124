/**
 * The simulator as a test: many seeds, found bugs, determinism, and proof that the checkers look.
 */
import { describe, expect, it } from "vitest";
import { Violation } from "./checkers/checker.js";
import { PLANTED_BUGS, type PlantedBug } from "./planted-bugs.js";
import { REGRESSIONS } from "./regressions.js";
import { repeatCommand, runSeed, type SeedResult } from "./run-seed.js";

const SEED_COUNT = 100;
const SEEDS_AT_ONCE = 10;
/** A planted bug must show within this many seeds. */
const CANARY_SEEDS_MAX = 25;

describe("a simulated cluster", () => {
  for (let first = 1; first <= SEED_COUNT; first += SEEDS_AT_ONCE) {
    const last = first + SEEDS_AT_ONCE - 1;
    it(`keeps every invariant and becomes well again: seeds ${first} to ${last}`, async () => {
      for (let seed = first; seed <= last; seed += 1) expectPassed(await runSeed(seed));
    });
  }

  for (const { seed, bug } of REGRESSIONS) {
    it(`does not have this bug again: ${bug}`, async () => {
      expectPassed(await runSeed(seed));
    });
  }

  it("does the same again with the same seed, and something else with another", async () => {
    const hashes = new Set<string>();
    for (const seed of [1, 2, 3]) {
      const first = await runSeed(seed);
      const second = await runSeed(seed);
      expect(second).toEqual(first);
      hashes.add(first.hash);
    }
    expect(hashes.size).toBe(3);
  });
});

describe("a planted bug is seen", () => {
  for (const bug of Object.keys(PLANTED_BUGS) as PlantedBug[]) {
    const invariant = PLANTED_BUGS[bug];
    it(`by the checker of ${invariant}: ${bug}`, async () => {
      expect(await firstViolation(bug)).toBe(invariant);
    });
  }
});

async function firstViolation(plantedBug: PlantedBug): Promise<string> {
  for (let seed = 1; seed <= CANARY_SEEDS_MAX; seed += 1) {
    const { failure } = await runSeed(seed, { plantedBug });
    if (failure instanceof Violation) return failure.invariant;
    if (failure !== undefined) throw failure;
  }
  return "none";
}

function expectPassed({ seed, failure }: SeedResult): void {
  if (failure === undefined) return;
  throw new Error(`${failure.message}\nrepeat with: ${repeatCommand(seed)}`, { cause: failure });
}
