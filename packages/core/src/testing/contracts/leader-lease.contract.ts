/**
 * What every leader lease must do (ports/leader-lease.ts, L1 to L3). Time comes from a `FakeClock`.
 */
import { describe, expect, it } from "vitest";
import { assert } from "../../domain/assert.js";
import type { LeaderTerm } from "../../ports/leader-lease.js";
import { aTransaction } from "../builders.js";
import { forEachSeedAsync } from "../prng.js";
import { type OpenStore, StoreBench } from "./store-bench.js";

const TTL_MS = 3000;

export function leaderLeaseContract(name: string, open: OpenStore): void {
  describe(`leader lease contract: ${name}`, () => {
    const bench = new StoreBench(open, 100);
    describe("L1: epochs", () => epochsGrow(bench));
    describe("L2: one holder", () => oneHolds(bench));
    describe("L2: ends of a term", () => termsEnd(bench));
    describe("L3: the fence", () => fences(bench));
    it("never has two holders, whatever happens (L1, L2)", async () => {
      await forEachSeedAsync(20, async (prng) => {
        const model = new LeaseModel(bench);
        for (let step = 0; step < 60; step += 1) {
          await bench.clock.advance(prng.integer(0, TTL_MS));
          const act = prng.pick(["acquire", "renew", "release"] as const);
          await model[act](prng.pick(["one", "two", "three"]));
        }
        await model.release();
      });
    });
  });
}

function epochsGrow(bench: StoreBench): void {
  it("grants each term a higher epoch than every term before", async () => {
    const first = await acquire(bench, "one");
    await bench.lease.release(first);
    const second = await acquire(bench, "two");
    const third = await acquire(bench, "two");
    expect(first.epoch).toBeGreaterThan(0);
    expect(second.epoch).toBeGreaterThan(first.epoch);
    expect(third.epoch).toBeGreaterThan(second.epoch);
  });

  it("grants higher epochs also after a restart", async () => {
    const before = await acquire(bench, "one");
    await bench.subject.reopen();
    await bench.clock.advance(TTL_MS);
    expect((await acquire(bench, "two")).epoch).toBeGreaterThan(before.epoch);
  });
}

function oneHolds(bench: StoreBench): void {
  it("grants it to nobody else until the last millisecond of the lease", async () => {
    await acquire(bench, "one");
    await bench.clock.advance(TTL_MS - 1);
    expect(await bench.lease.acquire("two", TTL_MS)).toBeUndefined();
    await bench.clock.advance(1);
    expect(await bench.lease.acquire("two", TTL_MS)).toMatchObject({ holderId: "two" });
  });

  it("does not count a jump of the wall clock", async () => {
    await acquire(bench, "one");
    bench.clock.shiftWallClock(10 * TTL_MS);
    expect(await bench.lease.acquire("two", TTL_MS)).toBeUndefined();
  });

  it("counts a renewed lease from the renewal on", async () => {
    const term = await acquire(bench, "one");
    await bench.clock.advance(TTL_MS - 1);
    expect(await bench.lease.renew(term, TTL_MS)).toBe(true);
    await bench.clock.advance(TTL_MS - 1);
    expect(await bench.lease.acquire("two", TTL_MS)).toBeUndefined();
    expect(await bench.lease.renew(term, TTL_MS)).toBe(true);
  });

  it("grants it to one of many who ask at once", async () => {
    const asked = Array.from({ length: 20 }, (_, index) =>
      bench.lease.acquire(`holder-${index}`, TTL_MS),
    );
    const granted = (await Promise.all(asked)).filter((term) => term !== undefined);
    expect(granted).toHaveLength(1);
  });
}

function termsEnd(bench: StoreBench): void {
  it("does not renew a term that ran out, even when nobody took over", async () => {
    const term = await acquire(bench, "one");
    await bench.clock.advance(TTL_MS);
    expect(await bench.lease.renew(term, TTL_MS)).toBe(false);
  });

  it("ends a holder's earlier term when it asks again", async () => {
    const earlier = await acquire(bench, "one");
    const later = await acquire(bench, "one");
    expect(await bench.lease.renew(earlier, TTL_MS)).toBe(false);
    expect(await bench.lease.renew(later, TTL_MS)).toBe(true);
  });

  it("lets somebody else lead at once after a release", async () => {
    await bench.lease.release(await acquire(bench, "one"));
    expect(await bench.lease.acquire("two", TTL_MS)).toMatchObject({ holderId: "two" });
  });

  it("takes the release of a term that is over as nothing", async () => {
    const old = await acquire(bench, "one");
    await bench.lease.release(old);
    const present = await acquire(bench, "two");
    await bench.lease.release(old);
    expect(await bench.lease.acquire("three", TTL_MS)).toBeUndefined();
    expect(await bench.lease.renew(present, TTL_MS)).toBe(true);
  });
}

function fences(bench: StoreBench): void {
  it("lets the store refuse the old leader from the moment of the grant", async () => {
    const old = await acquire(bench, "one");
    expect(await commitAs(bench, old)).toBe(true);
    await bench.clock.advance(TTL_MS);
    const present = await acquire(bench, "two");
    expect(await commitAs(bench, old)).toBe(false);
    expect(await commitAs(bench, present)).toBe(true);
  });

  it("keeps the old leader's right to write while nobody else was granted it", async () => {
    const term = await acquire(bench, "one");
    await bench.clock.advance(10 * TTL_MS);
    expect(await commitAs(bench, term)).toBe(true);
  });
}

/** Who must hold the lease, computed in the simplest way. */
class LeaseModel {
  readonly #bench: StoreBench;
  #term: LeaderTerm | undefined;
  #untilMs = 0;
  #epochMax = 0;

  constructor(bench: StoreBench) {
    this.#bench = bench;
  }

  async acquire(who: string): Promise<void> {
    const isHeldByOther = this.#isHeld() && this.#term?.holderId !== who;
    const term = await this.#bench.lease.acquire(who, TTL_MS);
    expect(term !== undefined).toBe(!isHeldByOther);
    if (term === undefined) return;
    expect(term.epoch).toBeGreaterThan(this.#epochMax);
    this.#epochMax = term.epoch;
    this.#term = term;
    this.#untilMs = this.#nowMs() + TTL_MS;
  }

  async renew(): Promise<void> {
    if (this.#term === undefined) return;
    const isRenewed = await this.#bench.lease.renew(this.#term, TTL_MS);
    expect(isRenewed).toBe(this.#isHeld());
    if (isRenewed) this.#untilMs = this.#nowMs() + TTL_MS;
  }

  async release(): Promise<void> {
    if (this.#term !== undefined) await this.#bench.lease.release(this.#term);
    this.#term = undefined;
  }

  #isHeld(): boolean {
    return this.#term !== undefined && this.#untilMs > this.#nowMs();
  }

  #nowMs(): number {
    return this.#bench.clock.monotonicMs();
  }
}

async function acquire(bench: StoreBench, holderId: string): Promise<LeaderTerm> {
  const term = await bench.lease.acquire(holderId, TTL_MS);
  assert(term !== undefined, `${holderId} was granted the lease`);
  return term;
}

async function commitAs(bench: StoreBench, term: LeaderTerm): Promise<boolean> {
  const result = await bench.store.commit(aTransaction({ leaderEpoch: term.epoch }));
  return result.isCommitted;
}
