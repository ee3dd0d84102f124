/** The assignment that follows from a guest record for one placement of it. */

import { assert } from "../domain/assert.js";
import type { AssignedState, GuestAssignment } from "../domain/assignment.js";
import type { LaunchSize } from "../domain/copy.js";
import { type Guest, type Placement, vcpuCount } from "../domain/guest.js";
import { NO_LIMITS } from "../domain/limits.js";
import { DEVICE_STATE_MIB, type WantedSnapshot } from "../domain/snapshot.js";
import { templateChoice } from "../domain/template.js";
import type { GuestView } from "./guest-view.js";

export interface AssignmentOrder {
  readonly placement: Pick<Placement, "engine" | "mode" | "epoch">;
  readonly desired: AssignedState;
  readonly migrateTo?: GuestAssignment["migrateTo"];
}

export function assignmentFor(view: GuestView, order: AssignmentOrder): GuestAssignment {
  const { guest, image } = view;
  assert(image !== undefined, `guest ${guest.uid} uses an image that does not exist`);
  const size = launchSize(guest, order.desired);
  return {
    guestUid: guest.uid,
    guestId: guest.id,
    projectId: guest.projectId,
    operationId: guest.operationId,
    epoch: order.placement.epoch,
    intent: guest.intent,
    generation: guest.generation,
    desired: order.desired,
    engine: order.placement.engine,
    mode: order.placement.mode,
    vcpuCount: size.vcpuCount,
    cpuMillis: guest.spec.resources.cpuMillis,
    memoryMibMax: size.memoryMib,
    memoryMib: guest.spec.resources.memoryMib,
    ...networkOf(guest),
    ...(guest.spec.seed === undefined ? {} : { seed: guest.spec.seed }),
    ...(templateChoice(guest.spec, image).machine && { quickStart: true }),
    limits: guest.spec.limits ?? NO_LIMITS,
    diskMib: guest.spec.resources.diskMib,
    dataDisks: guest.spec.dataDisks ?? [],
    snapshots: wantedSnapshots(guest),
    ...(guest.spec.restore && { restore: guest.spec.restore }),
    ...(guest.spec.cloneOf && { cloneOf: guest.spec.cloneOf }),
    image: image.manifest,
    commandLine: guest.spec.commandLine,
    restartPolicy: guest.spec.restartPolicy,
    startCount: guest.spec.startCount,
    stopTimeoutMs: guest.spec.stopTimeoutMs,
    migrateTo: order.migrateTo,
  };
}

function networkOf({
  spec,
  status,
}: Guest): Pick<GuestAssignment, "forwards" | "macAddress" | "ipAddress"> {
  const { forwards = [] } = spec;
  const { network } = status;
  return {
    ...(forwards.length === 0 ? {} : { forwards }),
    ...(network === undefined ? {} : { macAddress: network.macAddress }),
    ...(network?.ipAddress === undefined ? {} : { ipAddress: network.ipAddress }),
  };
}

/** Those that no node has confirmed yet are to be taken. */
function wantedSnapshots({ spec, status }: Guest): readonly WantedSnapshot[] {
  const { resize } = status;
  const known = resize?.before?.snapshots;
  return (spec.snapshots ?? []).map(({ uid, hasMemory, memoryMib }) => ({
    uid,
    hasMemory,
    memoryMib: hasMemory ? memoryMib + DEVICE_STATE_MIB : 0,
    isNew: known !== undefined && !known.some((each) => each.uid === uid),
  }));
}

/** A stream fits only into a copy of the size that its source was launched with. */
function launchSize({ spec, status }: Guest, desired: AssignedState): LaunchSize {
  const { memoryMib } = spec.resources;
  const fresh = { vcpuCount: vcpuCount(spec.resources), memoryMib };
  return desired === "incoming" ? (status.launchedWith ?? fresh) : fresh;
}
