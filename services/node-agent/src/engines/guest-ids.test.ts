import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CLAIM_AGE_MS, GuestIds, RANGE_IDS } from "./guest-ids.js";

const FIRST = 1_000_000;

let root: string;
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), "innkeeper-ids-"));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

describe("ranges of user ids", () => {
  it("are each one copy's, whichever agent asks, and none is the images'", () => {
    const [one, two] = [idsOf(5), idsOf(5)];
    const taken = [one.take(copy("a")), two.take(copy("b")), one.take(copy("c"))];
    taken.push(two.take(copy("d")));
    const firsts = taken.map(({ firstId }) => firstId).sort();
    expect(firsts).toEqual([1, 2, 3, 4].map((each) => FIRST + each * RANGE_IDS));
    expect(one.ofImages).toEqual({ firstId: FIRST, count: RANGE_IDS });
  });

  it("are the same for the same copy, as long as that has not let go of them", () => {
    const ids = idsOf(9);
    const range = ids.take(copy("a"));
    expect(ids.take(copy("a"))).toEqual(range);
    ids.free(range, copy("b"));
    expect(ids.take(copy("a"))).toEqual(range);
    expect(names()).toHaveLength(1);
    ids.free(range, copy("a"));
    expect(names()).toHaveLength(0);
  });

  it("can all be taken: then it says which setting gives more", () => {
    const ids = idsOf(2);
    const range = ids.take(copy("a"));
    expect(() => ids.take(copy("b"))).toThrow(/all 1 ranges .*INN_GUEST_ID_RANGES/);
    ids.free(range, copy("a"));
    expect(ids.take(copy("b"))).toEqual(range);
  });

  it("are known again by their first id, and nothing else is taken for one", () => {
    const ids = idsOf(3);
    const range = ids.take(copy("a"));
    expect(ids.rangeAt(range.firstId)).toEqual(range);
    const others = [0, FIRST, range.firstId + 1, FIRST - RANGE_IDS, FIRST + 3 * RANGE_IDS];
    for (const other of others) expect(ids.rangeAt(other)).toBeUndefined();
  });

  it("are free again when their copy is gone and was not made just now", () => {
    const ids = idsOf(9);
    mkdirSync(copy("there"));
    for (const name of ["there", "gone"]) ids.take(copy(name));
    ids.sweep(Date.now());
    expect(names()).toHaveLength(2);
    ids.sweep(Date.now() + CLAIM_AGE_MS + 1000);
    expect(names()).toHaveLength(1);
  });
});

function idsOf(ranges: number): GuestIds {
  return new GuestIds({ firstId: FIRST, ranges, claimsDirectory: path.join(root, "claims") });
}

function copy(name: string): string {
  return path.join(root, name);
}

function names(): string[] {
  return readdirSync(path.join(root, "claims"));
}
