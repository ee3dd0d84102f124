/**
 * Snapshots of a guest: taken and removed as any change of what it has, with both amounts held
 * until the node has confirmed; restored as a new copy with a new epoch, so that the former one can
 * never run again.
 */
import {
  alreadyExists,
  DEVICE_STATE_MIB,
  type Guest,
  type GuestSnapshot,
  heldBy,
  invalidField,
  isSameDisks,
  type ModeAbility,
  noSnapshots,
  precondition,
  SNAPSHOTS_MAX,
  snapshotNotFound,
  vcpuCount,
  withNewIntent,
  withPhase,
} from "@innkeeper/core";
import { changeGuest, type GuestCommand, illegalTransition, refuseIfBusy } from "./change-guest.js";
import { changeSize, refuseUnlessResizable } from "./change-size.js";
import type { CommandContext } from "./command-context.js";

export interface SnapshotCommand extends GuestCommand {
  readonly snapshotName: string;
}

/**
 * @returns the operation's id.
 * @throws `not-found`, `already-exists` (SNAPSHOT_EXISTS), `invalid` for one too many, `conflict`
 * (GUEST_BUSY), `precondition` (ILLEGAL_TRANSITION, NO_SNAPSHOTS), `capacity` (QUOTA_EXCEEDED,
 * NODE_FULL).
 */
export function takeSnapshot(
  context: CommandContext,
  input: SnapshotCommand & { readonly hasMemory: boolean },
): Promise<string> {
  const command = { input: { ...input }, kind: "take-snapshot" } as const;
  return changeGuest(context, command, ({ value: guest }, { createdAtMs }) => {
    refuseUnlessResizable(context, guest);
    const before = guest.spec.snapshots ?? [];
    const { snapshotName: name, hasMemory } = input;
    if (before.some((each) => each.name === name)) throw alreadyExists("snapshot", name);
    if (before.length >= SNAPSHOTS_MAX) {
      throw invalidField("snapshot_name", name, `at most ${SNAPSHOTS_MAX} snapshots of a guest`);
    }
    refuseWhatCannot(context, guest, hasMemory);
    const uid = context.ids.uuid();
    const taken = { uid, name, hasMemory, createdAtMs, ...sizeOf(guest, hasMemory) };
    return changeSize(context, guest, { snapshots: [...before, taken] });
  });
}

/**
 * @returns the operation's id. @throws `not-found` (GUEST_NOT_FOUND, SNAPSHOT_NOT_FOUND),
 * `conflict` (GUEST_BUSY), `precondition` (ILLEGAL_TRANSITION).
 */
export function removeSnapshot(context: CommandContext, input: SnapshotCommand): Promise<string> {
  const command = { input: { ...input }, kind: "remove-snapshot" } as const;
  return changeGuest(context, command, ({ value: guest }) => {
    refuseUnlessResizable(context, guest);
    const { uid } = snapshotOf(guest, input.snapshotName);
    const snapshots = (guest.spec.snapshots ?? []).filter((each) => each.uid !== uid);
    return changeSize(context, withoutRestore(guest, uid), { snapshots });
  });
}

/**
 * @returns the operation's id. @throws `not-found` (GUEST_NOT_FOUND, SNAPSHOT_NOT_FOUND),
 * `conflict` (GUEST_BUSY), `precondition` (ILLEGAL_TRANSITION; SNAPSHOT_MISMATCH when its memory
 * does not fit).
 */
export function restoreSnapshot(
  context: CommandContext,
  input: SnapshotCommand & { readonly isDisksOnly: boolean },
): Promise<string> {
  return changeGuest(context, { input: { ...input }, kind: "restore" }, ({ value: guest }) => {
    refuseIfBusy(context, guest);
    const { placement, phase } = guest.status;
    if (guest.isDeleting || !placement || !RESTORABLE.includes(phase)) {
      throw illegalTransition(guest, "restore");
    }
    const snapshot = snapshotOf(guest, input.snapshotName);
    const hasMemory = snapshot.hasMemory && !input.isDisksOnly;
    if (hasMemory) refuseOtherSize(guest, snapshot);
    const epoch = guest.status.epochLast + 1;
    return { guest: restored(guest, { snapshotUid: snapshot.uid, hasMemory, epoch }) };
  });
}

const RESTORABLE: readonly Guest["status"]["phase"][] = ["RUNNING", "PAUSED", "STOPPED", "FAILED"];

function restored(guest: Guest, restore: NonNullable<Guest["spec"]["restore"]>): Guest {
  const { epoch } = restore;
  const { spec } = guest;
  const starting = withPhase(guest, { phase: "STARTING", reason: "RESTORING", message: "" });
  const { status } = starting;
  const placement = status.placement && { ...status.placement, epoch };
  return withNewIntent({
    ...starting,
    generation: guest.generation + 1,
    spec: { ...spec, desired: "running", startCount: spec.startCount + 1, restore },
    status: { ...status, placement, epochLast: epoch },
  });
}

/** What is not there any more is not restored again, should its restore never have succeeded. */
function withoutRestore(guest: Guest, uid: string): Guest {
  if (guest.spec.restore?.snapshotUid !== uid) return guest;
  const { restore: _, ...spec } = guest.spec;
  return { ...guest, spec };
}

function snapshotOf({ spec }: Guest, name: string): GuestSnapshot {
  const found = spec.snapshots?.find((each) => each.name === name);
  if (found === undefined) throw snapshotNotFound(name);
  return found;
}

function sizeOf(
  guest: Guest,
  hasMemory: boolean,
): Omit<GuestSnapshot, "uid" | "name" | "hasMemory" | "createdAtMs"> {
  const { resources, dataDisks = [] } = guest.spec;
  const { launchedWith } = guest.status;
  const memoryMib = launchedWith?.memoryMib ?? resources.memoryMib;
  const disksMib = heldBy({ resources, dataDisks }).diskMib;
  return {
    sizeMib: disksMib + (hasMemory ? memoryMib + DEVICE_STATE_MIB : 0),
    diskMib: resources.diskMib,
    dataDisks,
    vcpuCount: launchedWith?.vcpuCount ?? vcpuCount(resources),
    memoryMib,
  };
}

function refuseWhatCannot(context: CommandContext, guest: Guest, hasMemory: boolean): void {
  const { spec, status } = guest;
  const hasDisk = heldBy({ ...spec, snapshots: [] }).diskMib > 0;
  const isContainer = status.placement?.mode === "container";
  if (!hasDisk || isContainer) throw noSnapshots("the guest has no disk");
  const isRunning = status.phase === "RUNNING";
  if (hasMemory && !isRunning) throw noSnapshots("the guest does not run: it has no memory now");
  const ability = abilityOf(context, guest);
  if (isRunning && !ability?.canSnapshot) throw noSnapshots("its mode cannot while it runs");
  if (hasMemory && !ability?.canSnapshotMemory) {
    throw noSnapshots(`a ${ability?.mode ?? ""} guest's memory cannot be kept`);
  }
}

function abilityOf({ mirror }: CommandContext, { status }: Guest): ModeAbility | undefined {
  const { placement } = status;
  const node = placement && mirror.node(placement.nodeId)?.value;
  return node?.abilities.find(
    ({ engine, mode }) => engine === placement?.engine && mode === placement.mode,
  );
}

/** Memory fits only into a machine of the very size. */
function refuseOtherSize({ id, spec }: Guest, snapshot: GuestSnapshot): void {
  const { resources, dataDisks } = spec;
  const isSame =
    vcpuCount(resources) === snapshot.vcpuCount &&
    resources.memoryMib === snapshot.memoryMib &&
    resources.diskMib === snapshot.diskMib &&
    isSameDisks(dataDisks, snapshot.dataDisks);
  if (isSame) return;
  const message =
    `the memory in snapshot "${snapshot.name}" fits no machine but one of ` +
    `${snapshot.vcpuCount} vCPUs, ${snapshot.memoryMib} MiB and its disks; guest "${id}" has ` +
    "another size now: resize it, or restore its disks only";
  throw precondition("SNAPSHOT_MISMATCH", message, { guest: id, snapshot: snapshot.name });
}
