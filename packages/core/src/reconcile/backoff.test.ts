import { expect, it } from "vitest";
import { backoffMs, wasHealthyRun } from "./backoff.js";

const POLICY = { when: "always", attemptsMax: 5, backoffMsMin: 100, backoffMsMax: 3000 } as const;

it("doubles from the minimum up to the maximum and stays there", () => {
  const delays = [0, 1, 2, 3, 4, 5, 6, 1000].map((restarts) => backoffMs(POLICY, restarts));
  expect(delays).toEqual([100, 200, 400, 800, 1600, 3000, 3000, 3000]);
});

it("waits not at all when the minimum is zero", () => {
  expect(backoffMs({ ...POLICY, backoffMsMin: 0 }, 40)).toBe(0);
});

it("calls a run healthy when it lasted as long as the longest delay, and a second at least", () => {
  expect(wasHealthyRun(POLICY, 2999)).toBe(false);
  expect(wasHealthyRun(POLICY, 3000)).toBe(true);
  expect(wasHealthyRun({ ...POLICY, backoffMsMax: 0 }, 999)).toBe(false);
  expect(wasHealthyRun({ ...POLICY, backoffMsMax: 0 }, 1000)).toBe(true);
});
