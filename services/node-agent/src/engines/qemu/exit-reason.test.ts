import { describe, expect, it } from "vitest";
import { brokenBy, type EndedProcess, exitOf, lastError, tracedReason } from "./exit-reason.js";

const TRACE = "qemu_system_shutdown_request reason=";

function anEnded(ended: Partial<EndedProcess>): EndedProcess {
  return { errors: "", end: undefined, isDestroyed: false, isIncoming: false, ...ended };
}

describe("the reason of an end", () => {
  it.each<[string, Partial<EndedProcess>, string]>([
    ["a power-off", { errors: `${TRACE}6\n` }, "guest-shutdown: the guest powered itself off"],
    ["a reset", { end: { code: 0, signal: undefined } }, "guest-reset: the guest reset itself"],
    [
      "a reset after a panic that only the console tells of",
      {
        end: { code: 0, signal: undefined },
        lastWords: "[ 1.0] Kernel panic - not syncing: Attempted to kill init!\r\nRebooting",
      },
      "guest-panic: the guest's kernel panicked (Attempted to kill init!)",
    ],
    [
      "a reset, whatever else the console says",
      { end: { code: 0, signal: undefined }, lastWords: "no kernel panic here" },
      "guest-reset: the guest reset itself",
    ],
    ["a panic", { errors: `${TRACE}8\n` }, "guest-panic: the guest's kernel panicked"],
    [
      "SIGTERM",
      { errors: `terminating on signal 15 from pid 1\n` },
      "killed: the hypervisor process was killed (terminating on signal 15 from pid 1)",
    ],
    ["a quit command", { errors: `${TRACE}2\n` }, "destroyed: the copy was destroyed"],
    ["an error of the host", { errors: `${TRACE}1\n` }, "engine-error: the hypervisor failed"],
    [
      "a signal",
      { end: { code: undefined, signal: "SIGKILL" } },
      "killed: the hypervisor process was killed (by SIGKILL)",
    ],
    [
      "an exit code, with QEMU's last words",
      { errors: "first\nno such kernel\n", end: { code: 1, signal: undefined } },
      "engine-error: the hypervisor failed (exit code 1; no such kernel)",
    ],
    ["nobody knows what", { end: undefined }, "killed: the hypervisor process was killed"],
    [
      "a migration that broke",
      {
        errors: "load of migration failed\n",
        end: { code: 1, signal: undefined },
        isIncoming: true,
      },
      "incoming-failed: the migration did not arrive whole (exit code 1; load of migration failed)",
    ],
    [
      "our own kill",
      { errors: `${TRACE}7\n`, end: { code: undefined, signal: "SIGKILL" }, isDestroyed: true },
      "destroyed: the copy was destroyed (by SIGKILL)",
    ],
  ])("is told after %s", (_, ended, told) => {
    const { reason, message } = exitOf(anEnded(ended));
    expect(`${reason}: ${message}`).toBe(told);
  });

  it("is what QEMU traced, even if the process was killed while it was ending", () => {
    const end = { code: undefined, signal: "SIGKILL" };
    expect(exitOf(anEnded({ errors: `${TRACE}8\n`, end })).reason).toBe("guest-panic");
  });

  it("is a kill when a receiving process was killed", () => {
    const end = { code: undefined, signal: "SIGKILL" };
    expect(exitOf(anEnded({ end, isIncoming: true })).reason).toBe("killed");
  });

  it("has a message of bounded length, whatever QEMU wrote", () => {
    const end = { code: 1, signal: undefined };
    const { message } = exitOf(anEnded({ errors: "x".repeat(100_000), end }));
    expect(message).toHaveLength(300);
  });
});

describe("a guest that stands still", () => {
  it.each([
    ["running", undefined, undefined],
    ["paused", undefined, undefined],
    ["io-error", { nospace: true }, undefined],
    ["io-error", { operation: "read", reason: "EIO" }, "its disk failed: read: EIO"],
    ["io-error", undefined, "its disk failed"],
    ["internal-error", { nospace: true }, "its virtual CPU cannot go on"],
  ])("is told why it cannot go on, if it cannot: %s %j", (status, data, told) => {
    expect(brokenBy(status, data && { event: "BLOCK_IO_ERROR", data })).toBe(told);
  });

  it("and is ended for it ended by an engine's error, not by a kill", () => {
    const end = { code: undefined, signal: "SIGKILL" };
    const broken = "its disk failed: read: EIO";
    expect(exitOf(anEnded({ end, broken }))).toEqual({
      reason: "engine-error",
      message: `the guest was ended: ${broken}`,
    });
  });
});

describe("what QEMU traced", () => {
  it("is its last word when there are several", () => {
    expect(tracedReason(`${TRACE}7\nnoise\n${TRACE}6\n`)).toBe("guest-shutdown");
  });

  it("is nothing when it wrote nothing, or a cause that is not known", () => {
    expect(tracedReason("")).toBeUndefined();
    expect(tracedReason(`${TRACE}99\n`)).toBeUndefined();
  });

  it("is not taken for an error", () => {
    expect(lastError(`broken pipe\n${TRACE}1\n\n`)).toBe("broken pipe");
    expect(lastError(`${TRACE}6\n`)).toBe("");
  });
});
