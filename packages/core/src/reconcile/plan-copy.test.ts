import { describe, expect, it } from "vitest";
import { ASSIGNED_STATES, COPY_STATES, type GuestAssignment } from "../domain/assignment.js";
import type { ErrorDetail } from "../domain/errors.js";
import { NO_LIMITS } from "../domain/limits.js";
import { anAssignment } from "../testing/builders.js";
import {
  type CopyAction,
  type CopyPlan,
  type CopyView,
  NEVER_STARTED,
  planCopy,
  type RestartMemory,
} from "./plan-copy.js";

const AS_ASSIGNED = { cpuMillis: 1000, memoryMib: 256 };
const NOW_MS = 100_000;
const RUNS = ["running", "paused", "incoming", "received", "sent"] as const;
const FAILURE: ErrorDetail = { kind: "precondition", reason: "R", message: "m", metadata: {} };
const EXIT = { reason: "guest-shutdown", message: "off" } as const;

type Copy = CopyView["copy"];

/**
 * Memories an agent may have: nothing, launched once, ended for good, backing off, due again,
 * failed.
 */
const MEMORIES: Readonly<Record<string, RestartMemory>> = {
  never: NEVER_STARTED,
  launched: { ...NEVER_STARTED, startCount: 0, startedAtMs: 1 },
  ended: { ...NEVER_STARTED, startCount: 0, lastExit: EXIT },
  backingOff: { ...NEVER_STARTED, startCount: 0, lastExit: EXIT, restartAtMs: NOW_MS + 5 },
  due: { ...NEVER_STARTED, startCount: 0, lastExit: EXIT, restartAtMs: NOW_MS },
  failed: { ...NEVER_STARTED, startCount: 0, lastExit: EXIT, failure: FAILURE },
};

const COPIES: readonly Copy[] = [
  undefined,
  ...[1, 2].flatMap((epoch) => RUNS.map((run) => ({ epoch, run }))),
];

/** Every view that an agent can have of one guest with an assignment of epoch 2. */
const VIEWS: readonly CopyView[] = ASSIGNED_STATES.flatMap((desired) =>
  COPIES.flatMap((copy) =>
    Object.values(MEMORIES).flatMap((memory) =>
      [true, false].flatMap((isSending) =>
        [undefined, FAILURE].flatMap((sendError) =>
          [undefined, NOW_MS - 10, NOW_MS - 60_000].flatMap((stopAskedAtMs) =>
            [true, false].map((mayHaveDisks) =>
              aView({ desired, copy, memory, isSending, sendError, stopAskedAtMs, mayHaveDisks }),
            ),
          ),
        ),
      ),
    ),
  ),
);

const RUNNING_ACTS: readonly (CopyAction | undefined)[] = ["launch", "resume"];

/** A stopped guest that sleeps is woken so that it can power off. */
function mayRun({ assignment: { desired }, copy }: CopyView): boolean {
  if (desired === "stopped") return copy !== undefined && copy.run !== "running";
  return desired === "running" || desired === "paused";
}

describe("planCopy, over every view", () => {
  it("has thousands of views, and a known state for each", () => {
    expect(VIEWS.length).toBe(6 * 11 * 6 * 2 * 2 * 3 * 2);
    for (const view of VIEWS) expect(COPY_STATES).toContain(planCopy(view).state);
  });

  it("never runs a copy unless the assignment of its own epoch says so (C1)", () => {
    const runs = VIEWS.filter((each) => RUNNING_ACTS.includes(planCopy(each).action));
    expect(runs.length).toBeGreaterThan(100);
    for (const view of runs) {
      expect(mayRun(view), describeView(view)).toBe(true);
      expect([undefined, view.assignment.epoch]).toContain(view.copy?.epoch);
    }
  });

  it("destroys a copy of another epoch before anything else (C2)", () => {
    for (const view of VIEWS.filter((each) => each.copy?.epoch === 1)) {
      expect(planCopy(view)).toEqual({ state: "stopping", action: "destroy", wakeAtMs: undefined });
    }
  });

  it("never resumes a copy that was sent or not completely received", () => {
    for (const view of VIEWS.filter((each) => each.assignment.desired === "incoming")) {
      expect(["launch-incoming", "destroy", undefined]).toContain(planCopy(view).action);
    }
    for (const view of VIEWS.filter((each) => each.copy?.run === "incoming")) {
      expect(planCopy(view).action).not.toBe("resume");
    }
  });

  it("launches only when there is no copy", () => {
    for (const view of VIEWS) {
      const isLaunch = ["launch", "launch-incoming"].includes(planCopy(view).action ?? "");
      if (isLaunch) expect(view.copy, describeView(view)).toBeUndefined();
    }
  });

  it("keeps everything that absent means away", () => {
    for (const view of VIEWS.filter((each) => each.assignment.desired === "absent")) {
      const { state, action } = planCopy(view);
      const left = view.copy !== undefined ? "destroy" : view.mayHaveDisks && "remove-disks";
      expect([state, action]).toEqual(left ? ["stopping", left] : ["absent", undefined]);
    }
  });

  it("removes disks only of a guest that shall be gone, after its copy", () => {
    const removing = VIEWS.filter((each) => planCopy(each).action === "remove-disks");
    expect(removing.length).toBeGreaterThan(0);
    for (const view of removing) {
      expect([view.assignment.desired, view.copy]).toEqual(["absent", undefined]);
    }
  });

  it("settles after a bounded number of acts when the engine does what it is told (C3)", () => {
    for (const view of VIEWS) {
      const acts: CopyAction[] = [];
      const settled = runToRest(view, acts);
      expect(acts.length, `${describeView(view)}: ${acts.join()}`).toBeLessThanOrEqual(4);
      expect(planCopy(settled)).toEqual(planCopy(structuredClone(settled)));
      expect(planCopy(settled).action).toBeUndefined();
    }
  });

  it("reaches what is desired when the engine does what it is told", () => {
    for (const view of VIEWS.filter((each) => each.memory === MEMORIES["never"])) {
      const { state } = planCopy(runToRest(view, []));
      expect(GOALS[view.assignment.desired], describeView(view)).toContain(state);
    }
  });
});

const GOALS: Readonly<Record<GuestAssignment["desired"], readonly string[]>> = {
  running: ["running", "incoming"],
  paused: ["paused", "incoming"],
  stopped: ["stopped", "stopping"],
  incoming: ["incoming", "received"],
  sending: ["sent", "sending", "stopped", "running", "paused"],
  absent: ["absent"],
};

describe("planCopy, start", () => {
  it.each([
    ["launches at the first start", "never", "starting launch"],
    ["launches again when it was lost without an exit", "launched", "starting launch"],
    ["stays stopped after an end for good", "ended", "stopped"],
    ["waits while it backs off", "backingOff", "backing-off"],
    ["launches when the back-off is over", "due", "starting launch"],
    ["stays failed", "failed", "failed"],
  ])("%s", (_, name, expected) => {
    const plan = planCopy(aView({ desired: "running", memory: MEMORIES[name] as RestartMemory }));
    expect(`${plan.state} ${plan.action ?? ""}`.trim()).toBe(expected);
  });

  it("wakes up when the back-off is over", () => {
    const view = aView({ desired: "running", memory: MEMORIES["backingOff"] as RestartMemory });
    expect(planCopy(view).wakeAtMs).toBe(NOW_MS + 5);
  });

  it("forgets every failure at a start by request", () => {
    for (const memory of Object.values(MEMORIES)) {
      const view = aView({ desired: "running", memory });
      const fresh = { ...view, assignment: { ...view.assignment, startCount: 9 } };
      expect(planCopy(fresh)).toMatchObject({ state: "starting", action: "launch" });
    }
  });
});

describe("planCopy, stop", () => {
  const running = { epoch: 2, run: "running" } as const;

  it("asks for power-off, waits for the time-out, then ends it by force", () => {
    const stop = { desired: "stopped", copy: running } as const;
    expect(planCopy(aView(stop)).action).toBe("request-shutdown");
    const asked = aView({ ...stop, stopAskedAtMs: NOW_MS - 10 });
    expect(planCopy(asked)).toEqual({
      state: "stopping",
      action: undefined,
      wakeAtMs: NOW_MS - 10 + asked.assignment.stopTimeoutMs,
    });
    const late = NOW_MS - asked.assignment.stopTimeoutMs;
    expect(planCopy(aView({ ...stop, stopAskedAtMs: late })).action).toBe("destroy");
  });

  it("wakes a paused copy so that it can power off", () => {
    const plan = planCopy(aView({ desired: "stopped", copy: { epoch: 2, run: "paused" } }));
    expect(plan.action).toBe("resume");
  });

  it("ends it at once when there is no time-out", () => {
    const view = aView({ desired: "stopped", copy: running });
    const assignment = { ...view.assignment, stopTimeoutMs: 0 };
    expect(planCopy({ ...view, assignment }).action).toBe("destroy");
  });

  it("cancels a migration before it stops, pauses or goes on", () => {
    for (const desired of ["running", "paused", "stopped"] as const) {
      const plan = planCopy(aView({ desired, copy: running, isSending: true }));
      expect(plan.action).toBe("cancel-migration");
    }
  });
});

describe("disks that a guest has no longer", () => {
  it("are removed when no copy has them, before anything else but its removal", () => {
    for (const desired of ["running", "paused", "stopped"] as const) {
      const plan = planCopy(aView({ desired, mayHaveOldDisks: true }));
      expect(plan).toMatchObject({ state: "resizing", action: "settle-disks" });
    }
    const stuck = aView({ desired: "stopped", mayHaveOldDisks: true });
    const told = planCopy({ ...stuck, diskError: FAILURE });
    expect(told).toMatchObject({ state: "stopped", action: undefined });
    const view = { mayHaveOldDisks: true, mayHaveDisks: true };
    const copy = { epoch: 2, run: "running" } as const;
    expect(planCopy(aView({ desired: "absent", ...view })).action).toBe("remove-disks");
    expect(planCopy(aView({ desired: "running", copy, ...view })).action).toBeUndefined();
  });
});

describe("the resources of a copy that runs", () => {
  const smaller = { cpuMillis: 1000, memoryMib: 128 };
  const running: Copy = { epoch: 2, run: "running" };

  it("are changed when they are not as assigned, or not known", () => {
    for (const applied of [smaller, undefined]) {
      const plan = planCopy(aView({ desired: "running", copy: running, applied }));
      expect(plan).toMatchObject({ state: "resizing", action: "set-resources" });
    }
  });

  it("are changed when only a limit is another, and not when it is the same", () => {
    const limits = { ...NO_LIMITS, diskIopsMax: 100 };
    const view = aView({ desired: "running", copy: running, applied: smaller });
    const asked = { ...view, assignment: { ...view.assignment, ...smaller, limits } };
    expect(planCopy(asked)).toMatchObject({ action: "set-resources" });
    const applied = { ...smaller, limits };
    expect(planCopy({ ...asked, applied })).toMatchObject({ state: "running", action: undefined });
  });

  it("are changed one at a time, and the copy is not told as running meanwhile", () => {
    const view = aView({ desired: "running", copy: running, applied: undefined, isResizing: true });
    expect(planCopy(view)).toMatchObject({ state: "resizing", action: undefined });
  });

  it("are not tried again when they could not be changed", () => {
    const resizeError = { kind: "precondition", reason: "X", message: "", metadata: {} } as const;
    const view = aView({ desired: "running", copy: running, applied: smaller, resizeError });
    expect(planCopy(view)).toMatchObject({ state: "running", action: undefined });
  });

  it("do not keep a copy from being paused, stopped or removed", () => {
    for (const desired of ["paused", "stopped", "absent"] as const) {
      const view = aView({ desired, copy: running, applied: undefined, isResizing: true });
      expect(planCopy(view).action).toBe(
        { paused: "pause", stopped: "request-shutdown", absent: "destroy" }[desired],
      );
    }
  });
});

interface ViewParts {
  readonly desired: GuestAssignment["desired"];
  readonly copy?: Copy;
  readonly memory?: RestartMemory;
  readonly isSending?: boolean;
  readonly sendError?: ErrorDetail | undefined;
  readonly stopAskedAtMs?: number | undefined;
  readonly mayHaveOldDisks?: boolean;
  readonly mayHaveDisks?: boolean;
  readonly applied?: CopyView["applied"];
  readonly isResizing?: boolean;
  readonly resizeError?: ErrorDetail | undefined;
}

function aView(parts: ViewParts): CopyView {
  return {
    assignment: anAssignment({ epoch: 2, desired: parts.desired }),
    memory: parts.memory ?? NEVER_STARTED,
    copy: parts.copy,
    isSending: parts.isSending ?? false,
    sendError: parts.sendError,
    stopAskedAtMs: parts.stopAskedAtMs,
    mayHaveOldDisks: parts.mayHaveOldDisks ?? false,
    mayHaveDisks: parts.mayHaveDisks ?? false,
    applied: "applied" in parts ? parts.applied : AS_ASSIGNED,
    isResizing: parts.isResizing ?? false,
    resizeError: parts.resizeError,
    nowMs: NOW_MS,
  };
}

/** Does what the plans say, on an engine that always obeys, until there is nothing to do. */
function runToRest(start: CopyView, acts: CopyAction[]): CopyView {
  let view = start;
  for (let step = 0; step < 10; step += 1) {
    const { action }: CopyPlan = planCopy(view);
    if (action === undefined) return view;
    acts.push(action);
    view = EFFECTS[action](view);
  }
  return view;
}

const running = (view: CopyView): CopyView => ({
  ...view,
  copy: { epoch: view.assignment.epoch, run: "running" },
});

const EFFECTS: Readonly<Record<CopyAction, (view: CopyView) => CopyView>> = {
  launch: (view) => ({
    ...running(view),
    memory: { ...view.memory, startCount: view.assignment.startCount, failure: undefined },
  }),
  "launch-incoming": (view) => ({
    ...view,
    copy: { epoch: view.assignment.epoch, run: "incoming" },
  }),
  resume: running,
  pause: (view) => ({ ...view, copy: { epoch: view.assignment.epoch, run: "paused" } }),
  "request-shutdown": (view) => ({ ...view, stopAskedAtMs: view.nowMs }),
  destroy: (view) => ({ ...view, copy: undefined, isSending: false }),
  "remove-disks": (view) => ({ ...view, mayHaveDisks: false }),
  "settle-disks": (view) => ({ ...view, mayHaveOldDisks: false }),
  migrate: (view) => ({ ...view, copy: { epoch: view.assignment.epoch, run: "sent" } }),
  "cancel-migration": (view) => ({ ...view, isSending: false }),
  "set-resources": (view) => ({ ...view, applied: view.assignment }),
};

function describeView({ assignment, copy, memory, ...rest }: CopyView): string {
  return JSON.stringify({ desired: assignment.desired, copy, memory, ...rest });
}
