/**
 * Cloning: a new guest like another, on its node, whose disks begin as the other's. Both are held
 * by one operation, so the other one cannot change until the copy is made.
 */
import {
  type CloneOf,
  type DataDisk,
  type Guest,
  type GuestSpec,
  guestKey,
  heldBy,
  invalidField,
  noClone,
  type PortForward,
  snapshotNotFound,
} from "@innkeeper/core";
import { findGuest, type GuestCommand, illegalTransition, refuseIfBusy } from "./change-guest.js";
import { type CommandContext, type Mutation, mutate } from "./command-context.js";
import { prepareCreation } from "./create-guest.js";

export interface CloneGuestInput extends GuestCommand {
  /** Id of the new guest. */
  readonly cloneId: string;
  /** Undefined = the disks as they are. */
  readonly snapshotName: string | undefined;
}

const STILL: readonly Guest["status"]["phase"][] = ["STOPPED", "FAILED"];
const WITH_SNAPSHOT: readonly Guest["status"]["phase"][] = [...STILL, "RUNNING", "PAUSED"];

/**
 * @returns the operation's id.
 * @throws `not-found` (GUEST_NOT_FOUND, SNAPSHOT_NOT_FOUND), `already-exists`, `conflict`
 * (GUEST_BUSY), `precondition` (ILLEGAL_TRANSITION, NO_CLONE), `capacity` (QUOTA_EXCEEDED).
 */
export function cloneGuest(context: CommandContext, input: CloneGuestInput): Promise<string> {
  const { requestId, ...body } = input;
  return mutate(context, { id: requestId, body: { do: "clone-guest", ...body } }, () =>
    prepareClone(context, input),
  );
}

function prepareClone(context: CommandContext, input: CloneGuestInput): Mutation {
  const { projectId, cloneId } = input;
  const { value: source, revision } = findGuest(context, input);
  if (cloneId === source.id) throw invalidField("clone_id", cloneId, "another id than the guest's");
  refuseIfBusy(context, source);
  const nodeId = nodeWithDisks(source, input.snapshotName !== undefined);
  const spec = cloneSpec(source, input.snapshotName, nodeId);
  const created = prepareCreation(context, {
    ...{ projectId, id: cloneId, labels: source.labels, spec },
    kind: "clone",
  });
  const key = guestKey(source);
  const lent = { ...source, operationId: created.answer, updatedAtMs: context.clock.nowMs() };
  const { transaction } = created;
  return {
    ...created,
    transaction: {
      ...transaction,
      checks: [...transaction.checks, { key, revision }],
      puts: [...transaction.puts, { key, value: lent }],
    },
  };
}

/** Where the disks to be copied are. */
function nodeWithDisks(source: Guest, hasSnapshot: boolean): string {
  const { placement, phase } = source.status;
  const phases = hasSnapshot ? WITH_SNAPSHOT : STILL;
  if (source.isDeleting || !phases.includes(phase)) {
    throw illegalTransition(source, hasSnapshot ? "clone" : "clone without a snapshot");
  }
  if (placement === undefined) throw noClone(source.id, "it has never had a place");
  if (placement.engine === "container") {
    throw noClone(source.id, "what a container writes is not on a disk");
  }
  return placement.nodeId;
}

function cloneSpec(source: Guest, snapshotName: string | undefined, nodeId: string): GuestSpec {
  const { snapshots = [], restore: _restore, cloneOf: _cloneOf, ...spec } = source.spec;
  const snapshot = snapshots.find(({ name }) => name === snapshotName);
  if (snapshotName !== undefined && snapshot === undefined) throw snapshotNotFound(snapshotName);
  const from: CloneOf = { guestUid: source.uid, snapshotUid: snapshot?.uid ?? "" };
  const dataDisks = (spec.dataDisks ?? []).filter(
    ({ name }) => snapshot === undefined || isNamed(snapshot.dataDisks, name),
  );
  const hasDisks = heldBy({ resources: spec.resources, dataDisks }).diskMib > 0;
  const forwards = (spec.forwards ?? []).map(withoutPort);
  const life = { desired: "running", startCount: 0, nodeId } as const;
  return { ...spec, dataDisks, forwards, ...life, ...(hasDisks && { cloneOf: from }) };
}

function isNamed(disks: readonly DataDisk[], name: string): boolean {
  return disks.some((each) => each.name === name);
}

/** Its ports on the node are taken: the cluster chooses others. */
function withoutPort({ protocol, guestPort }: PortForward): PortForward {
  return { protocol, guestPort, hostPort: 0 };
}
