import { aGuest, aProject } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { aBench } from "../testing/command-bench.js";
import { createGang, createGuests, type NewGuest } from "./create-guests.js";

const REQUEST = "0d9f1c52-51c6-4f0b-9f0e-0f2f7a4f1e11";
const { spec, labels, projectId } = aGuest();

describe("createGuests", () => {
  it("answers for each guest as if it were alone", async () => {
    const bench = await aBench({ projects: [aProject({ quota: { guests: 2 } })] });
    const outcomes = await createGuests(bench, named("a", "b", "c"), "");
    const done = outcomes.filter((each) => "operationId" in each);
    expect(done).toHaveLength(2);
    const refused = outcomes.find((each) => "error" in each);
    expect(refused).toMatchObject({ error: { reason: "QUOTA_EXCEEDED" } });
    expect(bench.mirror.guests()).toHaveLength(2);
    expect(bench.mirror.guests().every(({ gangId }) => gangId === undefined)).toBe(true);
  });

  it("creates one of two that have the same name", async () => {
    const bench = await aBench();
    const outcomes = await createGuests(bench, named("a", "a"), "");
    expect(outcomes.filter((each) => "operationId" in each)).toHaveLength(1);
    expect(outcomes.find((each) => "error" in each)).toMatchObject({
      error: { reason: "GUEST_EXISTS" },
    });
  });

  it("creates nothing twice when it is repeated", async () => {
    const bench = await aBench();
    const first = await createGuests(bench, named("a", "b"), REQUEST);
    expect(await createGuests(bench, named("a", "b"), REQUEST)).toEqual(first);
    expect(bench.mirror.guests()).toHaveLength(2);
  });
});

describe("createGang", () => {
  it("admits all in one commit, with the quota of all", async () => {
    const bench = await aBench();
    const before = bench.mirror.revision;
    const operations = await createGang(bench, named("a", "b", "c"), "");
    expect(bench.mirror.revision).toBe(before + 1);
    expect(operations.map((id) => bench.operation(id).guestId)).toEqual(["a", "b", "c"]);
    const gangs = new Set(bench.mirror.guests().map(({ gangId }) => gangId));
    expect(gangs.size).toBe(1);
    const [gangId = ""] = [...gangs];
    expect(bench.mirror.gang(gangId)).toHaveLength(3);
    expect(await bench.counters()).toMatchObject({ "project/default/guests": 3 });
  });

  it.each([
    { when: "the quota is for fewer", quota: { guests: 2 }, names: ["a", "b", "c"] },
    { when: "one name is taken", quota: {}, names: ["a", "taken"], reason: "GUEST_EXISTS" },
    { when: "a name is there twice", quota: {}, names: ["a", "a"], reason: "INVALID_FIELD" },
  ])("creates none when $when", async ({ quota, names, reason = "QUOTA_EXCEEDED" }) => {
    const there = aGuest({ id: "taken" });
    const bench = await aBench({ projects: [aProject({ quota })], guests: [there] });
    await expect(createGang(bench, named(...names), "")).rejects.toMatchObject({ reason });
    expect(bench.mirror.guests()).toHaveLength(1);
    expect(await bench.counters()).toEqual({});
  });

  it("gives the same operations when it is repeated", async () => {
    const bench = await aBench();
    const first = await createGang(bench, named("a", "b"), REQUEST);
    expect(await createGang(bench, named("a", "b"), REQUEST)).toEqual(first);
    expect(bench.mirror.guests()).toHaveLength(2);
  });

  it("is forgotten when its last guest is gone", async () => {
    const bench = await aBench();
    await createGang(bench, named("a"), "");
    const { gangId = "" } = bench.guest("a");
    const key = "guest/default/a";
    await bench.store.commit({ checks: [], puts: [], deletes: [key], counters: [] });
    await bench.mirror.waitFor(bench.mirror.revision + 1, { clock: bench.clock, timeoutMs: 1 });
    expect(bench.mirror.gang(gangId)).toEqual([]);
  });
});

function named(...ids: readonly string[]): readonly NewGuest[] {
  return ids.map((id) => ({ id, projectId, labels, spec }));
}
