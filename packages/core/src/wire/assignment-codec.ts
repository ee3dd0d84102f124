/**
 * Assignments and copy reports on the private wire between controllers and agents. Both ends
 * validate.
 */
import type {
  GuestAssignment as ProtoAssignment,
  CopyReport as ProtoReport,
} from "@innkeeper/proto/innkeeper/agent/v1/assignment";
import type { Error as ProtoError } from "@innkeeper/proto/innkeeper/v1/error";
import {
  type RestartPolicy as ProtoRestartPolicy,
  RestartCondition,
} from "@innkeeper/proto/innkeeper/v1/guest";
import type { MigrationProgress as ProtoProgress } from "@innkeeper/proto/innkeeper/v1/operation";
import {
  ASSIGNED_STATES,
  COPY_STATES,
  type CopyReport,
  type GuestAssignment,
} from "../domain/assignment.js";
import { type CopyExit, EXIT_REASONS, type MigrationProgress } from "../domain/copy.js";
import { ERROR_KINDS, type ErrorDetail, invalidField } from "../domain/errors.js";
import type { RestartPolicy } from "../domain/guest.js";
import type { ImageManifest } from "../domain/image.js";
import { ENGINE_NAMES, MODES, type Mode } from "../domain/mode.js";
import { parseUuid } from "../domain/names.js";
import { MODE_TO_PROTO, parseEnum, parseOneOf, RESTART_TO_PROTO } from "./enums.js";
import { imageManifestToProto, parseImageManifest } from "./image-codec.js";
import { durationOf, parseDurationMs, parseInteger } from "./numbers.js";

const ANY = { min: 0, max: Number.MAX_SAFE_INTEGER };
const HOUR_MS = 3_600_000;

export function assignmentToProto(assignment: GuestAssignment): ProtoAssignment {
  return {
    ...assignment,
    mode: MODE_TO_PROTO[assignment.mode],
    image: imageManifestToProto(assignment.image),
    restartPolicy: restartPolicyToProto(assignment.restartPolicy),
  };
}

export function parseAssignment(proto: ProtoAssignment): GuestAssignment {
  const desired = parseOneOf("desired", proto.desired, ASSIGNED_STATES);
  const mode = parseEnum("mode", proto.mode, MODE_TO_PROTO);
  return {
    guestUid: parseUuid("guest_uid", proto.guestUid),
    guestId: proto.guestId,
    projectId: proto.projectId,
    epoch: parseInteger("epoch", proto.epoch, ANY),
    intent: parseInteger("intent", proto.intent, ANY),
    generation: parseInteger("generation", proto.generation, ANY),
    desired,
    engine: parseOneOf("engine", proto.engine, ENGINE_NAMES),
    mode: parseOneOf<Mode>("mode", mode, MODES),
    vcpuCount: parseInteger("vcpu_count", proto.vcpuCount, { min: 1, max: 1024 }),
    memoryMib: parseInteger("memory_mib", proto.memoryMib, { min: 1, max: 2 ** 32 }),
    image: desired === "absent" ? NO_IMAGE : parseImageManifest("image", proto.image),
    commandLine: proto.commandLine,
    restartPolicy: parseRestartPolicy("restart_policy", proto.restartPolicy),
    startCount: parseInteger("start_count", proto.startCount, ANY),
    stopTimeoutMs: parseInteger("stop_timeout_ms", proto.stopTimeoutMs, ANY),
    migrateTo: proto.migrateTo,
  };
}

/** What is to be removed needs no image. */
const NO_IMAGE: ImageManifest = {
  kind: "pvh",
  architecture: "x86_64",
  commandLine: "",
  memoryMibMin: 1,
  blobs: [],
};

export function reportToProto(report: CopyReport): ProtoReport {
  return {
    ...report,
    startedAtMs: report.startedAtMs ?? 0,
    error: errorToProto(report.error),
    incomingUri: report.incomingUri ?? "",
    migration: progressToProto(report.migration),
  };
}

export function parseReport(proto: ProtoReport): CopyReport {
  return {
    guestUid: parseUuid("guest_uid", proto.guestUid),
    epoch: parseInteger("epoch", proto.epoch, ANY),
    intent: parseInteger("intent", proto.intent, ANY),
    generation: parseInteger("generation", proto.generation, ANY),
    state: parseOneOf("state", proto.state, COPY_STATES),
    restartCount: parseInteger("restart_count", proto.restartCount, ANY),
    startedAtMs: proto.startedAtMs === 0 ? undefined : proto.startedAtMs,
    lastExit: parseExit(proto.lastExit),
    error: parseError(proto.error),
    incomingUri: proto.incomingUri === "" ? undefined : proto.incomingUri,
    migration: parseProgress(proto.migration),
  };
}

function parseExit(proto: ProtoReport["lastExit"]): CopyExit | undefined {
  if (proto === undefined) return undefined;
  const reason = parseOneOf("last_exit.reason", proto.reason, EXIT_REASONS);
  return { reason, message: proto.message };
}

export function errorToProto(error: ErrorDetail | undefined): ProtoError | undefined {
  return error && { ...error, metadata: { ...error.metadata } };
}

export function parseError(proto: ProtoError | undefined): ErrorDetail | undefined {
  return proto && { ...proto, kind: parseOneOf("error.kind", proto.kind, ERROR_KINDS) };
}

export function progressToProto(
  progress: MigrationProgress | undefined,
): ProtoProgress | undefined {
  return progress && { ...progress };
}

export function parseProgress(proto: ProtoProgress | undefined): MigrationProgress | undefined {
  return proto && { ...proto, engineDowntimeMs: proto.engineDowntimeMs };
}

export function restartPolicyToProto(policy: RestartPolicy): ProtoRestartPolicy {
  return {
    condition: RESTART_TO_PROTO[policy.when],
    attemptsMax: policy.attemptsMax,
    backoffMin: durationOf(policy.backoffMsMin),
    backoffMax: durationOf(policy.backoffMsMax),
  };
}

export const RESTART_DEFAULTS: RestartPolicy = {
  when: "on-failure",
  attemptsMax: 5,
  backoffMsMin: 100,
  backoffMsMax: 30_000,
};

/** Unset parts become the defaults. @throws `invalid`. */
export function parseRestartPolicy(
  field: string,
  proto: ProtoRestartPolicy | undefined,
): RestartPolicy {
  if (proto === undefined) return RESTART_DEFAULTS;
  const isUnset = proto.condition === RestartCondition.UNSPECIFIED;
  const hour = { min: 0, max: HOUR_MS };
  const backoffMsMax = parseDurationMs(`${field}.backoff_max`, proto.backoffMax, {
    ...hour,
    unset: RESTART_DEFAULTS.backoffMsMax,
  });
  const backoffMsMin = parseDurationMs(`${field}.backoff_min`, proto.backoffMin, {
    ...hour,
    unset: Math.min(RESTART_DEFAULTS.backoffMsMin, backoffMsMax),
  });
  if (backoffMsMin > backoffMsMax) {
    throw invalidField(
      `${field}.backoff_min`,
      backoffMsMin,
      `at most backoff_max, ${backoffMsMax}`,
    );
  }
  return {
    when: isUnset
      ? RESTART_DEFAULTS.when
      : parseEnum(`${field}.condition`, proto.condition, RESTART_TO_PROTO),
    attemptsMax: parseInteger(
      `${field}.attempts_max`,
      proto.attemptsMax ?? RESTART_DEFAULTS.attemptsMax,
      { min: 0, max: 1000 },
    ),
    backoffMsMin,
    backoffMsMax,
  };
}
