import { describe, expect, it } from "vitest";
import { movesThatMayBegin, type QueuedMove } from "./move-turns.js";

function move(guestUid: string, nodes: string, fields: Partial<QueuedMove> = {}): QueuedMove {
  return { guestUid, priority: 0, sinceMs: 0, nodeIds: nodes.split(" "), ...fields };
}

function begin(queued: readonly QueuedMove[], busy: readonly string[] = [], perNodeMax = 1) {
  return [...movesThatMayBegin(queued, busy, perNodeMax)];
}

describe("turns of migrations", () => {
  it("lets no node take part in more than it may, as source or target", () => {
    const queued = [move("a", "n1 n2"), move("b", "n1 n3"), move("c", "n4 n2"), move("d", "n4 n5")];
    expect(begin(queued)).toEqual(["a", "d"]);
    expect(begin(queued, ["n1"])).toEqual(["c"]);
    expect(begin(queued, [], 2)).toEqual(["a", "b", "c", "d"]);
  });

  it("takes the greatest priority first, then who has waited longest (Q1)", () => {
    const queued = [
      move("young", "n1 n2", { sinceMs: 2 }),
      move("old", "n1 n2", { sinceMs: 1 }),
      move("urgent", "n1 n2", { sinceMs: 3, priority: 1 }),
    ];
    expect(begin(queued)).toEqual(["urgent"]);
    expect(begin(queued.slice(0, 2))).toEqual(["old"]);
  });

  it("is not held up by one that waits for a node of its own (Q1)", () => {
    const queued = [move("first", "n1 n2", { priority: 9 }), move("other", "n3 n2")];
    expect(begin(queued, ["n1"])).toEqual(["other"]);
  });
});
