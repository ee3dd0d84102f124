import { describe, expect, it } from "vitest";
import type { Drain, DrainEntry } from "../domain/drain.js";
import type { Guest } from "../domain/guest.js";
import type { Operation } from "../domain/operation.js";
import { aGuest, anOperation } from "../testing/builders.js";
import { DRAIN_ATTEMPTS_MAX, DRAIN_MOVES_MAX, type DrainView, planDrain } from "./plan-drain.js";

const NOW_MS = 10_000;

describe("a drain", () => {
  it("enters every guest that is there, and begins as many moves as it may (D1)", () => {
    const guests = ["a", "b", "c"].map((id) => guestOn("n1", id));
    const { operation, moves } = planDrain(viewOf({ guests }));
    expect(statesOf(operation)).toEqual(["a waiting", "b waiting", "c waiting"]);
    expect(moves.map(({ guestId }) => guestId)).toEqual(["a", "b"].slice(0, DRAIN_MOVES_MAX));
    expect(operation.state).toBe("running");
  });

  it("begins no more while as many are under way", () => {
    const guests = ["a", "b", "c"].map((id) => guestOn("n1", id));
    const entries = guests.map((guest, index) => entryOf(guest, index < 2 ? "moving" : "waiting"));
    const operations = [anOperation({ id: MIGRATION, state: "running" })];
    expect(planDrain(viewOf({ guests, entries, operations })).moves).toEqual([]);
  });

  it("says where each is when its move has ended, and ends with the last (D2)", () => {
    const guests = [guestOn("n2", "a"), guestOn("n3", "b")];
    const entries = guests.map((guest) => entryOf(guest, "moving"));
    const { operation } = planDrain(viewOf({ guests, entries }));
    expect(operation).toMatchObject({ state: "succeeded", message: "2 of 2 guests are away" });
    expect(operation.drain?.entries.map(({ toNodeId }) => toNodeId)).toEqual(["n2", "n3"]);
  });

  it("ends at once when nothing is there", () => {
    expect(planDrain(viewOf({})).operation).toMatchObject({ state: "succeeded" });
  });

  it("tries a failed move again, then leaves the guest and says so", () => {
    const guests = [guestOn("n1", "a")];
    const failed = anOperation({ id: MIGRATION, state: "failed", message: "the link broke" });
    const once = [entryOf(guests[0] as Guest, "moving", 1)];
    const again = planDrain(viewOf({ guests, entries: once, operations: [failed] }));
    expect(statesOf(again.operation)).toEqual(["a waiting"]);
    expect(again.moves).toHaveLength(1);
    const often = [entryOf(guests[0] as Guest, "moving", DRAIN_ATTEMPTS_MAX)];
    const { operation } = planDrain(viewOf({ guests, entries: often, operations: [failed] }));
    expect(operation).toMatchObject({ state: "failed", error: { reason: "GUESTS_LEFT" } });
    expect(operation.message).toBe(
      "0 of 1 guests are away; still there: default/a (the link broke)",
    );
  });

  it("skips what cannot move, with the reason, and moves the others", () => {
    const guests = [guestOn("n1", "a"), guestOn("n1", "b")];
    const whyNot = ({ id }: Guest) => (id === "a" ? "its disk is on n1" : undefined);
    const { operation, moves } = planDrain(viewOf({ guests, whyNot }));
    expect(statesOf(operation)).toEqual(["a skipped", "b waiting"]);
    expect(moves.map(({ guestId }) => guestId)).toEqual(["b"]);
  });

  it("moves a guest of another node out of the way, and does not count it (D4)", () => {
    const [there, other] = [guestOn("n1", "a"), guestOn("n2", "other")];
    const guests = [there, other];
    const route = () => [
      { guest: other, toNodeId: "n3" },
      { guest: there, toNodeId: "n2" },
    ];
    const { operation, moves } = planDrain(viewOf({ guests, route }));
    expect(moves).toMatchObject([
      { guestId: "other", toNodeId: "n3", isAside: true },
      { guestId: "a", toNodeId: "n2" },
    ]);
    expect(statesOf(operation)).toEqual(["a waiting"]);
    const aside = { ...entryOf(other, "moving"), toNodeId: "n3", isAside: true as const };
    const entries = [entryOf(there, "waiting"), aside];
    const moved = [there, guestOn("n3", "other")];
    const after = planDrain(viewOf({ guests: moved, entries }));
    expect(statesOf(after.operation)).toEqual(["a waiting", "other moved"]);
    const end = planDrain(
      viewOf({ guests: [guestOn("n2", "a"), guestOn("n3", "other")], entries }),
    );
    expect(end.operation).toMatchObject({ state: "succeeded", message: "1 of 1 guests are away" });
    const failed = planDrain(viewOf({ guests, entries }));
    expect(statesOf(failed.operation)).toEqual(["a waiting", "other failed"]);
  });

  it("waits, and says so, where the budget of a group forbids another move (D5)", () => {
    const guests = [guestOn("n1", "a"), guestOn("n1", "b")];
    const whyWait = ({ id }: Guest) => (id === "a" ? "its budget is 1" : undefined);
    const { operation, moves } = planDrain(viewOf({ guests, whyWait }));
    expect(moves.map(({ guestId }) => guestId)).toEqual(["b"]);
    expect(operation.drain?.entries[0]).toMatchObject({
      state: "waiting",
      message: "its budget is 1",
    });
  });

  it("takes a deleted guest as away", () => {
    const entries = [entryOf(guestOn("n1", "a"), "waiting")];
    const { operation } = planDrain(viewOf({ entries }));
    expect(statesOf(operation)).toEqual(["a gone"]);
    expect(operation.state).toBe("succeeded");
  });

  it("drains a guest that came back, before it says that all are away (D3)", () => {
    const guests = [guestOn("n1", "a")];
    const { operation } = planDrain(
      viewOf({ guests, entries: [entryOf(guests[0] as Guest, "moved")] }),
    );
    expect(statesOf(operation)).toEqual(["a waiting"]);
    expect(operation.state).toBe("running");
  });

  it.each([
    ["cancelled", { isCancelRequested: true }, undefined, "DRAIN_CANCELLED"],
    ["failed", {}, NOW_MS, "DRAIN_DEADLINE"],
  ] as const)("waits for what is moving, begins nothing, then is %s", (...row) => {
    const [state, parts, deadlineMs, reason] = row;
    const guests = [guestOn("n1", "a"), guestOn("n1", "b")];
    const [a, b] = guests as [Guest, Guest];
    const running = anOperation({ id: MIGRATION, state: "running" });
    const under = [entryOf(a, "moving"), entryOf(b, "waiting")];
    const asked = { guests, operations: [running], parts, deadlineMs };
    const meanwhile = planDrain(viewOf({ ...asked, entries: under }));
    expect(meanwhile).toMatchObject({ operation: { state: "running" }, moves: [] });
    const landed = [guestOn("n2", "a"), b];
    const { operation } = planDrain(viewOf({ ...asked, guests: landed, entries: under }));
    expect(operation).toMatchObject({ state, error: { reason } });
    expect(operation.message).toBe("1 of 2 guests are away; still there: default/b");
  });

  it("leaves the record alone when nothing has changed", () => {
    const guests = [guestOn("n1", "a")];
    const running = anOperation({ id: MIGRATION, state: "running" });
    const view = viewOf({
      guests,
      entries: [entryOf(guests[0] as Guest, "moving")],
      operations: [running],
    });
    expect(planDrain(view).operation).toBe(view.operation);
  });
});

const MIGRATION = "00000000-0000-4000-8000-00000000aaaa";

function guestOn(nodeId: string, id: string): Guest {
  return aGuest({ id, uid: `${id}-uid`, onNode: nodeId, phase: "RUNNING" });
}

function entryOf(guest: Guest, state: DrainEntry["state"], attempts = 1): DrainEntry {
  const { uid: guestUid, id: guestId, projectId } = guest;
  const about = { guestUid, guestId, projectId, toNodeId: "", message: "" };
  return { ...about, state, operationId: MIGRATION, attempts };
}

function viewOf(world: {
  readonly guests?: readonly Guest[];
  readonly entries?: readonly DrainEntry[];
  readonly operations?: readonly Operation[];
  readonly whyNot?: DrainView["whyNot"];
  readonly whyWait?: DrainView["whyWait"];
  readonly route?: DrainView["route"];
  readonly parts?: Partial<Operation>;
  readonly deadlineMs?: number | undefined;
}): DrainView {
  const { guests = [], entries = [], operations = [], whyNot = () => undefined } = world;
  const drain: Drain = { nodeId: "n1", deadlineMs: world.deadlineMs, entries };
  const operation = { ...anOperation({ kind: "drain" }), ...world.parts, drain };
  return {
    operation,
    guestsThere: guests.filter(({ status }) => status.placement?.nodeId === "n1"),
    guestByUid: (uid) => guests.find((each) => each.uid === uid),
    operationById: (id) => operations.find((each) => each.id === id),
    whyNot,
    whyWait: world.whyWait ?? (() => undefined),
    route: world.route ?? ((uids) => guests.filter(({ uid }) => uids.has(uid)).map(anywhere)),
    nowMs: NOW_MS,
  };
}

function anywhere(guest: Guest) {
  return { guest, toNodeId: "" };
}

function statesOf({ drain }: Operation): string[] {
  return (drain?.entries ?? []).map(({ guestId, state }) => `${guestId} ${state}`);
}
