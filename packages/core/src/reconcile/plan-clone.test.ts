import { describe, expect, it } from "vitest";
import type { Guest } from "../domain/guest.js";
import type { Operation } from "../domain/operation.js";
import { aCopyReport, aGuest, anImage, anOperation } from "../testing/builders.js";
import type { GuestView } from "./guest-view.js";
import { planGuest } from "./plan-guest.js";

const SOURCE = "00000000-0000-4000-8000-0000000000a1";
const CLONING = anOperation({ kind: "clone" });
const FROM = { guestUid: SOURCE, snapshotUid: "" };
const CLONE = aGuest({
  onNode: "n1",
  phase: "STARTING",
  operationId: CLONING.id,
  spec: { cloneOf: FROM },
});

function aView(
  guest: Guest,
  operation: Operation,
  state?: "starting" | "running" | "failed",
): GuestView {
  const { guestUid: _, ...rest } = aCopyReport();
  const report = { ...rest, guestUid: guest.uid, intent: guest.intent, epoch: 1 };
  const error = {
    kind: "capacity",
    reason: "DISK_FULL",
    message: "no room",
    metadata: {},
  } as const;
  return {
    guest,
    operation,
    image: anImage(),
    linkOf: () => "synced",
    copyOn: () => state && { ...report, state, ...(state === "failed" && { error }) },
    mayBeginMove: () => true,
    nowMs: 9000,
  };
}

describe("a guest that is cloned from another", () => {
  it("is told what its disks begin as, until they are there (N2)", () => {
    expect(planGuest(aView(CLONE, CLONING))).toMatchObject({
      do: "act",
      assignments: [{ nodeId: "n1", assignment: { cloneOf: FROM, desired: "running" } }],
    });
    const done = planGuest(aView(CLONE, CLONING, "running"));
    expect(done).toMatchObject({
      do: "write",
      guest: { operationId: "", status: { phase: "RUNNING" } },
      operation: { state: "succeeded" },
    });
    expect(done.do === "write" && done.guest?.spec.cloneOf).toBeUndefined();
  });

  it("says how far its disks are copied, when that has changed", () => {
    const seen = planGuest(aView(CLONE, CLONING, "starting"));
    const guest = (seen.do === "write" && seen.guest) || CLONE;
    const view = aView(guest, CLONING, "starting");
    const withPercent = (
      clonedPercent: number | undefined,
      epoch = 1,
      message = "",
    ): GuestView => ({
      ...view,
      operation: { ...CLONING, message },
      copyOn: (nodeId) => {
        const copy = view.copyOn(nodeId);
        return copy && { ...copy, epoch, clonedPercent };
      },
    });
    const message = "copies the disks: 45 %";
    expect(planGuest(withPercent(45))).toMatchObject({
      do: "write",
      guest: { intent: CLONE.intent, operationId: CLONING.id, spec: { cloneOf: FROM } },
      operation: { state: "running", message },
    });
    expect(planGuest(withPercent(45, 1, message))).toEqual({ do: "idle" });
    expect(planGuest(withPercent(undefined))).toEqual({ do: "idle" });
  });

  it("is deleted when that fails, or is cancelled (N1)", () => {
    const failed = planGuest(aView(CLONE, CLONING, "failed"));
    const gone = { isDeleting: true, operationId: "", intent: CLONE.intent + 1 };
    expect(failed).toMatchObject({ guest: gone, operation: { state: "failed" } });
    const cancelled = { ...CLONING, isCancelRequested: true };
    for (const guest of [CLONE, aGuest({ operationId: CLONING.id, spec: { cloneOf: FROM } })]) {
      expect(planGuest(aView(guest, cancelled))).toMatchObject({
        guest: { isDeleting: true, operationId: "", status: { phase: "DELETING" } },
        operation: { state: "cancelled" },
      });
    }
  });
});

describe("a guest that is lent to a clone", () => {
  const lent = aGuest({ uid: SOURCE, onNode: "n1", phase: "RUNNING", operationId: CLONING.id });

  it("goes on as it is, and does not end the other's operation", () => {
    const plan = planGuest(aView(lent, CLONING, "running"));
    if (plan.do === "write") expect(plan.operation).toBeUndefined();
    expect(plan.do === "write" ? plan.guest?.operationId : CLONING.id).toBe(CLONING.id);
  });

  it("is given back when the operation has ended, however it did", () => {
    for (const state of ["succeeded", "failed", "cancelled"] as const) {
      expect(planGuest(aView(lent, { ...CLONING, state }, "running"))).toMatchObject({
        do: "write",
        guest: { operationId: "", status: { phase: "RUNNING" } },
        operation: undefined,
      });
    }
  });
});
