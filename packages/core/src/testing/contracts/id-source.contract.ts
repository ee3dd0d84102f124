/** What every source of identity and randomness must do (ports/id-source.ts). */
import { describe, expect, it } from "vitest";
import { isUuid } from "../../domain/names.js";
import type { IdSource } from "../../ports/id-source.js";

const DRAWS = 5000;

export function idSourceContract(name: string, create: () => IdSource): void {
  describe(`id source contract: ${name}`, () => {
    it("gives UUIDs of version 4 that the domain accepts, never one twice", () => {
      const ids = create();
      const given = new Set(Array.from({ length: DRAWS }, () => ids.uuid()));
      expect(given.size).toBe(DRAWS);
      for (const uuid of given) {
        expect(isUuid(uuid)).toBe(true);
        expect(uuid).toMatch(/^.{14}4.{4}[89ab]/);
      }
    });

    it("gives integers over the whole range of 32 bits", () => {
      const ids = create();
      const drawn = Array.from({ length: DRAWS }, () => ids.random32());
      for (const value of drawn) {
        expect(Number.isInteger(value)).toBe(true);
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThan(2 ** 32);
      }
      for (let bit = 0; bit < 32; bit += 1) {
        const ones = drawn.filter((value) => Math.floor(value / 2 ** bit) % 2 === 1).length;
        expect(Math.abs(ones - DRAWS / 2)).toBeLessThan(DRAWS / 10);
      }
    });
  });
}
