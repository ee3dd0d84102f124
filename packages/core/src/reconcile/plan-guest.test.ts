import { describe, expect, it } from "vitest";
import { COPY_STATES, type CopyReport } from "../domain/assignment.js";
import type { Guest } from "../domain/guest.js";
import { GUEST_PHASES } from "../domain/guest-phase.js";
import type { Operation } from "../domain/operation.js";
import { aCopyReport, aGuest, anImage, anOperation, aPlacement } from "../testing/builders.js";
import { forEachSeed, type Prng } from "../testing/prng.js";
import type { GuestPlan, GuestView, NodeLink } from "./guest-view.js";
import { planGuest } from "./plan-guest.js";
import { placementsOf } from "./plan-placed.js";

const NOW_MS = 9000;

describe("a guest without a place", () => {
  it("asks for one", () => {
    expect(planGuest(aView({ guest: aGuest() }))).toEqual({ do: "place" });
  });

  it("is called stopped when it should be, and its stop has succeeded", () => {
    const guest = aGuest({ spec: { desired: "stopped" }, operationId: anOperation().id });
    const operation = anOperation({ kind: "stop" });
    expect(planGuest(aView({ guest, operation }))).toMatchObject({
      do: "write",
      guest: { status: { phase: "STOPPED" }, operationId: "" },
      operation: { state: "succeeded" },
      releases: [],
    });
  });

  it("ends a stop also when it was stopped, or cancelled, before its spec changed", () => {
    const operation = anOperation({ kind: "stop" });
    const stopped = { spec: { desired: "stopped" }, phase: "STOPPED", generation: 2 } as const;
    const guest = aGuest({ ...stopped, operationId: operation.id });
    expect(planGuest(aView({ guest, operation }))).toMatchObject({
      guest: { operationId: "", status: { observedGeneration: 2 } },
      operation: { state: "succeeded" },
    });
  });

  it("rests once it is stopped", () => {
    const guest = aGuest({
      spec: { desired: "stopped" },
      phase: "STOPPED",
      status: { observedGeneration: 1 },
    });
    expect(planGuest(aView({ guest }))).toEqual({ do: "idle" });
  });

  it("is not placed once its creation is being cancelled", () => {
    const operation = anOperation({ isCancelRequested: true });
    const guest = aGuest({ operationId: operation.id });
    expect(planGuest(aView({ guest, operation }))).toMatchObject({
      do: "write",
      guest: { spec: { desired: "stopped" }, status: { phase: "STOPPED" }, operationId: "" },
      operation: { state: "cancelled" },
    });
  });
});

describe("a guest with a place", () => {
  const guest = aGuest({ onNode: "n1", phase: "PLACED", operationId: anOperation().id });
  const operation = anOperation();

  it("is sent to its node until the node has taken it (G1, G2)", () => {
    for (const copies of [
      {},
      { n1: aCopyReport({ intent: 0 }) },
      { n1: aCopyReport({ epoch: 0 }) },
    ]) {
      const plan = planGuest(aView({ guest, copies }));
      expect(plan).toMatchObject({
        do: "act",
        assignments: [{ nodeId: "n1", assignment: { epoch: 1, desired: "running", intent: 1 } }],
      });
    }
  });

  it("is written as its node reports it, with its operation", () => {
    const copies = { n1: aCopyReport({ state: "running", startedAtMs: 77 }) };
    expect(planGuest(aView({ guest, operation, copies }))).toMatchObject({
      do: "write",
      guest: { status: { phase: "RUNNING", startedAtMs: 77 }, operationId: "" },
      operation: { state: "succeeded", message: "RUNNING on n1" },
    });
  });

  it("rests when record and report agree", () => {
    const running = aGuest({ onNode: "n1", status: { observedGeneration: 1 } });
    expect(planGuest(aView({ guest: running, copies: { n1: aCopyReport() } }))).toEqual({
      do: "idle",
    });
  });

  it("explains a failure, a restart and a power-off as its node does", () => {
    const error = {
      kind: "precondition",
      reason: "GUEST_ENDED",
      message: "m",
      metadata: {},
    } as const;
    const lastExit = { reason: "guest-panic", message: "oops" } as const;
    const reasonOf = (report: Partial<CopyReport>): string => {
      const plan = planGuest(aView({ guest, copies: { n1: aCopyReport(report) } }));
      return plan.do === "write" ? (plan.guest?.status.reason ?? "") : plan.do;
    };
    expect(reasonOf({ state: "failed", error })).toBe("GUEST_ENDED");
    expect(reasonOf({ state: "backing-off", lastExit })).toBe("RESTARTING");
    expect(reasonOf({ state: "stopped", lastExit })).toBe("GUEST_POWERED_OFF");
  });

  it("is lost with its node, once, and its allocation is kept (G3)", () => {
    const view = aView({ guest, links: { n1: "unreachable" } });
    expect(planGuest(view)).toMatchObject({
      do: "write",
      guest: { status: { phase: "LOST", reason: "NODE_UNREACHABLE", placement: { nodeId: "n1" } } },
      releases: [],
    });
    const lost = aGuest({ onNode: "n1", phase: "LOST" });
    expect(planGuest(aView({ guest: lost, links: { n1: "unreachable" } }))).toEqual({ do: "idle" });
  });

  it("waits while nothing is known of its node", () => {
    expect(planGuest(aView({ guest, links: { n1: "unknown" } }))).toEqual({ do: "idle" });
  });

  it("comes back from lost when its node does", () => {
    const lost = aGuest({ onNode: "n1", phase: "LOST" });
    expect(planGuest(aView({ guest: lost, copies: { n1: aCopyReport() } }))).toMatchObject({
      guest: { status: { phase: "RUNNING" } },
    });
  });
});

describe("a guest that is deleted", () => {
  const operation = anOperation({ kind: "delete" });
  const guest = aGuest({ onNode: "n1", phase: "DELETING", isDeleting: true });

  it("is removed from its node first; nothing is released before the node confirms (G3)", () => {
    const present = [
      {},
      { n1: aCopyReport() },
      { n1: aCopyReport({ state: "absent", intent: 0 }) },
    ];
    for (const copies of present) {
      expect(planGuest(aView({ guest, operation, copies }))).toMatchObject({
        do: "act",
        assignments: [{ nodeId: "n1", assignment: { desired: "absent" } }],
      });
    }
  });

  it("is gone with all it took when its node has confirmed", () => {
    const copies = { n1: aCopyReport({ state: "absent" }) };
    expect(planGuest(aView({ guest, operation, copies }))).toMatchObject({
      do: "write",
      guest: undefined,
      operation: { state: "succeeded", message: "gone" },
      releases: [{ nodeId: "n1", resources: guest.spec.resources }],
    });
  });

  it("waits for a node that does not answer", () => {
    for (const link of ["unreachable", "unknown"] as const) {
      expect(planGuest(aView({ guest, operation, links: { n1: link } }))).toEqual({ do: "idle" });
    }
  });

  it("is gone at once when it never had a place", () => {
    const unplaced = aGuest({ phase: "DELETING", isDeleting: true });
    expect(planGuest(aView({ guest: unplaced, operation }))).toMatchObject({
      do: "write",
      guest: undefined,
      releases: [],
    });
  });

  it("is removed from both nodes of a migration, with the highest epoch", () => {
    const target = aPlacement({ nodeId: "n2", epoch: 2 });
    const migrating: Guest = {
      ...guest,
      status: { ...guest.status, epochLast: 2, migration: aMigration(target) },
    };
    expect(placementsOf(migrating).map((each) => each.nodeId)).toEqual(["n1", "n2"]);
    const half = { n1: aCopyReport({ state: "absent" }) };
    expect(planGuest(aView({ guest: migrating, operation, copies: half }))).toMatchObject({
      do: "act",
      assignments: [{ nodeId: "n2", assignment: { desired: "absent", epoch: 2 } }],
    });
    const none = { ...half, n2: aCopyReport({ state: "absent", epoch: 2 }) };
    const plan = planGuest(aView({ guest: migrating, operation, copies: none }));
    expect(plan.do === "write" && plan.releases.map((each) => each.nodeId)).toEqual(["n1", "n2"]);
  });
});

describe("planGuest, whatever is reported", () => {
  it("never breaks an assertion, and a repeated write is the same write", () => {
    forEachSeed(1000, (prng) => {
      const view = randomView(prng);
      const plan = planGuest(view);
      expect(planGuest(view)).toEqual(plan);
    });
  });

  it("tells only the node of the record to run it, with the record's epoch (I1, G2)", () => {
    forEachSeed(1000, (prng) => {
      const view = randomView(prng);
      for (const { nodeId, assignment } of orders(planGuest(view))) {
        if (!["running", "paused"].includes(assignment.desired)) continue;
        const { placement } = view.guest.status;
        expect([nodeId, assignment.epoch]).toEqual([placement?.nodeId, placement?.epoch]);
      }
    });
  });

  it("comes to rest: writes follow each other until there is nothing left to write", () => {
    forEachSeed(1000, (prng) => {
      expect(writesUntilRest(randomView(prng))).toBeLessThan(5);
    });
  });
});

function writesUntilRest(start: GuestView): number {
  let view = start;
  for (let writes = 0; writes < 10; writes += 1) {
    const plan = planGuest(view);
    if (plan.do !== "write" || plan.guest === undefined) return writes;
    const isEnded = plan.operation !== undefined && plan.operation.state !== "running";
    view = {
      ...view,
      guest: plan.guest,
      operation: isEnded ? undefined : (plan.operation ?? view.operation),
    };
  }
  return Number.POSITIVE_INFINITY;
}

interface ViewParts {
  readonly guest: Guest;
  readonly operation?: Operation;
  readonly copies?: Readonly<Record<string, CopyReport>>;
  /** Nodes are synced unless something else is stated. */
  readonly links?: Readonly<Record<string, NodeLink>>;
}

function aView({ guest, operation, copies = {}, links = {} }: ViewParts): GuestView {
  return {
    guest,
    operation,
    image: anImage(),
    linkOf: (nodeId) => links[nodeId] ?? "synced",
    copyOn: (nodeId) => copies[nodeId],
    mayBeginMove: () => true,
    nowMs: NOW_MS,
  };
}

function aMigration(
  target: ReturnType<typeof aPlacement>,
): NonNullable<Guest["status"]["migration"]> {
  return {
    operationId: anOperation().id,
    step: "copying",
    sourceNodeId: "n1",
    sourceEpoch: 1,
    target,
    downtimeMsMax: 300,
    startedAtMs: NOW_MS,
    error: undefined,
  };
}

function orders(plan: GuestPlan): Extract<GuestPlan, { do: "act" }>["assignments"] {
  return plan.do === "act" ? plan.assignments : [];
}

/** A placed guest in any phase, with or without an operation, and any report of its node. */
function randomView(prng: Prng): GuestView {
  const phases = GUEST_PHASES.filter(
    (each) => !["PENDING", "MIGRATING", "DELETING"].includes(each),
  );
  const operation = prng.chance(0.5)
    ? anOperation({ kind: prng.pick(["create", "start", "stop", "pause", "resume"] as const) })
    : undefined;
  const guest = aGuest({
    onNode: "n1",
    phase: prng.pick(phases),
    intent: 2,
    generation: 2,
    operationId: operation?.id ?? "",
    spec: { desired: prng.pick(["running", "paused", "stopped"] as const) },
  });
  const report = aCopyReport({
    state: prng.pick(COPY_STATES),
    intent: prng.integer(1, 3),
    epoch: prng.integer(0, 2),
    generation: prng.integer(1, 2),
    lastExit: prng.chance(0.5) ? { reason: "guest-panic", message: "m" } : undefined,
  });
  return aView({
    guest,
    ...(operation ? { operation } : {}),
    copies: prng.chance(0.9) ? { n1: report } : {},
    links: { n1: prng.pick(["synced", "synced", "unreachable", "unknown"] as const) },
  });
}
