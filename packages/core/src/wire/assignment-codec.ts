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
import {
  ASSIGNED_STATES,
  COPY_STATES,
  type CopyReport,
  type GuestAssignment,
} from "../domain/assignment.js";
import { type CopyExit, EXIT_REASONS } from "../domain/copy.js";
import { ERROR_KINDS, type ErrorDetail, invalidField } from "../domain/errors.js";
import type { RestartPolicy } from "../domain/guest.js";
import type { ImageManifest } from "../domain/image.js";
import { allLimits } from "../domain/limits.js";
import { ENGINE_NAMES, MODES, type Mode } from "../domain/mode.js";
import { parseUuid } from "../domain/names.js";
import { parseDataDisks } from "./disks-codec.js";
import { MODE_TO_PROTO, parseEnum, parseOneOf, RESTART_TO_PROTO } from "./enums.js";
import {
  COMMAND_LINE_LENGTH_MAX,
  DISK_MIB_MAX,
  imageManifestToProto,
  parseImageManifest,
} from "./image-codec.js";
import { parseLimits } from "./limits-codec.js";
import {
  DOWNTIME_MS_MAX,
  parseProgress,
  progressToProto,
  SLOWDOWN_PERCENT,
} from "./migration-codec.js";
import {
  forwardsToProto,
  parseForwards,
  parseHostAddress,
  parseMacAddress,
} from "./network-codec.js";
import { cleanText, durationOf, parseDurationMs, parseInteger, parsePrintable } from "./numbers.js";
import { parseSeed, seedToProto } from "./seed-codec.js";
import { parseCloneOf, parseRestore, parseWantedSnapshots } from "./snapshot-codec.js";

const ANY = { min: 0, max: Number.MAX_SAFE_INTEGER };
/** Epochs and intents; half of what fits, so that adding to one never leaves the range. */
const COUNTER = { min: 0, max: 2 ** 52 };
/** The last moment that a Timestamp can tell: the end of the year 9999. */
const TIME_MS = { min: 0, max: 253_402_300_799_999 };
const VCPU_COUNT = { min: 1, max: 1024 };
const MEMORY_MIB = { min: 1, max: 2 ** 32 };
const DOWNTIME_MS = { min: 0, max: DOWNTIME_MS_MAX };
const HOUR_MS = 3_600_000;
const NAME_LENGTH_MAX = 63;
/** Texts of agents are kept in records; longer ones are cut, odd ones cleaned. */
const TEXT_LENGTH_MAX = 2_000;
const METADATA_MAX = 32;
const REASON = /^[A-Z][A-Z0-9_]{0,63}$/;
/** Nothing else ever reaches an engine, some of which would run a program for the asking. */
const MIGRATION_URI =
  /^(tcp:(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9.-]{1,253}):[1-9][0-9]{0,4}|sim:[\x20-\x7e]{1,1000})$/;

export function assignmentToProto(assignment: GuestAssignment): ProtoAssignment {
  return {
    ...assignment,
    limits: assignment.limits && allLimits(assignment.limits),
    dataDisks: [...(assignment.dataDisks ?? [])],
    snapshots: (assignment.snapshots ?? []).map((each) => ({ ...each })),
    restore: assignment.restore,
    cloneOf: assignment.cloneOf,
    mode: MODE_TO_PROTO[assignment.mode],
    image: imageManifestToProto(assignment.image),
    restartPolicy: restartPolicyToProto(assignment.restartPolicy),
    forwards: forwardsToProto(assignment.forwards),
    macAddress: assignment.macAddress ?? "",
    ipAddress: assignment.ipAddress ?? "",
    seed: seedToProto(assignment.seed),
    quickStart: assignment.quickStart === true,
    migrateTo: assignment.migrateTo && { slowdownPercentMax: 0, ...assignment.migrateTo },
  };
}

export function parseAssignment(proto: ProtoAssignment): GuestAssignment {
  const desired = parseOneOf("desired", proto.desired, ASSIGNED_STATES);
  const mode = parseEnum("mode", proto.mode, MODE_TO_PROTO);
  return {
    guestUid: parseUuid("guest_uid", proto.guestUid),
    guestId: parsePrintable("guest_id", proto.guestId, NAME_LENGTH_MAX),
    projectId: parsePrintable("project_id", proto.projectId, NAME_LENGTH_MAX),
    operationId: proto.operationId === "" ? "" : parseUuid("operation_id", proto.operationId),
    epoch: parseInteger("epoch", proto.epoch, COUNTER),
    intent: parseInteger("intent", proto.intent, COUNTER),
    generation: parseInteger("generation", proto.generation, ANY),
    desired,
    engine: parseOneOf("engine", proto.engine, ENGINE_NAMES),
    mode: parseOneOf<Mode>("mode", mode, MODES),
    vcpuCount: parseInteger("vcpu_count", proto.vcpuCount, VCPU_COUNT),
    cpuMillis: parseInteger("cpu_millis", proto.cpuMillis, { min: 1, max: 1000 * VCPU_COUNT.max }),
    memoryMibMax: parseInteger("memory_mib_max", proto.memoryMibMax, MEMORY_MIB),
    memoryMib: parseInteger("memory_mib", proto.memoryMib, MEMORY_MIB),
    ...parseNetwork(proto),
    ...(proto.seed === undefined ? {} : { seed: parseSeed("seed", proto.seed) }),
    ...(proto.quickStart ? { quickStart: true as const } : {}),
    limits: parseLimits("limits", proto.limits),
    diskMib: parseInteger("disk_mib", proto.diskMib, { min: 0, max: DISK_MIB_MAX }),
    dataDisks: parseDataDisks("data_disks", proto.dataDisks),
    snapshots: parseWantedSnapshots("snapshots", proto.snapshots),
    ...(proto.restore && { restore: parseRestore("restore", proto.restore) }),
    ...(proto.cloneOf && { cloneOf: parseCloneOf("clone_of", proto.cloneOf) }),
    image: desired === "absent" ? NO_IMAGE : parseImageManifest("image", proto.image),
    commandLine: parsePrintable("command_line", proto.commandLine, COMMAND_LINE_LENGTH_MAX),
    restartPolicy: parseRestartPolicy("restart_policy", proto.restartPolicy),
    startCount: parseInteger("start_count", proto.startCount, ANY),
    stopTimeoutMs: parseInteger("stop_timeout_ms", proto.stopTimeoutMs, ANY),
    migrateTo: parseTarget(proto.migrateTo),
  };
}

function parseNetwork({
  forwards,
  macAddress,
  ipAddress,
}: ProtoAssignment): Pick<GuestAssignment, "forwards" | "macAddress" | "ipAddress"> {
  const parsed = parseForwards("forwards", forwards, 1);
  const address = parseMacAddress("mac_address", macAddress);
  const onBridge = parseHostAddress("ip_address", ipAddress);
  return {
    ...(parsed.length === 0 ? {} : { forwards: parsed }),
    ...(address === "" ? {} : { macAddress: address }),
    ...(onBridge === "" ? {} : { ipAddress: onBridge }),
  };
}

function parseTarget(proto: ProtoAssignment["migrateTo"]): GuestAssignment["migrateTo"] {
  return (
    proto && {
      uri: parseUri("migrate_to.uri", proto.uri),
      downtimeMsMax: parseInteger("migrate_to.downtime_ms_max", proto.downtimeMsMax, DOWNTIME_MS),
      slowdownPercentMax: parseInteger(
        "migrate_to.slowdown_percent_max",
        proto.slowdownPercentMax,
        SLOWDOWN_PERCENT,
      ),
    }
  );
}

function parseUri(field: string, value: string): string {
  if (!MIGRATION_URI.test(value)) throw invalidField(field, value, "tcp:host:port");
  return value;
}

/** What is to be removed needs no image. */
const NO_IMAGE: ImageManifest = {
  kind: "pvh",
  architecture: "x86_64",
  commandLine: "",
  memoryMibMin: 1,
  diskFormat: undefined,
  diskMib: 0,
  command: [],
  blobs: [],
};

const PERCENT = { min: 0, max: 100 };

export function reportToProto(report: CopyReport): ProtoReport {
  return {
    ...report,
    startedAtMs: report.startedAtMs ?? 0,
    error: errorToProto(report.error),
    changeError: errorToProto(report.changeError),
    trouble: errorToProto(report.trouble),
    incomingUri: report.incomingUri ?? "",
    migration: progressToProto(report.migration),
  };
}

export function parseReport(proto: ProtoReport): CopyReport {
  return {
    guestUid: parseUuid("guest_uid", proto.guestUid),
    epoch: parseInteger("epoch", proto.epoch, COUNTER),
    intent: parseInteger("intent", proto.intent, COUNTER),
    generation: parseInteger("generation", proto.generation, ANY),
    state: parseOneOf("state", proto.state, COPY_STATES),
    restartCount: parseInteger("restart_count", proto.restartCount, ANY),
    startedAtMs: parseInteger("started_at_ms", proto.startedAtMs, TIME_MS) || undefined,
    lastExit: parseExit(proto.lastExit),
    error: parseError(proto.error),
    ...(proto.changeError && { changeError: parseError(proto.changeError, "change_error") }),
    ...(proto.clonedPercent !== undefined && {
      clonedPercent: parseInteger("cloned_percent", proto.clonedPercent, PERCENT),
    }),
    ...(proto.trouble && { trouble: parseError(proto.trouble, "trouble") }),
    incomingUri: proto.incomingUri === "" ? undefined : parseUri("incoming_uri", proto.incomingUri),
    migration: parseProgress(proto.migration),
    launchedWith: proto.launchedWith && {
      vcpuCount: parseInteger("launched_with.vcpu_count", proto.launchedWith.vcpuCount, VCPU_COUNT),
      memoryMib: parseInteger("launched_with.memory_mib", proto.launchedWith.memoryMib, MEMORY_MIB),
    },
  };
}

function parseExit(proto: ProtoReport["lastExit"]): CopyExit | undefined {
  if (proto === undefined) return undefined;
  const reason = parseOneOf("last_exit.reason", proto.reason, EXIT_REASONS);
  return { reason, message: clean(proto.message) };
}

export function errorToProto(error: ErrorDetail | undefined): ProtoError | undefined {
  return error && { ...error, metadata: { ...error.metadata } };
}

/** @throws `invalid` for an unknown kind or an odd reason; texts are cleaned. */
export function parseError(
  proto: ProtoError | undefined,
  field = "error",
): ErrorDetail | undefined {
  if (proto === undefined) return undefined;
  const { reason, message, metadata } = proto;
  if (!REASON.test(reason)) throw invalidField(`${field}.reason`, reason, "UPPER_SNAKE");
  const kept = Object.entries(metadata).slice(0, METADATA_MAX);
  return {
    kind: parseOneOf(`${field}.kind`, proto.kind, ERROR_KINDS),
    reason,
    message: clean(message),
    metadata: Object.fromEntries(kept.map(([key, value]) => [clean(key), clean(value)])),
  };
}

function clean(text: string): string {
  return cleanText(text, TEXT_LENGTH_MAX);
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
