/** Guests on the public wire: requests are validated here, records are shown as they are. */
import {
  allLimits,
  type Guest,
  type GuestNeeds,
  type GuestSpec,
  invalidField,
  type Labels,
  migrationPolicyOf,
  NO_NEEDS,
  NO_RULES,
  type Placement,
  PRIORITY_MAX,
  parseLabels,
  parseName,
  type Rejection,
  type Resources,
} from "@innkeeper/core";
import {
  budgetText,
  COMMAND_LINE_LENGTH_MAX,
  DISK_MIB_MAX,
  durationOf,
  forwardsToProto,
  MODE_TO_PROTO,
  migrationPolicyToProto,
  PHASE_TO_PROTO,
  parseDataDisks,
  parseDisruptionBudget,
  parseDurationMs,
  parseEnum,
  parseForwards,
  parseInteger,
  parseLimits,
  parseMigrationPolicy,
  parsePlacementRules,
  parsePrintable,
  parseRestartPolicy,
  parseSeed,
  placementRulesText,
  RUN_STATE_TO_PROTO,
  restartPolicyToProto,
  seedSummary,
} from "@innkeeper/core/wire";
import {
  NetworkKind,
  type Guest as ProtoGuest,
  type GuestNeeds as ProtoNeeds,
  type Placement as ProtoPlacement,
  type Snapshot as ProtoSnapshot,
  type GuestSpec as ProtoSpec,
  type GuestStatus as ProtoStatus,
  RunState,
} from "@innkeeper/proto/innkeeper/v1/guest";
import {
  Mode as ProtoMode,
  type Resources as ProtoResources,
} from "@innkeeper/proto/innkeeper/v1/resources";
import type { Versioned } from "../mirror/mirror.js";
import { parseOptionalName, parseProjectId } from "./parse-request.js";

const CPU_MILLIS = { min: 100, max: 256_000, unset: 1000 };
const MEMORY_MIB = { min: 8, max: 16 * 1024 * 1024, unset: 128 };
/** 0 = none, or as large as the image's. */
const DISK_MIB = { min: 0, max: DISK_MIB_MAX };
/** vCPUs come in whole steps of this share of a CPU. */
const CPU_MILLIS_STEP = 50;
export const STOP_TIMEOUT = { min: 0, max: 3_600_000, unset: 10_000 };

const START_WITHIN = { min: 1, max: 3_600_000, unset: 0 };

export interface ParsedGuest {
  readonly projectId: string;
  readonly id: string;
  readonly labels: Labels;
  readonly spec: GuestSpec;
}

/** @throws `invalid` naming the first malformed field. */
export function parseNewGuest(proto: ProtoGuest | undefined, field = "guest"): ParsedGuest {
  if (proto === undefined) throw invalidField(field, "unset", "a guest with id and spec");
  return {
    projectId: parseProjectId(`${field}.project_id`, proto.projectId),
    id: parseName(`${field}.id`, proto.id),
    labels: parseLabels(`${field}.labels`, proto.labels),
    spec: parseSpec(`${field}.spec`, proto.spec),
  };
}

function parseSpec(field: string, proto: ProtoSpec | undefined): GuestSpec {
  if (proto === undefined) throw invalidField(field, "unset", "a spec with image_id");
  const isModeUnset = proto.mode === ProtoMode.UNSPECIFIED;
  return {
    imageId: parseName(`${field}.image_id`, proto.imageId),
    mode: isModeUnset ? "auto" : parseEnum(`${field}.mode`, proto.mode, MODE_TO_PROTO),
    needs: parseNeeds(`${field}.needs`, proto.needs),
    rules: proto.rules ? parsePlacementRules(`${field}.rules`, proto.rules) : NO_RULES,
    ...parsePriority(`${field}.priority`, proto.priority),
    ...(proto.preemptible && { isPreemptible: true }),
    ...parseBudget(`${field}.disruption_budget`, proto.disruptionBudget),
    ...(proto.migrationPolicy && {
      migrationPolicy: parseMigrationPolicy(`${field}.migration_policy`, proto.migrationPolicy),
    }),
    resources: parseGuestResources(`${field}.resources`, proto.resources),
    limits: parseLimits(`${field}.limits`, proto.limits),
    dataDisks: parseDataDisks(`${field}.data_disks`, proto.dataDisks),
    commandLine: parsePrintable(
      `${field}.command_line`,
      proto.commandLine,
      COMMAND_LINE_LENGTH_MAX,
    ),
    ...parseNetworkKind(`${field}.network_kind`, proto.networkKind),
    ...parseGuestForwards(`${field}.forwards`, proto),
    ...(proto.seed === undefined ? {} : { seed: parseSeed(`${field}.seed`, proto.seed) }),
    restartPolicy: parseRestartPolicy(`${field}.restart_policy`, proto.restartPolicy),
    desired: parseDesired(`${field}.desired_run_state`, proto.desiredRunState),
    nodeId: parseOptionalName(`${field}.node_id`, proto.nodeId),
    stopTimeoutMs: parseDurationMs(`${field}.stop_timeout`, proto.stopTimeout, STOP_TIMEOUT),
    startCount: 1,
  };
}

function parsePriority(field: string, value: number): Pick<GuestSpec, "priority"> {
  const priority = parseInteger(field, value, { min: -PRIORITY_MAX, max: PRIORITY_MAX });
  return priority === 0 ? {} : { priority };
}

function parseBudget(field: string, text: string): Pick<GuestSpec, "disruptionBudget"> {
  return text === "" ? {} : { disruptionBudget: parseDisruptionBudget(field, text) };
}

function parseNetworkKind(field: string, kind: NetworkKind): Pick<GuestSpec, "isBridged"> {
  if (kind === NetworkKind.BRIDGE) return { isBridged: true };
  if (kind === NetworkKind.UNSPECIFIED || kind === NetworkKind.USER) return {};
  throw invalidField(field, kind, "user or bridge");
}

/** Guests without any are as those of earlier releases. */
function parseGuestForwards(
  field: string,
  { forwards }: Pick<ProtoSpec, "forwards">,
): Pick<GuestSpec, "forwards"> {
  return forwards.length === 0 ? {} : { forwards: parseForwards(field, forwards, 0) };
}

function parseDesired(field: string, value: RunState): "running" {
  const isAllowed = value === RunState.UNSPECIFIED || value === RunState.RUNNING;
  if (!isAllowed) throw invalidField(field, value, "unset; a new guest is started");
  return "running";
}

function parseNeeds(field: string, proto: ProtoSpec["needs"]): GuestNeeds {
  if (proto === undefined) return NO_NEEDS;
  const { liveMigration, ownKernel, startWithin } = proto;
  const startWithinMs =
    startWithin && parseDurationMs(`${field}.start_within`, startWithin, START_WITHIN);
  return { liveMigration, ownKernel, startWithinMs };
}

function needsToProto({ liveMigration, ownKernel, startWithinMs }: GuestNeeds): ProtoNeeds {
  const startWithin = startWithinMs === undefined ? undefined : durationOf(startWithinMs);
  return { liveMigration, ownKernel, startWithin };
}

function parseGuestResources(field: string, proto: ProtoResources | undefined): Resources {
  if (proto === undefined) {
    return { cpuMillis: CPU_MILLIS.unset, memoryMib: MEMORY_MIB.unset, diskMib: 0 };
  }
  return {
    cpuMillis: parseCpuMillis(`${field}.cpu_millis`, proto.cpuMillis),
    memoryMib: parseMemoryMib(`${field}.memory_mib`, proto.memoryMib),
    diskMib: parseInteger(`${field}.disk_mib`, proto.diskMib, DISK_MIB),
  };
}

export function parseCpuMillis(field: string, value: number): number {
  const cpuMillis = parseInteger(field, value, CPU_MILLIS);
  if (cpuMillis % CPU_MILLIS_STEP === 0) return cpuMillis;
  throw invalidField(field, cpuMillis, `a multiple of ${CPU_MILLIS_STEP}`);
}

export function parseMemoryMib(field: string, value: number): number {
  return parseInteger(field, value, MEMORY_MIB);
}

/** Undefined stays so: it means "as it is". */
export function parseDiskMib(field: string, value: number | undefined): number | undefined {
  return value === undefined ? undefined : parseInteger(field, value, DISK_MIB);
}

export function guestToProto({ value: guest, revision }: Versioned<Guest>): ProtoGuest {
  return {
    id: guest.id,
    projectId: guest.projectId,
    uid: guest.uid,
    labels: { ...guest.labels },
    spec: specToProto(guest.spec),
    status: statusToProto(guest),
    etag: String(revision),
    generation: guest.generation,
    createTime: new Date(guest.createdAtMs),
    updateTime: new Date(guest.updatedAtMs),
    operationId: guest.operationId,
    gangId: guest.gangId ?? "",
  };
}

function specToProto(spec: GuestSpec): ProtoSpec {
  return {
    imageId: spec.imageId,
    mode: MODE_TO_PROTO[spec.mode],
    needs: needsToProto(spec.needs ?? NO_NEEDS),
    rules: placementRulesText(spec.rules ?? NO_RULES),
    priority: spec.priority ?? 0,
    preemptible: spec.isPreemptible === true,
    disruptionBudget: budgetText(spec.disruptionBudget),
    migrationPolicy: migrationPolicyToProto(migrationPolicyOf(spec)),
    resources: spec.resources,
    limits: allLimits(spec.limits),
    dataDisks: [...(spec.dataDisks ?? [])],
    commandLine: spec.commandLine,
    restartPolicy: restartPolicyToProto(spec.restartPolicy),
    forwards: forwardsToProto(spec.forwards),
    seed: seedSummary(spec.seed),
    networkKind: spec.isBridged === true ? NetworkKind.BRIDGE : NetworkKind.USER,
    nodeId: spec.nodeId,
    stopTimeout: durationOf(spec.stopTimeoutMs),
    desiredRunState: RUN_STATE_TO_PROTO[spec.desired],
  };
}

/** Those that are there, as far as the node has said. */
function snapshotsToProto({ spec, status }: Guest): ProtoSnapshot[] {
  const known = status.resize?.before?.snapshots ?? spec.snapshots ?? [];
  return known.map(({ name, hasMemory: memory, sizeMib, createdAtMs }) => {
    return { name, memory, sizeMib, createTime: new Date(createdAtMs) };
  });
}

function statusToProto(guest: Guest): ProtoStatus {
  const { status } = guest;
  const { migration } = status;
  return {
    phase: PHASE_TO_PROTO[status.phase],
    reason: status.reason,
    message: status.message,
    placement: status.placement && placementToProto(status.placement),
    rejections: status.rejections.map((each) => ({ ...each })),
    migration: migration && {
      operationId: migration.operationId,
      sourceNodeId: migration.sourceNodeId,
      targetNodeId: migration.target.nodeId,
      step: migration.step,
    },
    restartCount: status.restartCount,
    startTime: status.startedAtMs === undefined ? undefined : new Date(status.startedAtMs),
    lastExit: status.lastExit && { ...status.lastExit },
    observedGeneration: status.observedGeneration,
    launchedWith: status.launchedWith,
    network: status.network && { ipAddress: "", ...status.network },
    snapshots: snapshotsToProto(guest),
  };
}

export function placementToProto({
  nodeId,
  engine,
  mode,
  epoch,
  decision,
}: Placement): ProtoPlacement {
  return {
    nodeId,
    engine,
    mode: MODE_TO_PROTO[mode],
    epoch,
    message: decision.message,
    candidates: decision.candidates.map((each) => ({ ...each, mode: MODE_TO_PROTO[each.mode] })),
    rejections: decision.rejections.map((each: Rejection) => ({ ...each })),
    snapshotRevision: decision.revision,
    seed: decision.seed,
  };
}
