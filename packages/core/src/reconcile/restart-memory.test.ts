/** What an agent remembers of starts and ends: afterLaunch, afterExit. */
import { describe, expect, it } from "vitest";
import { EXIT_REASONS, type ExitReason } from "../domain/copy.js";
import { RESTART_WHEN, type RestartWhen } from "../domain/guest.js";
import { anAssignment } from "../testing/builders.js";
import { backoffMs } from "./backoff.js";
import { afterExit, afterLaunch, NEVER_STARTED, type RestartMemory } from "./plan-copy.js";

const NOW_MS = 1_000_000;
const LAUNCHED: RestartMemory = { ...NEVER_STARTED, startCount: 0, startedAtMs: NOW_MS - 10 };

describe("afterLaunch", () => {
  it("begins anew at a start by request", () => {
    const tired = { ...LAUNCHED, restartCount: 7, restartsInARow: 5, lastExit: exitOf("killed") };
    expect(afterLaunch(tired, anAssignment({ startCount: 1 }), NOW_MS)).toEqual({
      ...NEVER_STARTED,
      startCount: 1,
      startedAtMs: NOW_MS,
    });
  });

  it("counts a restart after an end, and not the launch of what never ran", () => {
    const ended = { ...LAUNCHED, restartCount: 7, restartsInARow: 2, lastExit: exitOf("killed") };
    const again = afterLaunch({ ...ended, restartAtMs: NOW_MS }, anAssignment(), NOW_MS);
    expect(again).toMatchObject({ restartCount: 8, restartsInARow: 3, restartAtMs: undefined });
    const first = afterLaunch({ ...LAUNCHED, startedAtMs: undefined }, anAssignment(), NOW_MS);
    expect(first).toMatchObject({ restartCount: 0, startedAtMs: NOW_MS });
  });
});

describe("afterExit", () => {
  const cases = RESTART_WHEN.flatMap((when) => EXIT_REASONS.map((reason) => ({ when, reason })));

  it.each(cases)("policy $when, end by $reason", ({ when, reason }) => {
    const after = end(LAUNCHED, { when, reason });
    expect(after.lastExit?.reason).toBe(reason);
    expect(fateOf(after)).toBe(expectedFate(when, reason));
  });

  it("follows the policy also while it is sent: it may be wanted here again", () => {
    const assignment = anAssignment({ desired: "sending" });
    const after = afterExit(LAUNCHED, assignment, { exit: exitOf("killed"), nowMs: NOW_MS });
    expect(after.restartAtMs).toBeGreaterThan(NOW_MS);
  });

  it("waits longer after each failure in a row, then gives up", () => {
    const { restartPolicy } = anAssignment();
    let memory = LAUNCHED;
    const delays: (number | undefined)[] = [];
    for (let failures = 0; failures <= restartPolicy.attemptsMax; failures += 1) {
      memory = end(memory, { when: "always", reason: "guest-panic" });
      delays.push(memory.restartAtMs && memory.restartAtMs - NOW_MS);
      if (memory.failure === undefined) memory = afterLaunch(memory, anAssignment(), NOW_MS - 10);
    }
    const expected = [0, 1, 2, 3, 4].map((row) => backoffMs(restartPolicy, row));
    expect(delays).toEqual([...expected, undefined]);
    expect(memory.failure).toMatchObject({ reason: "RESTARTS_EXHAUSTED" });
    expect(memory.failure?.message).toContain("6 times in a row");
  });

  it("forgets earlier failures after a healthy run", () => {
    const { restartPolicy } = anAssignment();
    const startedAtMs = NOW_MS - restartPolicy.backoffMsMax;
    const healthy = { ...LAUNCHED, startedAtMs, restartsInARow: 5, restartCount: 5 };
    const after = end(healthy, { when: "always", reason: "guest-panic" });
    expect(after).toMatchObject({ restartsInARow: 0, restartCount: 5, failure: undefined });
    expect(after.restartAtMs).toBe(NOW_MS + restartPolicy.backoffMsMin);
  });

  it("restarts nothing that is being stopped or removed", () => {
    for (const desired of ["stopped", "absent"] as const) {
      const exit = exitOf("killed");
      const after = afterExit(LAUNCHED, anAssignment({ desired }), { exit, nowMs: NOW_MS });
      expect(after).toEqual({ ...LAUNCHED, lastExit: exit });
    }
  });

  it("fails a receiving copy that ended, whatever the policy", () => {
    const assignment = anAssignment({ desired: "incoming" });
    const after = afterExit(LAUNCHED, assignment, { exit: exitOf("killed"), nowMs: NOW_MS });
    expect(after).toMatchObject({ failure: { reason: "INCOMING_FAILED" }, restartAtMs: undefined });
  });
});

function end(
  memory: RestartMemory,
  { when, reason }: { readonly when: RestartWhen; readonly reason: ExitReason },
): RestartMemory {
  const assignment = anAssignment({ restartPolicy: { when } });
  return afterExit(memory, assignment, { exit: exitOf(reason), nowMs: NOW_MS });
}

function exitOf(reason: ExitReason): { readonly reason: ExitReason; readonly message: string } {
  return { reason, message: "because" };
}

function fateOf(memory: RestartMemory): "restart" | "stopped" | "failed" {
  if (memory.failure !== undefined) return "failed";
  return memory.restartAtMs === undefined ? "stopped" : "restart";
}

function expectedFate(when: RestartWhen, reason: ExitReason): string {
  if (when === "always") return "restart";
  if (reason === "guest-shutdown") return "stopped";
  return when === "on-failure" ? "restart" : "failed";
}
