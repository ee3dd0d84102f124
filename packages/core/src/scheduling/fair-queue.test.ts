import { describe, expect, it } from "vitest";
import { NO_RESOURCES, type Resources } from "../domain/resources.js";
import { forEachSeed } from "../testing/prng.js";
import { AGING_MS, FairQueue, type FairShares, type WaitingGuest } from "./fair-queue.js";

const TOTAL = { cpuMillis: 10_000, memoryMib: 10_000, diskMib: 10_000 };
const NOW_MS = 1_000_000;

function waiting(guestUid: string, fields: Partial<WaitingGuest> = {}): WaitingGuest {
  const resources = { cpuMillis: 1000, memoryMib: 0, diskMib: 0 };
  return { guestUid, projectId: "p", priority: 0, sinceMs: NOW_MS, resources, ...fields };
}

function shares(held: Readonly<Record<string, Resources>> = {}): FairShares {
  return { nowMs: NOW_MS, total: TOTAL, heldBy: (id) => held[id] ?? NO_RESOURCES };
}

function order(guests: readonly WaitingGuest[], with_ = shares(), countMax = 100): string[] {
  const queue = new FairQueue();
  for (const guest of guests) queue.add(guest);
  return queue.take(countMax, with_).map(({ guestUid }) => guestUid);
}

describe("the queue of guests that wait for a place", () => {
  it("asks the greatest priority first, then who has waited longest (F1, F3)", () => {
    const guests = [
      waiting("young", { sinceMs: NOW_MS - 1 }),
      waiting("old", { sinceMs: NOW_MS - 2 }),
      waiting("urgent", { priority: 1 }),
      waiting("idle", { priority: -1 }),
    ];
    expect(order(guests)).toEqual(["urgent", "old", "young", "idle"]);
  });

  it("takes each once, and at most so many", () => {
    const queue = new FairQueue();
    for (const uid of ["a", "b", "a", "c"]) queue.add(waiting(uid));
    expect(queue.take(2, shares())).toHaveLength(2);
    expect(queue.size).toBe(1);
    queue.add(waiting("a", { sinceMs: 0 }));
    expect(queue.take(9, shares()).map(({ guestUid }) => guestUid)).toEqual(["a", "c"]);
    expect(queue.size).toBe(0);
    expect(queue.take(9, shares())).toEqual([]);
  });

  it("lets nobody starve: a minute of waiting is worth a step of priority (F1)", () => {
    const patient = waiting("patient", { sinceMs: NOW_MS - 3 * AGING_MS });
    const [four, three] = [waiting("four", { priority: 4 }), waiting("two", { priority: 2 })];
    expect(order([four, three, patient])).toEqual(["four", "patient", "two"]);
    const elsewhere = { ...patient, projectId: "q" };
    expect(order([four, three, elsewhere])).toEqual(["four", "patient", "two"]);
  });

  it("gives a project that holds less its turn first, each guest counted (F2)", () => {
    const many = [1, 2, 3, 4].map((n) => waiting(`many-${n}`, { sinceMs: NOW_MS - 10 + n }));
    const few = [1, 2].map((n) => waiting(`few-${n}`, { projectId: "q", sinceMs: NOW_MS - n }));
    const held = { q: { cpuMillis: 0, memoryMib: 1500, diskMib: 0 } };
    expect(order([...many, ...few], shares(held))).toEqual([
      "many-1",
      "many-2",
      "few-2",
      "few-1",
      "many-3",
      "many-4",
    ]);
  });

  it("takes from the project that holds least of those that still wait (F2)", () => {
    forEachSeed(50, (prng) => {
      const guests = Array.from({ length: 60 }, (_, index) =>
        waiting(`${index}`, {
          projectId: prng.pick(["a", "b", "c"]),
          resources: { cpuMillis: 100 * prng.integer(1, 5), memoryMib: 10, diskMib: 0 },
        }),
      );
      const queue = new FairQueue();
      for (const guest of guests) queue.add(guest);
      const taken = queue.take(60, shares());
      expect(taken).toHaveLength(60);
      taken.forEach((guest, index) => {
        const held = (projectId: string) => heldIn(taken.slice(0, index), projectId);
        const others = taken.slice(index).map(({ projectId }) => held(projectId));
        expect(held(guest.projectId)).toBe(Math.min(...others));
      });
    });
  });
});

function heldIn(taken: readonly WaitingGuest[], projectId: string): number {
  const own = taken.filter((each) => each.projectId === projectId);
  return own.reduce((sum, { resources }) => sum + resources.cpuMillis, 0);
}
