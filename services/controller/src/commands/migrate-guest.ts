/**
 * Live migration: finds the target, reserves it in the same commit, hands over to the reconcile
 * loop.
 */
import {
  allocatable,
  type CounterChange,
  DomainError,
  type Guest,
  heldBy,
  type Migration,
  type ModeAbility,
  migrationPolicyOf,
  nodeCounter,
  notFound,
  type Operation,
  type Placement,
  type PlacementDecision,
  precondition,
  RESOURCE_KINDS,
  recordKey,
  withNewIntent,
  withPhase,
} from "@innkeeper/core";
import type { NodeViews } from "../loops/node-views.js";
import { placementRequest } from "../loops/placement-request.js";
import { changeGuest, type GuestCommand, illegalTransition, refuseIfBusy } from "./change-guest.js";
import type { CommandContext } from "./command-context.js";
import { portCounters } from "./guest-network.js";

export interface MigrateGuestInput extends GuestCommand {
  /** Empty = the scheduler chooses. */
  readonly targetNodeId: string;
  /** Undefined: as the guest's policy says. */
  readonly downtimeMsMax: number | undefined;
}

/**
 * @returns the operation's id.
 * @throws `not-found`, `conflict` (GUEST_BUSY), `precondition` (ILLEGAL_TRANSITION,
 * NO_LIVE_MIGRATION), `capacity` (NOTHING_FITS).
 */
export function migrateGuest(
  context: CommandContext & { readonly nodeViews: NodeViews },
  input: MigrateGuestInput,
): Promise<string> {
  return changeGuest(context, { input: { ...input }, kind: "migrate" }, (found, operation) => {
    const guest = found.value;
    refuseIfBusy(context, guest);
    if (guest.status.phase !== "RUNNING" || guest.status.placement === undefined) {
      throw illegalTransition(guest, "migrate");
    }
    refuseDisk(guest, guest.status.placement);
    if (input.targetNodeId !== "" && !context.mirror.node(input.targetNodeId)) {
      throw notFound("node", input.targetNodeId);
    }
    const decision = chooseTarget(context, guest, input.targetNodeId);
    return reserve(context, { guest, decision, operation, input });
  });
}

/** Phases from which a guest comes back to RUNNING by itself are none of these. */
const RESTING: readonly Guest["status"]["phase"][] = ["PAUSED", "STOPPED", "FAILED"];

/** Why it cannot move while it runs, whatever the target; undefined when it can. */
export function whyNotMovable(
  context: Pick<CommandContext, "mirror">,
  guest: Guest,
): string | undefined {
  const { placement, phase } = guest.status;
  if (placement === undefined) return "it has no place";
  if (RESTING.includes(phase)) return `it is ${phase}, and only a running guest can move`;
  const { diskMib } = heldBy(guest.spec);
  if (diskMib > 0) return `its disk of ${diskMib} MiB is on ${placement.nodeId}`;
  if (abilityToMove(context, guest) !== undefined) return undefined;
  return `${placement.mode} by ${placement.engine} cannot move while it runs`;
}

/** What runs it where it is, if that can send it elsewhere while it runs. */
export function abilityToMove(
  { mirror }: Pick<CommandContext, "mirror">,
  { status }: Guest,
): ModeAbility | undefined {
  const { placement } = status;
  const ability =
    placement &&
    mirror
      .node(placement.nodeId)
      ?.value.abilities.find(
        ({ engine, mode }) => engine === placement.engine && mode === placement.mode,
      );
  return ability?.canLiveMigrate ? ability : undefined;
}

function chooseTarget(
  context: CommandContext & { readonly nodeViews: NodeViews },
  guest: Guest,
  targetNodeId: string,
): PlacementDecision {
  const { mirror, ids } = context;
  const from = guest.status.placement as Placement;
  const ability = abilityToMove(context, guest);
  if (ability === undefined) throw noLiveMigration(guest, from);
  const request = {
    ...placementRequest(guest, mirror),
    nodeId: targetNodeId || guest.spec.nodeId,
    migratingFrom: { nodeId: from.nodeId, ability },
  };
  const result = context.nodeViews.inTurn((turn) => turn.place(request, ids.random32()));
  if (result.isPlaced) return result.decision;
  const reasons = result.rejections.map((each) => `${each.nodeId}: ${each.message}`).join("; ");
  throw new DomainError({
    kind: "capacity",
    reason: "NOTHING_FITS",
    message: `no node can take guest "${guest.id}": ${reasons || "there are no nodes"}`,
    metadata: { guest: guest.id, rejections: reasons },
  });
}

function reserve(
  context: CommandContext,
  plan: {
    guest: Guest;
    decision: PlacementDecision;
    operation: Operation;
    input: MigrateGuestInput;
  },
) {
  const { guest, decision, operation, input } = plan;
  const source = guest.status.placement as Placement;
  const epoch = guest.status.epochLast + 1;
  const { nodeId, engine, mode } = decision;
  const migration: Migration = {
    operationId: operation.id,
    step: "copying",
    sourceNodeId: source.nodeId,
    sourceEpoch: source.epoch,
    target: { nodeId, engine, mode, epoch, decision },
    downtimeMsMax: input.downtimeMsMax ?? migrationPolicyOf(guest.spec).downtimeMsMax,
    startedAtMs: context.clock.nowMs(),
    error: undefined,
  };
  const message = `from ${source.nodeId} to ${nodeId}`;
  const migrating = withPhase(guest, { phase: "MIGRATING", reason: "", message });
  const status = { ...migrating.status, migration, epochLast: epoch };
  const node = context.mirror.node(nodeId);
  const checks = node ? [{ key: recordKey("node", nodeId), revision: node.revision }] : [];
  return {
    guest: withNewIntent({ ...migrating, status }),
    checks,
    counters: node
      ? [
          ...allocationCounters(guest, allocatable(node.value), nodeId),
          ...portCounters(guest.spec, nodeId),
        ]
      : [],
  };
}

function allocationCounters(
  guest: Guest,
  limit: Guest["spec"]["resources"],
  nodeId: string,
): CounterChange[] {
  const held = heldBy(guest.spec);
  return RESOURCE_KINDS.filter((kind) => held[kind] > 0).map((kind) => ({
    key: nodeCounter(nodeId, kind),
    delta: held[kind],
    max: limit[kind],
  }));
}

/** A disk is on its node only: what moves with a running guest today is its memory. */
function refuseDisk(guest: Guest, { nodeId }: Placement): void {
  const { diskMib } = heldBy(guest.spec);
  if (diskMib === 0) return;
  throw precondition(
    "NO_LIVE_MIGRATION",
    `guest "${guest.id}" cannot move while it runs: its disk of ${diskMib} MiB is on ${nodeId}`,
    { guest: guest.id, node: nodeId, diskMib: String(diskMib) },
  );
}

function noLiveMigration(guest: Guest, from: Placement): DomainError {
  const how = `${from.mode} by ${from.engine} on ${from.nodeId}`;
  return precondition(
    "NO_LIVE_MIGRATION",
    `guest "${guest.id}" (${how}) cannot move while it runs`,
    {
      guest: guest.id,
      mode: from.mode,
      engine: from.engine,
      node: from.nodeId,
    },
  );
}
