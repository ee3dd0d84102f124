import { describe, expect, it } from "vitest";
import type { Guest } from "../domain/guest.js";
import { GUEST_PHASES, type GuestPhase } from "../domain/guest-phase.js";
import { OPERATION_KINDS, OPERATION_STATES, type OperationKind } from "../domain/operation.js";
import { aGuest, anOperation } from "../testing/builders.js";
import { endOperation, releaseOperation, settleOperation } from "./settle-operation.js";

const NOW_MS = 5000;

const CHANGED = {
  RUNNING: "succeeded",
  STARTING: "succeeded",
  STOPPED: "succeeded",
  FAILED: "succeeded",
} as const;

/** What each kind makes of each phase; everything that is not listed goes on. */
const OUTCOMES: Readonly<Record<OperationKind, Partial<Record<GuestPhase, string>>>> = {
  create: { RUNNING: "succeeded", PAUSED: "succeeded", STOPPED: "succeeded", FAILED: "failed" },
  clone: { RUNNING: "succeeded", PAUSED: "succeeded", STOPPED: "succeeded", FAILED: "failed" },
  start: { RUNNING: "succeeded", STOPPED: "succeeded", FAILED: "failed" },
  resume: { RUNNING: "succeeded", STOPPED: "failed", FAILED: "failed" },
  pause: { PAUSED: "succeeded", STOPPED: "failed", FAILED: "failed" },
  restore: { RUNNING: "succeeded", STOPPED: "succeeded", FAILED: "failed" },
  stop: { STOPPED: "succeeded", FAILED: "failed" },
  delete: {},
  migrate: {},
  drain: {},
  rebalance: {},
  return: {},
  resize: CHANGED,
  "take-snapshot": CHANGED,
  "remove-snapshot": CHANGED,
};

const CASES = OPERATION_KINDS.flatMap((kind) =>
  GUEST_PHASES.map((phase) => ({ kind, phase, outcome: OUTCOMES[kind][phase] ?? "goes on" })),
);

describe("settleOperation (I6)", () => {
  it.each(CASES)("$kind of a guest that is $phase: $outcome", ({ kind, phase, outcome }) => {
    const settled = settleOperation(anOperation({ kind }), observed(phase), NOW_MS);
    expect(settled?.state ?? "goes on").toBe(outcome);
    if (settled) expect(settled.updatedAtMs).toBe(NOW_MS);
  });

  it("never ends before the node has applied the spec that the operation asked for", () => {
    for (const { kind, phase } of CASES) {
      const stale: Guest = { ...observed(phase), generation: 9 };
      expect(settleOperation(anOperation({ kind }), stale, NOW_MS)).toBeUndefined();
    }
  });

  it("never ends twice", () => {
    for (const state of OPERATION_STATES.filter((each) => each !== "running")) {
      for (const { kind, phase } of CASES) {
        const ended = anOperation({ kind, state });
        expect(settleOperation(ended, observed(phase), NOW_MS)).toBeUndefined();
      }
    }
  });

  it("says where a guest runs, and why it failed", () => {
    const running = aGuest({ onNode: "n7", status: { observedGeneration: 1 } });
    expect(settleOperation(anOperation(), running, NOW_MS)?.message).toBe("RUNNING on n7");
    const failed = aGuest({
      onNode: "n7",
      phase: "FAILED",
      status: { observedGeneration: 1, reason: "GUEST_ENDED", message: "it panicked" },
    });
    expect(settleOperation(anOperation(), failed, NOW_MS)).toMatchObject({
      message: "it panicked",
      error: { reason: "GUEST_ENDED", message: "it panicked", metadata: { phase: "FAILED" } },
    });
  });

  it("has nothing to say without an operation", () => {
    expect(settleOperation(undefined, observed("RUNNING"), NOW_MS)).toBeUndefined();
  });
});

describe("releaseOperation", () => {
  it("frees the guest of its own operation once that has ended, and of no other", () => {
    const operation = anOperation();
    const guest = aGuest({ operationId: operation.id });
    const ended = endOperation(operation, { state: "succeeded", nowMs: NOW_MS });
    expect(releaseOperation(guest, ended).operationId).toBe("");
    expect(releaseOperation(guest, operation)).toBe(guest);
    expect(releaseOperation(guest, undefined)).toBe(guest);
    expect(releaseOperation(guest, { ...ended, id: "other" })).toBe(guest);
  });
});

function observed(phase: GuestPhase): Guest {
  return aGuest({ phase, onNode: "n1", status: { observedGeneration: 1 } });
}
