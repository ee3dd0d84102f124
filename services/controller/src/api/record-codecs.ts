/** Operations, nodes, projects and images on the public wire. */

import {
  allocatable,
  type Drain,
  type Image,
  invalidField,
  isDone,
  type NodeRecord,
  type Operation,
  type Project,
  QUOTA_KINDS,
  type Quota,
  type QuotaKind,
} from "@innkeeper/core";
import {
  abilityToProto,
  errorToProto,
  forecastToProto,
  imageManifestToProto,
  NODE_STATE_TO_PROTO,
  OPERATION_KIND_TO_PROTO,
  OPERATION_STATE_TO_PROTO,
  parseInteger,
  policyToProto,
  progressToProto,
  templateToProto,
} from "@innkeeper/core/wire";
import type { Image as ProtoImage } from "@innkeeper/proto/innkeeper/v1/image";
import type { Node as ProtoNode } from "@innkeeper/proto/innkeeper/v1/node";
import type { Operation as ProtoOperation } from "@innkeeper/proto/innkeeper/v1/operation";
import type {
  Project as ProtoProject,
  Quota as ProtoQuota,
} from "@innkeeper/proto/innkeeper/v1/project";
import type { Mirror, Versioned } from "../mirror/mirror.js";
import { guestToProto } from "./guest-codec.js";

const QUOTA_RANGE = { min: 0, max: Number.MAX_SAFE_INTEGER };
const QUOTA_FIELDS: Readonly<Record<QuotaKind, string>> = {
  guests: "guests",
  cpuMillis: "cpu_millis",
  memoryMib: "memory_mib",
  diskMib: "disk_mib",
};

export function operationToProto(operation: Operation, mirror: Mirror): ProtoOperation {
  return {
    id: operation.id,
    kind: OPERATION_KIND_TO_PROTO[operation.kind],
    projectId: operation.projectId,
    guestId: operation.guestId,
    guestUid: operation.guestUid,
    state: OPERATION_STATE_TO_PROTO[operation.state],
    done: isDone(operation),
    result: resultOf(operation, mirror),
    message: operation.message,
    migration: progressToProto(operation.migration),
    forecast: forecastToProto(operation.forecast),
    drain: drainToProto(operation.drain),
    rebalance: operation.rebalance && {
      entries: operation.rebalance.entries.map((each) => ({ ...each })),
    },
    cancelRequested: operation.isCancelRequested,
    createTime: new Date(operation.createdAtMs),
    updateTime: new Date(operation.updatedAtMs),
  };
}

function drainToProto(drain: Drain | undefined): ProtoOperation["drain"] {
  if (drain === undefined) return undefined;
  const { nodeId, deadlineMs, entries } = drain;
  const deadline = deadlineMs === undefined ? undefined : new Date(deadlineMs);
  return {
    nodeId,
    deadline,
    entries: entries.map((each) => ({ ...each, aside: each.isAside === true })),
  };
}

function resultOf(operation: Operation, mirror: Mirror): ProtoOperation["result"] {
  const error = errorToProto(operation.error);
  if (error) return { $case: "error", value: error };
  const guest = mirror.guestByUid(operation.guestUid);
  if (operation.state !== "succeeded" || guest === undefined) return undefined;
  return { $case: "guest", value: guestToProto(guest) };
}

export function nodeToProto(node: NodeRecord, mirror: Mirror): ProtoNode {
  const guests = mirror.guests().filter((each) => each.status.placement?.nodeId === node.id);
  return {
    id: node.id,
    address: node.address,
    labels: { ...node.labels },
    forwardHost: node.forwardHost ?? "",
    bridge: node.bridge ?? "",
    capacity: node.capacity,
    allocatable: allocatable(node),
    allocated: mirror.allocatedOn(node.id),
    guestCount: guests.length,
    abilities: node.abilities.map(abilityToProto),
    templates: (node.templates ?? []).map(templateToProto),
    problems: [...node.problems],
    state: NODE_STATE_TO_PROTO[node.state],
    cordoned: node.isCordoned,
    joinTime: new Date(node.joinedAtMs),
    updateTime: new Date(node.updatedAtMs),
  };
}

export function projectToProto(
  { value: project, revision }: Versioned<Project>,
  mirror: Mirror,
): ProtoProject {
  return {
    id: project.id,
    parentId: project.parentId ?? "",
    quota: quotaToProto(project.quota),
    placementPolicy: policyToProto(project.policy),
    usage: mirror.usageOf(project.id),
    etag: String(revision),
    createTime: new Date(project.createdAtMs),
    updateTime: new Date(project.updatedAtMs),
  };
}

function quotaToProto({ guests, cpuMillis, memoryMib, diskMib }: Quota): ProtoQuota {
  return { guests, cpuMillis, memoryMib, diskMib };
}

/** Unset limits are no limits. @throws `invalid`. */
export function parseQuota(field: string, proto: ProtoQuota | undefined): Quota {
  if (proto === undefined) throw invalidField(field, "unset", "a quota, possibly without limits");
  const set = QUOTA_KINDS.filter((kind) => proto[kind] !== undefined);
  return Object.fromEntries(
    set.map((kind) => [
      kind,
      parseInteger(`${field}.${QUOTA_FIELDS[kind]}`, proto[kind] as number, QUOTA_RANGE),
    ]),
  );
}

export function imageToProto(image: Image): ProtoImage {
  return {
    id: image.id,
    digest: image.digest,
    manifest: imageManifestToProto(image.manifest),
    createTime: new Date(image.createdAtMs),
  };
}
