import { describe, expect, it } from "vitest";
import { assert } from "../domain/assert.js";
import { COPY_STATES, type CopyReport, type CopyState } from "../domain/assignment.js";
import type { ErrorDetail } from "../domain/errors.js";
import type { Guest, Migration, MigrationStep } from "../domain/guest.js";
import type { MigrationForecast } from "../domain/migration-forecast.js";
import { MIGRATION_POLICY_DEFAULTS } from "../domain/migration-policy.js";
import type { Operation } from "../domain/operation.js";
import { aCopyReport, aGuest, anImage, anOperation, aPlacement } from "../testing/builders.js";
import { forEachSeed, type Prng } from "../testing/prng.js";
import type { GuestPlan, GuestView, NodeLink } from "./guest-view.js";
import { planGuest } from "./plan-guest.js";

const NOW_MS = 9000;
/** Of the guest in these tests; what nodes took before it is older. */
const INTENT = 5;
const URI = "tcp:n2:49152";
const OPERATION = anOperation({ kind: "migrate" });
const PROGRESS = {
  transferredBytes: 10,
  remainingBytes: 90,
  totalBytes: 100,
  elapsedMs: 5,
  engineDowntimeMs: undefined,
};

const FORECAST: MigrationForecast = {
  sourceNodeId: "n1",
  targetNodeId: "n2",
  willConverge: true,
  rounds: 1,
  totalMs: 500,
  downtimeMs: 1,
  transferBytes: 100,
  basis: {
    memoryBytes: 100,
    dirtyBytesPerSecond: undefined,
    bytesPerSecond: 1000,
    overheadMs: 1,
    samples: 0,
  },
};

describe("waiting for its turn", () => {
  const queued = (mayBegin: boolean, parts: ViewParts = {}): GuestView => {
    const asked = view("copying", { source: old("running"), ...parts });
    const { status } = asked.guest;
    const migration = status.migration && { ...status.migration, isQueued: true as const };
    const guest = { ...asked.guest, status: { ...status, migration } };
    return { ...asked, guest, mayBeginMove: () => mayBegin };
  };

  it("tells nobody anything, and says in its operation what it waits for (M3)", () => {
    const plan = planGuest(queued(false));
    expect(plan).toMatchObject({ operation: { message: "waits: n1 or n2 has other moves" } });
    const told = { ...OPERATION, message: "waits: n1 or n2 has other moves" };
    expect(planGuest(queued(false, { operation: told }))).toEqual({ do: "idle" });
  });

  it("begins when its nodes have a move to spare; its time counts from then (M3)", () => {
    expect(planGuest(queued(true))).toMatchObject({
      do: "write",
      guest: { status: { migration: { isQueued: undefined, startedAtMs: NOW_MS } } },
    });
  });

  it("can be cancelled, and ends when its target is gone", () => {
    const operation = { ...OPERATION, isCancelRequested: true };
    for (const parts of [{ operation }, { links: { n2: "unreachable" as const } }]) {
      expect(planGuest(queued(false, parts))).toMatchObject({
        guest: { status: { migration: { step: "reverting" } } },
      });
    }
  });
});

describe("copying", () => {
  it("has the target receive first, with its new epoch", () => {
    expect(ordersOf(view("copying", { source: old("running") }))).toEqual([
      "n2: incoming, epoch 2",
    ]);
  });

  it("sends from the source, with its old epoch, once the target says where to", () => {
    const waiting = { source: old("running"), target: taken("incoming", { epoch: 2 }) };
    expect(planGuest(view("copying", waiting))).toEqual({ do: "idle" });
    const listening = { ...waiting, target: taken("incoming", { epoch: 2, incomingUri: URI }) };
    expect(ordersOf(view("copying", listening))).toEqual(["n1: sending, epoch 1"]);
    const plan = planGuest(view("copying", listening));
    expect(plan).toMatchObject({
      assignments: [
        { assignment: { migrateTo: { uri: URI, downtimeMsMax: 300, slowdownPercentMax: 80 } } },
      ],
    });
  });

  it("waits for a node that it cannot reach yet", () => {
    const unknownTarget = { source: old("running"), links: { n2: "unknown" } } as const;
    expect(planGuest(view("copying", unknownTarget))).toEqual({ do: "idle" });
    const target = taken("incoming", { epoch: 2, incomingUri: URI });
    const unknownSource = { source: old("running"), target, links: { n1: "unknown" } } as const;
    expect(planGuest(view("copying", unknownSource))).toEqual({ do: "idle" });
  });

  it("tells of progress once for each new figure", () => {
    const copies = {
      source: taken("sending", { migration: PROGRESS }),
      target: taken("incoming", { epoch: 2, incomingUri: URI }),
    };
    expect(planGuest(view("copying", copies))).toMatchObject({
      do: "write",
      operation: { migration: PROGRESS, state: "running" },
    });
    const told = { ...OPERATION, migration: PROGRESS };
    expect(planGuest(view("copying", { ...copies, operation: told }))).toEqual({ do: "idle" });
  });

  it("tells nobody to run, whatever is reported (M2)", () => {
    for (const source of COPY_STATES) {
      for (const target of COPY_STATES) {
        const copies = { source: taken(source), target: taken(target, { epoch: 2 }) };
        for (const order of ordersOf(view("copying", copies))) {
          expect(order).not.toMatch(/running|paused/);
        }
      }
    }
  });

  it("switches over only when all was sent and all was received", () => {
    for (const source of COPY_STATES) {
      for (const target of COPY_STATES) {
        const plan = planGuest(
          view("copying", { source: taken(source), target: taken(target, { epoch: 2 }) }),
        );
        const isComplete = source === "sent" && target === "received";
        expect(stepAfter(plan) === "switching", `${source}, ${target}`).toBe(isComplete);
      }
    }
  });

  it("makes the target the owner at the switch-over, with a new intent", () => {
    const copies = { source: taken("sent"), target: taken("received", { epoch: 2 }) };
    expect(planGuest(view("copying", copies))).toMatchObject({
      do: "write",
      guest: { intent: INTENT + 1, status: { placement: { nodeId: "n2", epoch: 2 } } },
      operation: { state: "running" },
      releases: [],
    });
  });
});

describe("failing while copying", () => {
  const listening = taken("incoming", { epoch: 2, incomingUri: URI });
  const failure: ErrorDetail = {
    kind: "unavailable",
    reason: "BROKEN",
    message: "m",
    metadata: {},
  };

  it.each<[string, ViewParts, string]>([
    ["it is cancelled", { operation: { ...OPERATION, isCancelRequested: true } }, "CANCELLED"],
    ["the target does not answer", { links: { n2: "unreachable" } }, "TARGET_UNREACHABLE"],
    ["the target's copy ended", { target: taken("stopped", { epoch: 2 }) }, "TARGET_FAILED"],
    ["the target says why", { target: taken("failed", { epoch: 2, error: failure }) }, "BROKEN"],
    ["the guest ended before it was sent", { source: old("stopped") }, "SOURCE_ENDED"],
    ["the guest ended while sending", { source: taken("stopped") }, "SOURCE_ENDED"],
    ["sending failed", { source: taken("running", { error: failure }) }, "BROKEN"],
  ])("reverts with the reason when %s", (_, parts, reason) => {
    const plan = planGuest(
      view("copying", { source: old("running"), target: listening, ...parts }),
    );
    expect(stepAfter(plan)).toBe("reverting");
    expect(plan).toMatchObject({
      guest: { intent: INTENT + 1, status: { migration: { error: { reason } } } },
      operation: { state: "running" },
      releases: [],
    });
    assert(plan.do === "write", "it writes");
    expect(plan.guest?.status.placement?.nodeId).toBe("n1");
  });

  it("reverts when the policy's time is over, unless all has arrived, and says so", () => {
    const late = (parts: ViewParts): GuestView => {
      const present = view("copying", parts);
      const migrationPolicy = { ...MIGRATION_POLICY_DEFAULTS, timeoutMs: NOW_MS };
      const { guest } = present;
      return { ...present, guest: { ...guest, spec: { ...guest.spec, migrationPolicy } } };
    };
    const source = taken("sending", { migration: { ...PROGRESS, remainingBytes: 3 * 2 ** 20 } });
    const sending = { source, target: listening };
    expect(planGuest({ ...late(sending), nowMs: NOW_MS - 1 })).toMatchObject({ do: "write" });
    expect(stepAfter(planGuest({ ...late(sending), nowMs: NOW_MS - 1 }))).toBe("");
    const plan = planGuest(late(sending));
    expect(stepAfter(plan)).toBe("reverting");
    const error = {
      reason: "MIGRATION_TIMED_OUT",
      message: "not done within 9000 ms: 3 MiB were left",
    };
    expect(plan).toMatchObject({ guest: { status: { migration: { error } } } });
    const arrived = { source: taken("sent"), target: taken("received", { epoch: 2 }) };
    expect(stepAfter(planGuest(late(arrived)))).toBe("switching");
  });

  it("leaves it to the guest's policy whether one that ended meanwhile is started again", () => {
    for (const state of ["stopped", "failed", "running"] as const) {
      const plan = planGuest(view("copying", { source: taken(state), target: listening }));
      if (plan.do === "write") expect(plan.guest?.spec.startCount).toBe(0);
    }
    const back = view("reverting", { source: old("stopped"), error: failure });
    expect(ordersOf(back)).toContain("n1: running, epoch 1");
  });

  it("does not give up because the source is out of sight: it may be sending", () => {
    const parts = { source: taken("sending"), target: listening } as const;
    for (const link of ["unreachable", "unknown"] as const) {
      expect(stepAfter(planGuest(view("copying", { ...parts, links: { n1: link } })))).toBe("");
    }
  });
});

describe("switching", () => {
  it("runs the target, and removes the source once that is told, each once", () => {
    const parts = { source: old("sent"), target: old("received", { epoch: 2 }) };
    expect(ordersOf(view("switching", parts))).toEqual(["n2: running, epoch 2"]);
    const told = { ...parts, target: taken("received", { epoch: 2 }) };
    expect(ordersOf(view("switching", told))).toEqual(["n1: absent, epoch 1"]);
    const both = { ...told, source: taken("stopping") };
    expect(planGuest(view("switching", both))).toEqual({ do: "idle" });
  });

  it("removes the source also when the target does not answer", () => {
    const parts = { source: old("sent"), links: { n2: "unreachable" } } as const;
    expect(ordersOf(view("switching", parts))).toEqual(["n1: absent, epoch 1"]);
  });

  it("runs the target also when the source does not answer", () => {
    const parts = { target: old("received", { epoch: 2 }), links: { n1: "unreachable" } } as const;
    expect(ordersOf(view("switching", parts))).toEqual(["n2: running, epoch 2"]);
  });

  it("goes on to the target whatever happens: there is no way back", () => {
    for (const source of COPY_STATES) {
      for (const target of COPY_STATES) {
        const operation = { ...OPERATION, isCancelRequested: true };
        const copies = { source: taken(source), target: taken(target, { epoch: 2 }) };
        const plan = planGuest(view("switching", { ...copies, operation }));
        expect(stepAfter(plan)).not.toBe("reverting");
        for (const order of ordersOf(view("switching", copies))) {
          expect(order).not.toMatch(/^n1: (running|paused|sending)/);
        }
      }
    }
  });

  it("is not over while the target is only about to run", () => {
    const copies = { source: taken("absent"), target: taken("starting", { epoch: 2 }) };
    expect(planGuest(view("switching", copies))).toEqual({ do: "idle" });
  });

  it("is over when the target runs and the source is gone: its part is given back", () => {
    const copies = { source: taken("absent"), target: taken("running", { epoch: 2 }) };
    expect(planGuest(view("switching", copies))).toMatchObject({
      do: "write",
      guest: { operationId: "", status: { phase: "RUNNING", migration: undefined } },
      operation: { state: "succeeded", message: "moved to n2" },
      releases: [{ nodeId: "n1" }],
    });
  });

  it("keeps what the source told last, and how long it took beside what was expected", () => {
    const source = taken("absent", { migration: { ...PROGRESS, engineDowntimeMs: 3 } });
    const copies = { source, target: taken("running", { epoch: 2 }) };
    const operation = { ...OPERATION, forecast: FORECAST };
    expect(planGuest(view("switching", { ...copies, operation }))).toMatchObject({
      operation: { migration: { engineDowntimeMs: 3 }, forecast: { actualTotalMs: NOW_MS } },
    });
  });

  it("is not over while the source may still have its copy (G3)", () => {
    const target = taken("running", { epoch: 2 });
    for (const state of COPY_STATES.filter((each) => each !== "absent")) {
      const plan = planGuest(view("switching", { source: taken(state), target }));
      expect(plan.do, state).not.toBe("write");
    }
  });
});

describe("reverting", () => {
  const error: ErrorDetail = { kind: "unavailable", reason: "BROKEN", message: "m", metadata: {} };

  it("runs the source with its old epoch and removes the target", () => {
    expect(ordersOf(view("reverting", { source: old("sent"), error }))).toEqual([
      "n1: running, epoch 1",
      "n2: absent, epoch 2",
    ]);
  });

  it("never lets the target run", () => {
    for (const source of COPY_STATES) {
      for (const target of COPY_STATES) {
        const copies = { source: taken(source), target: taken(target, { epoch: 2 }), error };
        expect(ordersOf(view("reverting", copies)).join()).not.toMatch(/n2: (running|paused|inc)/);
      }
    }
  });

  it("ends without a target that does not answer, which is older than the record then", () => {
    const target = taken("received", { epoch: 2 });
    const parts = {
      source: taken("running"),
      target,
      error,
      links: { n2: "unreachable" },
    } as const;
    expect(planGuest(view("reverting", parts))).toMatchObject({
      guest: { intent: INTENT + 1, status: { migration: undefined } },
      releases: [{ nodeId: "n2" }],
    });
    const gone = { ...parts, target: taken("absent", { epoch: 2 }), links: {} };
    expect(planGuest(view("reverting", gone))).toMatchObject({ guest: { intent: INTENT } });
  });

  it("ends as failed with the reason, or as cancelled, and gives back the target's part", () => {
    const copies = { source: taken("running"), target: taken("absent", { epoch: 2 }) };
    const cancelled: ErrorDetail = { ...error, kind: "cancelled", reason: "CANCELLED" };
    expect(planGuest(view("reverting", { ...copies, error }))).toMatchObject({
      guest: { operationId: "", status: { phase: "RUNNING", placement: { nodeId: "n1" } } },
      operation: { state: "failed", error: { reason: "BROKEN" } },
      releases: [{ nodeId: "n2" }],
    });
    expect(planGuest(view("reverting", { ...copies, error: cancelled }))).toMatchObject({
      operation: { state: "cancelled", error: { reason: "CANCELLED" } },
    });
  });
});

describe("planMigration, whatever is reported", () => {
  it("orders only what follows from the step, is repeatable and breaks no assertion (M1)", () => {
    forEachSeed(1500, (prng) => {
      const step = prng.pick(["copying", "switching", "reverting"] as const);
      const present = view(step, randomParts(prng));
      expect(planGuest(present)).toEqual(planGuest(present));
      const owner = { copying: "nobody", switching: "n2", reverting: "n1" }[step];
      const running = ordersOf(present).filter((order) => /running|paused/.test(order));
      for (const order of running) expect(order.startsWith(owner), order).toBe(true);
    });
  });
});

function randomParts(prng: Prng): ViewParts {
  const report = (): CopyReport =>
    aReport({
      state: prng.pick(COPY_STATES),
      intent: prng.integer(INTENT - 1, INTENT + 1),
      epoch: prng.integer(1, 2),
      incomingUri: prng.chance(0.5) ? URI : undefined,
    });
  const link = (): NodeLink => prng.pick(["synced", "unreachable", "unknown"]);
  return {
    ...(prng.chance(0.8) ? { source: report() } : {}),
    ...(prng.chance(0.8) ? { target: report() } : {}),
    links: { n1: link(), n2: link() },
  };
}

interface ViewParts {
  readonly source?: CopyReport;
  readonly target?: CopyReport;
  readonly operation?: Operation;
  readonly links?: Readonly<Record<string, NodeLink>>;
  readonly error?: ErrorDetail;
}

/** A guest that moves from n1 (epoch 1) to n2 (epoch 2). Nodes are synced unless stated. */
function view(step: MigrationStep, parts: ViewParts): GuestView {
  const { source, target, operation = OPERATION, links = {}, error } = parts;
  return {
    guest: migrating(step, error),
    operation,
    image: anImage(),
    linkOf: (nodeId) => links[nodeId] ?? "synced",
    copyOn: (nodeId) => (nodeId === "n1" ? source : target),
    mayBeginMove: () => true,
    nowMs: NOW_MS,
  };
}

function migrating(step: MigrationStep, error: ErrorDetail | undefined): Guest {
  const target = aPlacement({ nodeId: "n2", epoch: 2 });
  const migration: Migration = {
    operationId: OPERATION.id,
    step,
    sourceNodeId: "n1",
    sourceEpoch: 1,
    target,
    downtimeMsMax: 300,
    startedAtMs: 0,
    error,
  };
  const guest = aGuest({ onNode: "n1", phase: "MIGRATING", intent: INTENT });
  const placement = step === "switching" ? target : guest.status.placement;
  const status = { ...guest.status, epochLast: 2, migration, placement };
  return { ...guest, operationId: OPERATION.id, status };
}

/** The report of a node that has taken the newest assignment. */
function taken(state: CopyState, overrides: Partial<CopyReport> = {}): CopyReport {
  return aReport({ state, intent: INTENT, ...overrides });
}

/** The report of a node that has not. */
function old(state: CopyState, overrides: Partial<CopyReport> = {}): CopyReport {
  return aReport({ state, intent: INTENT - 1, ...overrides });
}

function aReport(overrides: Partial<CopyReport>): CopyReport {
  return aCopyReport({ intent: INTENT, ...overrides });
}

function ordersOf(present: GuestView): string[] {
  const plan = planGuest(present);
  if (plan.do !== "act") return [];
  return plan.assignments.map(
    ({ nodeId, assignment }) => `${nodeId}: ${assignment.desired}, epoch ${assignment.epoch}`,
  );
}

/** The step that the plan writes; empty when it writes none. */
function stepAfter(plan: GuestPlan): string {
  const step = plan.do === "write" ? plan.guest?.status.migration?.step : undefined;
  return step === "copying" ? "" : (step ?? "");
}
