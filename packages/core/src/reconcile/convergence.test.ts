import { describe, expect, it } from "vitest";
import type { MigrationProgress } from "../domain/copy.js";
import type { DomainError } from "../domain/errors.js";
import { forEachSeed, type Prng } from "../testing/prng.js";
import {
  beginConvergence,
  type Convergence,
  type ConvergencePolicy,
  nextConvergence,
  whyStalled,
} from "./convergence.js";

const MIB = 1024 ** 2;
const POLICY = { downtimeMsMax: 300, slowdownPercentMax: 0 };

describe("the downtime limit", () => {
  it("begins at 10 ms, or at the policy's when that is less", () => {
    expect(beginConvergence(POLICY).downtimeLimitMs).toBe(10);
    expect(beginConvergence({ ...POLICY, downtimeMsMax: 4 }).downtimeLimitMs).toBe(4);
  });

  it("stays while each round leaves less", () => {
    const limits = follow([400, 200, 100, 50, 25, 12].map(everySecond));
    expect(limits).toEqual([10, 10, 10, 10, 10, 10]);
  });

  it("is doubled after two rounds that did not help, up to the policy's", () => {
    const limits = follow(new Array(15).fill(400).map(everySecond));
    expect(limits).toEqual([10, 10, 10, 20, 20, 40, 40, 80, 80, 160, 160, 300, 300, 300, 300]);
  });

  it("stays while a round is seen at chance moments and its most still shrinks", () => {
    const seen = [400, 10, 300, 90, 250, 20, 220, 5, 180, 100, 150, 80];
    expect(follow(seen.map(everySecond)).at(-1)).toBe(10);
    const inVain = [400, 10, 300, 90, 250, 20, 240, 5, 250, 100, 230, 80, 250, 1, 1];
    expect(follow(inVain.map(everySecond)).at(-1)).toBeGreaterThan(10);
  });

  it("stays within one round, however long it is", () => {
    const samples = [1, 2, 3, 4, 5].map((second) =>
      progress({ rounds: 1, elapsedMs: second * 9e3 }),
    );
    expect(follow(samples)).toEqual([10, 10, 10, 10, 10]);
  });

  it("is tried for a while, however short the rounds are", () => {
    const samples = new Array(9)
      .fill(0)
      .map((_, at) => progress({ rounds: at, elapsedMs: at * 50 }));
    expect(follow(samples).at(-1)).toBe(10);
  });
});

describe("a stalled migration", () => {
  it("is told with its figures, once nothing more may be given up", () => {
    const stuck = new Array(40).fill(400).map(everySecond);
    const { error, at } = runTo(stuck, POLICY);
    expect(at).toBe(21);
    expect(error?.detail).toMatchObject({ kind: "precondition", reason: "MIGRATION_STALLED" });
    expect(error?.detail.message).toBe(
      "the guest writes 300 MiB/s of pages, 200 are sent: 400 MiB left at best after 22 rounds " +
        "(slowed down by 0 %, 300 ms allowed)",
    );
  });

  it("is not called so before the guest is slowed down as far as it may be", () => {
    const stuck = new Array(40).fill(400).map(everySecond);
    expect(runTo(stuck, { ...POLICY, slowdownPercentMax: 80 }).error).toBeUndefined();
    const slowed = stuck.map((each) => ({ ...each, slowdownPercent: 80 }));
    expect(runTo(slowed, { ...POLICY, slowdownPercentMax: 80 }).error).toBeDefined();
  });

  it("never is one whose rest shrinks; the limit never falls or leaves the policy (V1, V2)", () => {
    forEachSeed(300, (prng) => {
      const policy = { downtimeMsMax: prng.integer(1, 2000), slowdownPercentMax: 0 };
      const [sent, written] = [prng.integer(1, 1000), prng.integer(0, 1000)];
      const samples = copying(prng, { sent, written });
      let state = beginConvergence(policy);
      for (const sample of samples) {
        const next = nextConvergence(state, sample, policy);
        expect(next.downtimeLimitMs).toBeGreaterThanOrEqual(state.downtimeLimitMs);
        expect(next.downtimeLimitMs).toBeLessThanOrEqual(policy.downtimeMsMax);
        if (written < 0.8 * sent) expect(whyStalled(next, sample, policy)).toBeUndefined();
        state = next;
      }
      const isHopeless = written >= sent;
      if (isHopeless) expect(state.downtimeLimitMs).toBe(policy.downtimeMsMax);
    });
  });
});

/** What a source tells that sends and writes so many MiB a second, looked at now and then. */
function copying(prng: Prng, { sent, written }: { sent: number; written: number }) {
  const wholeMib = prng.integer(64, 4096);
  const samples: MigrationProgress[] = [];
  let [leftMib, elapsedMs] = [wholeMib, 0];
  for (let rounds = 1; rounds < 60 && leftMib > 1; rounds += 1) {
    const roundMs = (leftMib * 1000) / sent;
    samples.push(progress({ rounds, elapsedMs, remainingBytes: leftMib * MIB }));
    leftMib = Math.min(wholeMib, (written * roundMs) / 1000);
    elapsedMs += Math.max(roundMs, 250);
  }
  return samples;
}

function everySecond(leftMib: number, at: number): MigrationProgress {
  return progress({ rounds: at + 1, elapsedMs: at * 1000, remainingBytes: leftMib * MIB });
}

function progress(overrides: Partial<MigrationProgress>): MigrationProgress {
  return {
    transferredBytes: 0,
    remainingBytes: 400 * MIB,
    totalBytes: 4096 * MIB,
    elapsedMs: 0,
    engineDowntimeMs: undefined,
    bytesPerSecond: 200 * MIB,
    dirtyBytesPerSecond: 300 * MIB,
    ...overrides,
  };
}

function follow(samples: readonly MigrationProgress[]): number[] {
  let state = beginConvergence(POLICY);
  return samples.map((sample) => {
    state = nextConvergence(state, sample, POLICY);
    return state.downtimeLimitMs;
  });
}

function runTo(
  samples: readonly MigrationProgress[],
  policy: ConvergencePolicy,
): { readonly error: DomainError | undefined; readonly at: number } {
  let state: Convergence = beginConvergence(policy);
  for (const [at, sample] of samples.entries()) {
    state = nextConvergence(state, sample, policy);
    const error = whyStalled(state, sample, policy);
    if (error !== undefined) return { error, at };
  }
  return { error: undefined, at: -1 };
}
