import { describe, expect, it } from "vitest";
import { forEachSeed, forEachSeedAsync, Prng } from "./prng.js";

describe("Prng", () => {
  it("gives the same numbers on every machine", () => {
    const prng = new Prng(42);
    const drawn = Array.from({ length: 4 }, () => prng.next32());
    expect(drawn).toEqual(Array.from({ length: 4 }, draw(new Prng(42))));
    expect(drawn).toMatchInlineSnapshot(`
      [
        1959603763,
        2423114712,
        2466933512,
        4144396390,
      ]
    `);
  });

  it("gives different numbers for seeds that differ in their high bits only", () => {
    const firsts = [0, 1, 2 ** 32, 2 ** 33, 2 ** 33 + 1, -1].map((seed) => new Prng(seed).next32());
    expect(new Set(firsts).size).toBe(firsts.length);
  });

  it("draws both bounds of a range and nothing outside", () => {
    const prng = new Prng(1);
    const drawn = new Set(Array.from({ length: 500 }, () => prng.integer(-2, 2)));
    expect([...drawn].sort((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2]);
  });

  it("shuffles into a new array with the same items, each order as likely", () => {
    const prng = new Prng(3);
    const items = ["a", "b", "c"];
    const orders = new Map<string, number>();
    for (let draws = 0; draws < 6000; draws += 1) {
      const order = prng.shuffle(items).join("");
      orders.set(order, (orders.get(order) ?? 0) + 1);
    }
    expect(items).toEqual(["a", "b", "c"]);
    expect(orders.size).toBe(6);
    for (const count of orders.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });

  it("never chances with probability 0 and always with 1", () => {
    const prng = new Prng(5);
    for (let draws = 0; draws < 1000; draws += 1) {
      expect(prng.chance(0)).toBe(false);
      expect(prng.chance(1)).toBe(true);
    }
  });

  it("forks a generator whose draws do not disturb its parent", () => {
    const [left, right] = [new Prng(9), new Prng(9)];
    const fork = left.fork();
    right.fork();
    for (let draws = 0; draws < 10; draws += 1) fork.next32();
    expect(left.next32()).toBe(right.next32());
  });
});

describe("forEachSeed", () => {
  it("names the seed that failed and keeps the cause", async () => {
    const cause = new Error("odd");
    const failAtThree = (_: Prng, seed: number): void => {
      if (seed === 3) throw cause;
    };
    const expected = expect.objectContaining({ message: "failed with seed 3: odd", cause });
    expect(() => forEachSeed(5, failAtThree)).toThrow(expected);
    const check = (prng: Prng, seed: number) =>
      Promise.resolve().then(() => failAtThree(prng, seed));
    await expect(forEachSeedAsync(5, check)).rejects.toEqual(expected);
  });
});

function draw(prng: Prng): () => number {
  return () => prng.next32();
}
