import { FakeClock } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { PAUSE_MS_MAX, PlacementRetries } from "./placement-retries.js";

const GUEST = { uid: "g", generation: 1 };

describe("tries of a guest that fits nowhere", () => {
  it("come after pauses that double, up to the longest", async () => {
    const clock = new FakeClock();
    const retries = new PlacementRetries(clock);
    for (const pauseMs of [1_000, 2_000, 4_000, 8_000, 16_000, PAUSE_MS_MAX, PAUSE_MS_MAX]) {
      expect(retries.isDue(GUEST)).toBe(true);
      retries.failed(GUEST);
      await clock.advance(pauseMs - 1);
      expect(retries.isDue(GUEST)).toBe(false);
      await clock.advance(1);
    }
  });

  it("come at once when something changed that could serve it, or it itself", () => {
    const retries = new PlacementRetries(new FakeClock());
    retries.failed(GUEST);
    expect(retries.isDue({ ...GUEST, generation: 2 })).toBe(true);
    expect(retries.isDue({ ...GUEST, uid: "other" })).toBe(true);
    retries.wake("g");
    expect(retries.isDue(GUEST)).toBe(true);
    retries.failed(GUEST);
    expect(retries.isDue(GUEST)).toBe(false);
    retries.forget("g");
    expect(retries.isDue(GUEST)).toBe(true);
  });
});
