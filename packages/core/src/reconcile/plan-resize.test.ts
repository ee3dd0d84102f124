import { describe, expect, it } from "vitest";
import type { CopyReport } from "../domain/assignment.js";
import { type Guest, takenBy } from "../domain/guest.js";
import { NO_LIMITS } from "../domain/limits.js";
import { sumResources } from "../domain/resources.js";
import { aCopyReport, aGuest, anImage, anOperation } from "../testing/builders.js";
import type { GuestView } from "./guest-view.js";
import { planGuest } from "./plan-guest.js";

const FROM = { cpuMillis: 500, memoryMib: 256, diskMib: 0 };
const TO = { cpuMillis: 1000, memoryMib: 128, diskMib: 0 };
const FAILURE = {
  kind: "precondition",
  reason: "MEMORY_NOT_GIVEN_BACK",
  message: "it still has 256 MiB",
  metadata: {},
} as const;

const SNAPSHOT = {
  name: "s",
  hasMemory: true,
  sizeMib: 1,
  createdAtMs: 1,
  diskMib: 0,
  dataDisks: [],
  vcpuCount: 1,
  memoryMib: 256,
} as const;

describe("a resize under way", () => {
  it("holds the larger of both amounts of each kind (Z1)", () => {
    expect(takenBy(resizing())).toEqual({ cpuMillis: 1000, memoryMib: 256, diskMib: 0 });
  });

  it.each(["taken", "resizing", "starting", "stopping"] as const)(
    "holds both while the copy is %s",
    (state) => {
      const plan = planGuest(aView(resizing(), { state }));
      if (plan.do === "write") {
        expect(plan.guest?.status.resize).toEqual({ from: FROM });
        expect(plan.operation).toBeUndefined();
        expect(plan.releases).toEqual([]);
      } else expect(plan.do).toBe("idle");
    },
  );

  it.each(["running", "stopped", "failed", "backing-off"] as const)(
    "is over when the copy is %s under it, and gives back what is no longer held",
    (state) => {
      const plan = planGuest(aView(resizing(), { state }));
      expect(plan).toMatchObject({
        do: "write",
        guest: { spec: { resources: TO }, status: { resize: undefined }, operationId: "" },
        operation: { state: "succeeded" },
        releases: [{ nodeId: "n1", resources: { cpuMillis: 0, memoryMib: 128, diskMib: 0 } }],
      });
    },
  );

  it("is taken back when the node could not do it, with the reason (Z2)", () => {
    const plan = planGuest(aView(resizing(), { state: "running", error: FAILURE }));
    expect(plan).toMatchObject({
      do: "write",
      guest: { spec: { resources: FROM }, generation: 3, intent: 3, operationId: "" },
      operation: { state: "failed", error: FAILURE },
      releases: [{ nodeId: "n1", resources: { cpuMillis: 500, memoryMib: 0, diskMib: 0 } }],
    });
  });

  it("is taken back with the limits that it had (Z2)", () => {
    const [limits, limitsFrom] = [100, 50].map((diskIopsMax) => ({ ...NO_LIMITS, diskIopsMax }));
    const guest = resizing();
    const spec = { ...guest.spec, ...(limits && { limits }) };
    const resize = { from: FROM, before: { ...(limitsFrom && { limits: limitsFrom }) } };
    const view = { ...guest, spec, status: { ...guest.status, resize } };
    expect(planGuest(aView(view, { error: FAILURE }))).toMatchObject({
      guest: { spec: { limits: { diskIopsMax: 50 } } },
    });
  });

  it("is taken back when no copy runs and its disks cannot be changed (Z2)", () => {
    const report = { state: "stopped", changeError: FAILURE } as const;
    expect(planGuest(aView(resizing(), report))).toMatchObject({
      guest: { spec: { resources: FROM } },
      operation: { state: "failed", error: FAILURE },
    });
  });

  it("tells the node which snapshots are new and which are only kept", () => {
    const [kept, taken] = ["c1", "c2"].map((end) => ({
      uid: `00000000-0000-4000-8000-0000000000${end}`,
      ...SNAPSHOT,
    }));
    const guest = resizing();
    const spec = { ...guest.spec, snapshots: [kept, taken].filter((each) => each !== undefined) };
    const resize = { from: FROM, before: { snapshots: kept ? [kept] : [] } };
    const view = { ...guest, spec, status: { ...guest.status, resize } };
    const told = (of: Guest) => {
      const plan = planGuest(aView(of, { intent: 1 }));
      const [first] = plan.do === "act" ? plan.assignments : [];
      return first?.assignment.snapshots?.map(({ isNew, memoryMib }) => [isNew, memoryMib]);
    };
    expect(told(view)).toEqual([
      [false, 256 + 64],
      [true, 256 + 64],
    ]);
    const settled = { ...view, status: { ...view.status, resize: undefined } };
    expect(told(settled)?.map(([isNew]) => isNew)).toEqual([false, false]);
  });

  it("is taken back when the guest stands still: it can give nothing back (Z2)", () => {
    expect(planGuest(aView(resizing(), { state: "paused" }))).toMatchObject({
      guest: { spec: { resources: FROM } },
      operation: { state: "failed", error: { reason: "GUEST_PAUSED" } },
    });
  });

  it("releases exactly what it held beyond what the guest then takes", () => {
    for (const error of [undefined, FAILURE]) {
      const before = resizing();
      const plan = planGuest(aView(before, { state: "running", error }));
      const after = plan.do === "write" ? plan.guest : undefined;
      const released = plan.do === "write" ? plan.releases : [];
      const sum = sumResources([
        takenBy(after as Guest),
        ...released.map((each) => each.resources),
      ]);
      expect(sum).toEqual(takenBy(before));
    }
  });

  it("is told to the node as the new amounts, with the size of a launch", () => {
    const plan = planGuest(aView(resizing(), { intent: 1 }));
    expect(plan).toMatchObject({
      do: "act",
      assignments: [{ assignment: { cpuMillis: 1000, memoryMib: 128, memoryMibMax: 128 } }],
    });
  });
});

function resizing(): Guest {
  return aGuest({
    onNode: "n1",
    generation: 2,
    intent: 2,
    operationId: anOperation().id,
    spec: { resources: TO },
    status: { resize: { from: FROM }, observedGeneration: 1 },
  });
}

function aView(guest: Guest, report: Partial<CopyReport>): GuestView {
  const copy = aCopyReport({ intent: 2, generation: 2, ...report });
  return {
    guest,
    operation: anOperation({ kind: "resize" }),
    image: anImage(),
    linkOf: () => "synced",
    copyOn: () => copy,
    mayBeginMove: () => true,
    nowMs: 5000,
  };
}
