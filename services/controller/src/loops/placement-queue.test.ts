import { describe, expect, it } from "vitest";
import { PlacementQueue } from "./placement-queue.js";

describe("the placement queue", () => {
  it("gives the greatest priority first, then those that came first, each once", () => {
    const queue = new PlacementQueue();
    for (const [uid, priority] of [
      ["a", 0],
      ["b", 5],
      ["c", 0],
      ["d", -3],
      ["b", 5],
      ["e", 5],
    ] as const) {
      queue.add(uid, priority);
    }
    expect(queue.take(3)).toEqual(["b", "e", "a"]);
    queue.add("f", 5);
    queue.add("c", 0);
    expect(queue.isEmpty).toBe(false);
    expect(queue.take(10)).toEqual(["f", "c", "d"]);
    expect(queue.isEmpty).toBe(true);
    expect(queue.take(10)).toEqual([]);
  });
});
