import { describe, expect, it } from "vitest";
import type { Operation } from "../domain/operation.js";
import type { RebalanceEntry } from "../domain/rebalance.js";
import { aGuest, anOperation, aPlacement } from "../testing/builders.js";
import {
  planRebalanceStep,
  type RebalanceView,
  withRebalanceEntry,
} from "./plan-rebalance-step.js";

function entry(guestUid: string, parts: Partial<RebalanceEntry> = {}): RebalanceEntry {
  const route = { fromNodeId: "n1", toNodeId: "n2" };
  const nothing = { operationId: "", attempts: 0, message: "" };
  return {
    guestUid,
    guestId: guestUid,
    projectId: "p",
    state: "waiting",
    ...route,
    ...nothing,
    ...parts,
  };
}

function viewOf(
  entries: readonly RebalanceEntry[],
  parts: Partial<RebalanceView> & { at?: Record<string, string>; isCancelRequested?: boolean } = {},
): RebalanceView {
  const { at = {}, isCancelRequested = false, ...rest } = parts;
  const operation = anOperation({ kind: "rebalance", state: "running", isCancelRequested });
  return {
    operation: { ...operation, rebalance: { entries } },
    guestByUid: (uid) => {
      const guest = aGuest({ uid });
      const placement = aPlacement({ nodeId: at[uid] ?? "n1" });
      return { ...guest, status: { ...guest.status, placement } };
    },
    operationById: () => undefined,
    whyNot: () => undefined,
    nowMs: 5,
    ...rest,
  };
}

function stateOf(operation: Operation): (string | undefined)[] {
  return (operation.rebalance?.entries ?? []).map(({ state, message }) =>
    message === "" ? state : `${state}: ${message}`,
  );
}

describe("the steps of a rebalance", () => {
  it("B1: begins two moves at a time, in the order of the plan", () => {
    const waiting = ["a", "b", "c"].map((uid) => entry(uid));
    const view = viewOf(waiting);
    const { operation, moves } = planRebalanceStep(view);
    expect(moves.map(({ guestUid }) => guestUid)).toEqual(["a", "b"]);
    expect(operation).toBe(view.operation);
    const running = anOperation({ state: "running" });
    const moving = [entry("a", { state: "moving", operationId: running.id }), ...waiting.slice(1)];
    const next = planRebalanceStep(viewOf(moving, { operationById: () => running }));
    expect(next.moves.map(({ guestUid }) => guestUid)).toEqual(["b"]);
  });

  it("B2: skips what does not help any more and begins the next one instead", () => {
    const view = viewOf(
      ["a", "b", "c"].map((uid) => entry(uid)),
      {
        whyNot: ({ uid }) => (uid === "a" ? "n2 is full" : undefined),
      },
    );
    const { operation, moves } = planRebalanceStep(view);
    expect(moves.map(({ guestUid }) => guestUid)).toEqual(["b", "c"]);
    expect(stateOf(operation)).toEqual(["skipped: n2 is full", "waiting", "waiting"]);
  });

  it("B3: ends with what each became, by where the guest is when its migration has ended", () => {
    const failed = anOperation({
      state: "failed",
      message: "",
      error: { kind: "unavailable", reason: "X", message: "n2 is gone", metadata: {} },
    });
    const entries = ["a", "b", "c"].map((uid) => entry(uid, { state: "moving", operationId: uid }));
    const view = viewOf(entries, {
      at: { a: "n2" },
      operationById: () => failed,
    });
    const guestByUid: RebalanceView["guestByUid"] = (uid) =>
      uid === "c" ? undefined : view.guestByUid(uid);
    const { operation } = planRebalanceStep({ ...view, guestByUid });
    expect(stateOf(operation)).toEqual(["moved", "failed: n2 is gone", "gone: it was deleted"]);
    expect(operation).toMatchObject({ state: "failed", error: { reason: "MOVES_FAILED" } });
    expect(operation.error?.message).toBe("1 of 3 guests moved, 1 failed, 1 gone: b (n2 is gone)");
  });

  it("succeeds when nothing failed, at once when there is nothing to move", () => {
    expect(planRebalanceStep(viewOf([])).operation).toMatchObject({ state: "succeeded" });
    const done = [entry("a", { state: "moved" }), entry("b", { state: "skipped", message: "why" })];
    const { operation } = planRebalanceStep(viewOf(done));
    expect(operation).toMatchObject({
      state: "succeeded",
      message: "1 of 2 guests moved, 1 skipped",
    });
  });

  it("lets go of what has not begun when it is cancelled, and waits for what moves", () => {
    const running = anOperation({ state: "running" });
    const entries = [entry("a", { state: "moving", operationId: running.id }), entry("b")];
    const view = viewOf(entries, { isCancelRequested: true, operationById: () => running });
    const { operation, moves } = planRebalanceStep(view);
    expect(moves).toEqual([]);
    expect(operation.state).toBe("running");
    expect(stateOf(operation)).toEqual(["moving", "skipped: cancelled"]);
    const rebalance = { entries: operation.rebalance?.entries ?? [] };
    const over = {
      ...view,
      operation: { ...operation, rebalance },
      operationById: () => undefined,
    };
    const end = planRebalanceStep({
      ...over,
      guestByUid: viewOf([], { at: { a: "n2" } }).guestByUid,
    });
    expect(end.operation).toMatchObject({
      state: "cancelled",
      error: { reason: "REBALANCE_CANCELLED" },
    });
    expect(stateOf(end.operation)).toEqual(["moved", "skipped: cancelled"]);
  });

  it("writes an entry once", () => {
    const { operation } = viewOf([entry("a"), entry("b")]);
    expect(withRebalanceEntry(operation, entry("a"))).toBe(operation);
    const moved = withRebalanceEntry(operation, entry("b", { state: "moving" }));
    expect(stateOf(moved)).toEqual(["waiting", "moving"]);
  });
});
