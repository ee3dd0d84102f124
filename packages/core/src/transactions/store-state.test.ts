import { describe, expect, it } from "vitest";
import type { RecordKey } from "../domain/record-keys.js";
import type { Revision, Transaction } from "../ports/state-store.js";
import { aProject, aTransaction } from "../testing/builders.js";
import { forEachSeed, type Prng } from "../testing/prng.js";
import { assertTransaction, isRemembered, REQUEST_KEPT_MS } from "./evaluate-transaction.js";
import { StoreState } from "./store-state.js";

const NAMES = ["a", "b", "c", "d"] as const;

describe("StoreState", () => {
  it("decides as a naive store does, one transaction after the other", () => {
    forEachSeed(300, (prng) => {
      const state = new StoreState();
      const naive = new NaiveStore();
      for (let count = 0; count < 40; count += 1) {
        const transaction = randomTransaction(prng);
        expect(state.apply(transaction, undefined).isCommitted).toBe(naive.apply(transaction));
        expect(seen(state)).toEqual(naive.seen());
      }
    });
  });

  it("is as it was at begin after a rollback, whatever the group did (T2)", () => {
    forEachSeed(300, (prng) => {
      const state = new StoreState();
      applySome(state, prng);
      const before = seen(state);
      state.begin();
      applySome(state, prng);
      state.rollback();
      expect(seen(state)).toEqual(before);
      state.begin();
      applySome(state, prng);
      const after = seen(state);
      state.keep();
      expect(seen(state)).toEqual(after);
    });
  });

  it("knows everything that a group has touched", () => {
    forEachSeed(200, (prng) => {
      const state = new StoreState();
      applySome(state, prng);
      const before = seen(state);
      state.begin();
      applySome(state, prng);
      const { records, counters } = state.touched();
      const touched = new Set<string>([...records, ...counters]);
      const after = seen(state);
      for (const key of changedKeys(before, after)) expect(touched).toContain(key);
      state.keep();
    });
  });

  it("goes on from what was loaded", () => {
    const state = new StoreState({
      revision: 7,
      leaderEpoch: 3,
      revisions: [["project/a", 5]],
      counters: [["c", 2]],
    });
    const result = state.apply(
      aTransaction({ checks: [{ key: "project/a", revision: 5 }] }),
      undefined,
    );
    expect(result).toMatchObject({ isCommitted: true, revision: 8 });
    expect(state.apply(aTransaction({ leaderEpoch: 2 }), undefined)).toMatchObject({
      cause: { why: "fenced", leaderEpoch: 3 },
    });
    expect(state.counterOf("c")).toBe(2);
  });

  it("lets no group nest, and nothing be taken back without one", () => {
    const state = new StoreState();
    expect(() => state.rollback()).toThrow("only a group");
    state.begin();
    expect(() => state.begin()).toThrow("do not nest");
  });

  it("never lowers the leader epoch", () => {
    const state = new StoreState();
    state.raiseLeaderEpoch(4);
    expect(() => state.raiseLeaderEpoch(4)).toThrow("higher than all before");
  });
});

describe("assertTransaction", () => {
  it.each<[string, Partial<Transaction>]>([
    ["puts a record twice", { puts: [put("a"), put("a")] }],
    ["puts and deletes a record", { puts: [put("a")], deletes: ["project/a"] }],
    ["deletes a record twice", { deletes: ["project/a", "project/a"] }],
    ["counts by a fraction", { counters: [{ key: "c", delta: 0.5, max: undefined }] }],
    ["counts to infinity", { counters: [{ key: "c", delta: 1, max: Number.POSITIVE_INFINITY }] }],
    ["has half an epoch", { leaderEpoch: 1.5 }],
  ])("refuses a transaction that %s", (_, parts) => {
    expect(() => assertTransaction(aTransaction(parts))).toThrow();
  });

  it("takes several changes of one counter", () => {
    const counters = [-1, 1].map((delta) => ({ key: "c", delta, max: 5 }));
    expect(() =>
      assertTransaction(aTransaction({ counters, deletes: ["project/a"] })),
    ).not.toThrow();
  });
});

it("remembers a request id for 24 hours, to the millisecond", () => {
  expect(isRemembered({ atMs: 1000 }, 1000 + REQUEST_KEPT_MS - 1)).toBe(true);
  expect(isRemembered({ atMs: 1000 }, 1000 + REQUEST_KEPT_MS)).toBe(false);
  expect(REQUEST_KEPT_MS).toBe(24 * 3_600_000);
});

interface Seen {
  readonly revision: Revision;
  readonly records: Readonly<Record<string, Revision>>;
  readonly counters: Readonly<Record<string, number>>;
}

function seen(state: StoreState): Seen {
  const records: Record<string, Revision> = {};
  for (const name of NAMES) {
    const revision = state.revisionOf(`project/${name}`);
    if (revision !== undefined) records[`project/${name}`] = revision;
  }
  return { revision: state.revision, records, counters: Object.fromEntries(state.counters) };
}

function changedKeys(before: Seen, after: Seen): string[] {
  const all = { ...before.records, ...after.records, ...before.counters, ...after.counters };
  const values = (one: Seen): Record<string, number> => ({ ...one.records, ...one.counters });
  return Object.keys(all).filter((key) => values(before)[key] !== values(after)[key]);
}

function applySome(state: StoreState, prng: Prng): void {
  for (let count = prng.integer(0, 10); count > 0; count -= 1) {
    state.apply(randomTransaction(prng), undefined);
  }
}

function put(name: string): Transaction["puts"][number] {
  return { key: `project/${name}`, value: aProject({ id: name }) };
}

function randomTransaction(prng: Prng): Transaction {
  const [first = "a", second = "b", third = "c"] = prng.shuffle(NAMES);
  const key: RecordKey = `project/${third}`;
  return aTransaction({
    checks: prng.chance(0.3)
      ? [{ key, revision: prng.pick(["absent" as const, prng.integer(1, 9)]) }]
      : [],
    puts: prng.chance(0.7) ? [put(first)] : [],
    deletes: prng.chance(0.3) ? [`project/${second}`] : [],
    counters: Array.from({ length: prng.integer(0, 3) }, () => ({
      key: prng.pick(["x", "y"]),
      delta: prng.integer(-4, 4),
      max: prng.pick([undefined, 3, 6]),
    })),
  });
}

/** The rules in the plainest words, with copies instead of bookkeeping. */
class NaiveStore {
  #revision = 0;
  #records: Record<string, Revision> = {};
  #counters: Record<string, number> = {};

  apply({ checks, puts, deletes, counters }: Transaction): boolean {
    if (checks.some(({ key, revision }) => (this.#records[key] ?? "absent") !== revision)) {
      return false;
    }
    const after = countAll(this.#counters, counters);
    if (after === undefined) return false;
    this.#revision += 1;
    const written = puts.map(({ key }) => [key, this.#revision] as const);
    const entries = Object.entries({ ...this.#records, ...Object.fromEntries(written) });
    const isKept = ([key]: [string, Revision]): boolean => !deletes.includes(key as RecordKey);
    this.#records = Object.fromEntries(entries.filter(isKept));
    this.#counters = after;
    return true;
  }

  seen(): Seen {
    const positive = Object.entries(this.#counters).filter(([, value]) => value > 0);
    return {
      revision: this.#revision,
      records: this.#records,
      counters: Object.fromEntries(positive),
    };
  }
}

function countAll(
  before: Readonly<Record<string, number>>,
  changes: Transaction["counters"],
): Record<string, number> | undefined {
  const after = { ...before };
  for (const { key, delta, max } of changes) {
    const value = (after[key] ?? 0) + delta;
    if (delta > 0 && max !== undefined && value > max) return undefined;
    after[key] = Math.max(0, value);
  }
  return after;
}
