import { describe, expect, it } from "vitest";
import type { CopyReport } from "../domain/assignment.js";
import type { Guest } from "../domain/guest.js";
import { aCopyReport, aGuest, anImage } from "../testing/builders.js";
import { evicted } from "./plan-eviction.js";
import { planGuest } from "./plan-guest.js";

const BY = { guestUid: "urgent-uid", name: "p/urgent", priority: 10 };
const GUEST = aGuest({ onNode: "n1", intent: 4 });

function plan(guest: Guest, copy?: CopyReport, link: "synced" | "unreachable" = "synced") {
  return planGuest({
    guest,
    operation: undefined,
    image: anImage(),
    linkOf: () => link,
    copyOn: () => copy,
    mayBeginMove: () => true,
    nowMs: 1,
  });
}

function removing(): Guest {
  const leaving = evicted(GUEST, BY);
  return {
    ...leaving,
    status: { ...leaving.status, phase: "STOPPED", eviction: { step: "removing", by: BY } },
  };
}

describe("a guest that makes room", () => {
  it("is powered off first", () => {
    const guest = evicted(GUEST, BY);
    expect(guest.intent).toBe(5);
    expect(plan(guest, aCopyReport({ intent: 4 }))).toMatchObject({
      do: "act",
      assignments: [{ nodeId: "n1", assignment: { desired: "stopped", intent: 5 } }],
    });
  });

  it("says why while it stops", () => {
    const copy = aCopyReport({ intent: 5, state: "stopping" });
    expect(plan(evicted(GUEST, BY), copy)).toMatchObject({
      do: "write",
      guest: {
        status: { phase: "STOPPING", reason: "PREEMPTED", message: "makes room for p/urgent" },
      },
      releases: [],
    });
  });

  it("is taken off its node when it has stopped, or failed", () => {
    for (const state of ["stopped", "failed"] as const) {
      expect(plan(evicted(GUEST, BY), aCopyReport({ intent: 5, state }))).toMatchObject({
        do: "write",
        guest: { intent: 6, status: { eviction: { step: "removing" } } },
        releases: [],
      });
    }
    const copy = aCopyReport({ intent: 4, state: "stopped" });
    expect(plan({ ...removing(), intent: 6 }, copy)).toMatchObject({
      do: "act",
      assignments: [{ assignment: { desired: "absent", intent: 6 } }],
    });
  });

  it("waits for a place, what it held free, once nothing of it is left there (G3)", () => {
    const gone = aCopyReport({ intent: 6, state: "absent" });
    const result = plan({ ...removing(), intent: 6 }, gone);
    expect(result).toMatchObject({
      do: "write",
      guest: {
        intent: 7,
        status: {
          phase: "PENDING",
          reason: "PREEMPTED",
          message: "made room for p/urgent (priority 10)",
          placement: undefined,
          eviction: undefined,
        },
      },
      releases: [{ nodeId: "n1", resources: GUEST.spec.resources }],
    });
  });

  it("stays stopped if it was to be", () => {
    const { spec, ...rest } = removing();
    const guest = { ...rest, intent: 6, spec: { ...spec, desired: "stopped" as const } };
    expect(plan(guest, aCopyReport({ intent: 6, state: "absent" }))).toMatchObject({
      guest: { status: { phase: "STOPPED", placement: undefined } },
    });
  });

  it("releases nothing while its node does not answer", () => {
    expect(plan(removing(), undefined, "unreachable")).toMatchObject({
      do: "write",
      guest: { status: { phase: "LOST", eviction: { step: "removing" } } },
      releases: [],
    });
  });
});
