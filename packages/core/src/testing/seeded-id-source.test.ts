import { expect, it } from "vitest";
import { idSourceContract } from "./contracts/id-source.contract.js";
import { SeededIdSource } from "./seeded-id-source.js";

idSourceContract("seeded", () => new SeededIdSource(7));

it("gives the same ids for the same seed, and others for another", () => {
  const draw = (seed: number): string => {
    const ids = new SeededIdSource(seed);
    return [ids.uuid(), ids.random32(), ids.uuid()].join();
  };
  expect(draw(1)).toBe(draw(1));
  expect(draw(1)).not.toBe(draw(2));
});
