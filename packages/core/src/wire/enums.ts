/** Proto enums and their domain unions. `satisfies Record` makes a new value a compile error. */

import {
  GuestPhase as ProtoPhase,
  RestartCondition,
  RunState,
} from "@innkeeper/proto/innkeeper/v1/guest";
import {
  BlobRole as ProtoBlobRole,
  DiskFormat as ProtoDiskFormat,
  ImageKind as ProtoImageKind,
} from "@innkeeper/proto/innkeeper/v1/image";
import { NodeState as ProtoNodeState } from "@innkeeper/proto/innkeeper/v1/node";
import {
  OperationKind as ProtoOperationKind,
  OperationState as ProtoOperationState,
} from "@innkeeper/proto/innkeeper/v1/operation";
import { PlacementPolicy as ProtoPlacementPolicy } from "@innkeeper/proto/innkeeper/v1/placement_policy";
import { Mode as ProtoMode } from "@innkeeper/proto/innkeeper/v1/resources";
import { invalidField } from "../domain/errors.js";
import type { DesiredRunState, RestartWhen } from "../domain/guest.js";
import type { GuestPhase } from "../domain/guest-phase.js";
import type { BlobRole, DiskFormat, ImageKind } from "../domain/image.js";
import type { ModeRequest } from "../domain/mode.js";
import type { NodeState } from "../domain/node.js";
import type { OperationKind, OperationState } from "../domain/operation.js";
import type { PlacementPolicy } from "../domain/placement-rules.js";

export const MODE_TO_PROTO = {
  auto: ProtoMode.AUTO,
  full: ProtoMode.FULL,
  hybrid: ProtoMode.HYBRID,
  paravirt: ProtoMode.PARAVIRT,
  container: ProtoMode.CONTAINER,
} satisfies Record<ModeRequest, ProtoMode>;

export const RUN_STATE_TO_PROTO = {
  running: RunState.RUNNING,
  paused: RunState.PAUSED,
  stopped: RunState.STOPPED,
} satisfies Record<DesiredRunState, RunState>;

export const RESTART_TO_PROTO = {
  always: RestartCondition.ALWAYS,
  "on-failure": RestartCondition.ON_FAILURE,
  never: RestartCondition.NEVER,
} satisfies Record<RestartWhen, RestartCondition>;

export const PHASE_TO_PROTO = {
  PENDING: ProtoPhase.PENDING,
  PLACED: ProtoPhase.PLACED,
  STARTING: ProtoPhase.STARTING,
  RUNNING: ProtoPhase.RUNNING,
  PAUSED: ProtoPhase.PAUSED,
  MIGRATING: ProtoPhase.MIGRATING,
  STOPPING: ProtoPhase.STOPPING,
  STOPPED: ProtoPhase.STOPPED,
  FAILED: ProtoPhase.FAILED,
  LOST: ProtoPhase.LOST,
  DELETING: ProtoPhase.DELETING,
} satisfies Record<GuestPhase, ProtoPhase>;

export const IMAGE_KIND_TO_PROTO = {
  linux: ProtoImageKind.LINUX,
  pvh: ProtoImageKind.PVH,
  disk: ProtoImageKind.DISK,
  rootfs: ProtoImageKind.ROOTFS,
} satisfies Record<ImageKind, ProtoImageKind>;

export const DISK_FORMAT_TO_PROTO = {
  raw: ProtoDiskFormat.RAW,
  qcow2: ProtoDiskFormat.QCOW2,
} satisfies Record<DiskFormat, ProtoDiskFormat>;

export const BLOB_ROLE_TO_PROTO = {
  kernel: ProtoBlobRole.KERNEL,
  initrd: ProtoBlobRole.INITRD,
  disk: ProtoBlobRole.DISK,
  rootfs: ProtoBlobRole.ROOTFS,
} satisfies Record<BlobRole, ProtoBlobRole>;

export const NODE_STATE_TO_PROTO = {
  ready: ProtoNodeState.READY,
  unreachable: ProtoNodeState.UNREACHABLE,
} satisfies Record<NodeState, ProtoNodeState>;

export const PLACEMENT_POLICY_TO_PROTO = {
  spread: ProtoPlacementPolicy.SPREAD,
  pack: ProtoPlacementPolicy.PACK,
  balanced: ProtoPlacementPolicy.BALANCED,
} satisfies Record<PlacementPolicy, ProtoPlacementPolicy>;

export const OPERATION_KIND_TO_PROTO = {
  create: ProtoOperationKind.CREATE,
  delete: ProtoOperationKind.DELETE,
  start: ProtoOperationKind.START,
  stop: ProtoOperationKind.STOP,
  pause: ProtoOperationKind.PAUSE,
  resume: ProtoOperationKind.RESUME,
  migrate: ProtoOperationKind.MIGRATE,
  resize: ProtoOperationKind.RESIZE,
  drain: ProtoOperationKind.DRAIN,
  rebalance: ProtoOperationKind.REBALANCE,
  return: ProtoOperationKind.RETURN,
  "take-snapshot": ProtoOperationKind.TAKE_SNAPSHOT,
  "remove-snapshot": ProtoOperationKind.REMOVE_SNAPSHOT,
  restore: ProtoOperationKind.RESTORE,
  clone: ProtoOperationKind.CLONE,
} satisfies Record<OperationKind, ProtoOperationKind>;

export const OPERATION_STATE_TO_PROTO = {
  running: ProtoOperationState.RUNNING,
  succeeded: ProtoOperationState.SUCCEEDED,
  failed: ProtoOperationState.FAILED,
  cancelled: ProtoOperationState.CANCELLED,
} satisfies Record<OperationState, ProtoOperationState>;

/**
 * The domain value of a proto enum value. @throws `invalid` naming the field for unset and unknown
 * values.
 */
export function parseEnum<Domain extends string, Proto extends string>(
  field: string,
  value: Proto,
  table: Readonly<Record<Domain, Proto>>,
): Domain {
  for (const key of Object.keys(table) as Domain[]) if (table[key] === value) return key;
  throw invalidField(field, value, Object.values(table).join(", "));
}

/** A member of a closed set of strings. @throws `invalid` naming the field. */
export function parseOneOf<T extends string>(
  field: string,
  value: string,
  allowed: readonly T[],
): T {
  const found = allowed.find((each) => each === value);
  if (found === undefined) throw invalidField(field, value, allowed.join(", "));
  return found;
}
