import type {
  GuestAssignment as ProtoAssignment,
  CopyReport as ProtoReport,
} from "@innkeeper/proto/innkeeper/agent/v1/assignment";
import {
  GuestAssignment as AssignmentMessage,
  CopyReport as ReportMessage,
} from "@innkeeper/proto/innkeeper/agent/v1/assignment";
import { describe, expect, it } from "vitest";
import { ASSIGNED_STATES, COPY_STATES, type CopyReport } from "../domain/assignment.js";
import { EXIT_REASONS } from "../domain/copy.js";
import { ERROR_KINDS } from "../domain/errors.js";
import { RESTART_WHEN } from "../domain/guest.js";
import { NO_LIMITS } from "../domain/limits.js";
import { ENGINE_NAMES, MODES } from "../domain/mode.js";
import { aCopyReport, anAssignment } from "../testing/builders.js";
import { forEachSeed, type Prng } from "../testing/prng.js";
import {
  assignmentToProto,
  parseAssignment,
  parseReport,
  parseRestartPolicy,
  RESTART_DEFAULTS,
  reportToProto,
} from "./assignment-codec.js";

describe("assignments", () => {
  it("come back as they were sent, over real bytes", () => {
    forEachSeed(300, (prng) => {
      const sent = randomAssignment(prng);
      const bytes = AssignmentMessage.encode(assignmentToProto(sent)).finish();
      const back = parseAssignment(AssignmentMessage.decode(bytes));
      expect(back).toEqual(sent.desired === "absent" ? { ...sent, image: back.image } : sent);
    });
  });

  it.each<[string, Partial<ProtoAssignment>]>([
    ["guest_uid", { guestUid: "../../etc" }],
    ["epoch", { epoch: -1 }],
    ["intent", { intent: 0.5 }],
    ["generation", { generation: -1 }],
    ["desired", { desired: "gone" }],
    ["engine", { engine: "vmware" }],
    ["mode", { mode: "MODE_AUTO" as ProtoAssignment["mode"] }],
    ["mode", { mode: "MODE_UNSPECIFIED" as ProtoAssignment["mode"] }],
    ["vcpu_count", { vcpuCount: 0 }],
    ["memory_mib", { memoryMib: 0 }],
    ["disk_mib", { diskMib: -1 }],
    ["limits.pids_max", { limits: { ...NO_LIMITS, pidsMax: -1 } }],
    ["image", { image: undefined }],
    ["start_count", { startCount: -1 }],
    ["stop_timeout_ms", { stopTimeoutMs: -1 }],
  ])("with a bad %s are refused by that name", (field, bad) => {
    const proto = { ...assignmentToProto(anAssignment()), ...bad };
    expect(() => parseAssignment(proto)).toThrow(
      expect.objectContaining({ kind: "invalid", metadata: expect.objectContaining({ field }) }),
    );
  });

  it("that remove a guest need no image", () => {
    const proto = { ...assignmentToProto(anAssignment({ desired: "absent" })), image: undefined };
    expect(parseAssignment(proto).image.blobs).toEqual([]);
  });
});

describe("reports", () => {
  it("come back as they were sent, over real bytes", () => {
    forEachSeed(300, (prng) => {
      const sent = randomReport(prng);
      const bytes = ReportMessage.encode(reportToProto(sent)).finish();
      expect(parseReport(ReportMessage.decode(bytes))).toEqual(sent);
    });
  });

  it.each<[string, Partial<ProtoReport>]>([
    ["guest_uid", { guestUid: "" }],
    ["epoch", { epoch: -1 }],
    ["state", { state: "sleeping" }],
    ["restart_count", { restartCount: -1 }],
    ["last_exit.reason", { lastExit: { reason: "bored", message: "" } }],
    ["error.kind", { error: { kind: "odd", reason: "R", message: "m", metadata: {} } }],
  ])("with a bad %s are refused by that name", (field, bad) => {
    const proto = { ...reportToProto(aCopyReport()), ...bad };
    expect(() => parseReport(proto)).toThrow(
      expect.objectContaining({ kind: "invalid", metadata: expect.objectContaining({ field }) }),
    );
  });
});

describe("restart policies", () => {
  it("have defaults for what is unset", () => {
    expect(parseRestartPolicy("p", undefined)).toEqual(RESTART_DEFAULTS);
    const { proto } = { proto: assignmentToProto(anAssignment()).restartPolicy };
    const unset = proto && {
      ...proto,
      attemptsMax: undefined,
      backoffMin: undefined,
      backoffMax: { seconds: 0, nanos: 50_000_000 },
    };
    expect(parseRestartPolicy("p", unset)).toMatchObject({
      attemptsMax: RESTART_DEFAULTS.attemptsMax,
      backoffMsMin: 50,
      backoffMsMax: 50,
    });
  });

  it("refuse a minimum above the maximum", () => {
    const policy = { backoffMsMin: 2000, backoffMsMax: 1000 };
    const { restartPolicy } = assignmentToProto(anAssignment({ restartPolicy: policy }));
    expect(() => parseRestartPolicy("p", restartPolicy)).toThrow("p.backoff_min");
  });
});

function randomAssignment(prng: Prng): ReturnType<typeof anAssignment> {
  const backoffMsMin = prng.integer(0, 5000);
  return anAssignment({
    epoch: prng.integer(1, 2 ** 40),
    intent: prng.integer(0, 2 ** 52),
    generation: prng.integer(0, 2 ** 52),
    desired: prng.pick(ASSIGNED_STATES),
    engine: prng.pick(ENGINE_NAMES),
    mode: prng.pick(MODES),
    vcpuCount: prng.integer(1, 1024),
    memoryMib: prng.integer(1, 2 ** 32),
    diskMib: prng.integer(0, 2 ** 30),
    commandLine: prng.pick(["", "quiet", 'a="b,c" --x']),
    restartPolicy: {
      when: prng.pick(RESTART_WHEN),
      attemptsMax: prng.integer(0, 1000),
      backoffMsMin,
      backoffMsMax: backoffMsMin + prng.integer(0, 5000),
    },
    startCount: prng.integer(0, 2 ** 31 - 1),
    stopTimeoutMs: prng.integer(0, 2 ** 40),
    migrateTo: prng.chance(0.5)
      ? undefined
      : {
          uri: "tcp:h:1",
          downtimeMsMax: prng.integer(0, 60_000),
          slowdownPercentMax: prng.integer(0, 99),
        },
  });
}

function randomReport(prng: Prng): CopyReport {
  const progress = {
    transferredBytes: prng.integer(0, 2 ** 50),
    remainingBytes: prng.integer(0, 2 ** 50),
    totalBytes: prng.integer(0, 2 ** 50),
    elapsedMs: prng.integer(0, 2 ** 40),
    engineDowntimeMs: prng.pick([undefined, 0, 17]),
    ...(prng.chance(0.5) && {
      bytesPerSecond: prng.integer(1, 2 ** 40),
      dirtyBytesPerSecond: prng.integer(1, 2 ** 40),
      rounds: prng.integer(1, 100),
      downtimeLimitMs: prng.integer(1, 60_000),
      slowdownPercent: prng.integer(1, 99),
    }),
  };
  const error = {
    kind: prng.pick(ERROR_KINDS),
    reason: "R",
    message: "ä 😀",
    metadata: { "a b": "c" },
  };
  return aCopyReport({
    epoch: prng.integer(0, 2 ** 52),
    intent: prng.integer(0, 2 ** 52),
    state: prng.pick(COPY_STATES),
    restartCount: prng.integer(0, 2 ** 31 - 1),
    startedAtMs: prng.pick([undefined, 1_767_225_600_000]),
    lastExit: prng.pick([undefined, { reason: prng.pick(EXIT_REASONS), message: "m" }]),
    error: prng.pick([undefined, error]),
    incomingUri: prng.pick([undefined, "tcp:[::1]:49152"]),
    migration: prng.pick([undefined, progress]),
  });
}
