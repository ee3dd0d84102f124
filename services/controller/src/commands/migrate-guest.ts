/**
 * Live migration: finds the target, reserves it in the same commit, hands over to the reconcile
 * loop.
 */
import {
  allocatable,
  assert,
  type CounterChange,
  DomainError,
  forecastMigration,
  type Guest,
  heldBy,
  linkFrom,
  type Migration,
  type MigrationForecast,
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
import type { UsageBoard } from "../sessions/usage-board.js";
import {
  changeGuest,
  findGuest,
  type GuestCommand,
  illegalTransition,
  refuseIfBusy,
} from "./change-guest.js";
import type { CommandContext } from "./command-context.js";
import { portCounters } from "./guest-network.js";

const BYTES_PER_MIB = 1024 ** 2;

export interface MigrateGuestInput extends GuestCommand {
  /** Empty = the scheduler chooses. */
  readonly targetNodeId: string;
  /** Undefined: as the guest's policy says. */
  readonly downtimeMsMax: number | undefined;
}

export type MigrateContext = CommandContext & {
  readonly nodeViews: NodeViews;
  /** Where what guests take is known. */
  readonly sessions?: { readonly usage: UsageBoard };
};

/**
 * @returns the operation's id.
 * @throws `not-found`, `conflict` (GUEST_BUSY), `precondition` (ILLEGAL_TRANSITION,
 * NO_LIVE_MIGRATION), `capacity` (NOTHING_FITS).
 */
export function migrateGuest(context: MigrateContext, input: MigrateGuestInput): Promise<string> {
  return changeGuest(context, { input: { ...input }, kind: "migrate" }, (found, operation) => {
    const guest = found.value;
    const decision = decideMove(context, guest, input);
    const forecast = forecastMove(context, guest, decision.nodeId);
    return { ...reserve(context, { guest, decision, operation, input }), forecast };
  });
}

/** What `migrateGuest` would do now, and how that would be. @throws what it throws. */
export function planMigrationOf(
  context: MigrateContext,
  input: Omit<MigrateGuestInput, "requestId">,
): MigrationForecast {
  const { value: guest } = findGuest(context, input);
  return forecastMove(context, guest, decideMove(context, guest, input).nodeId);
}

function decideMove(
  context: MigrateContext,
  guest: Guest,
  { targetNodeId }: Pick<MigrateGuestInput, "targetNodeId">,
): PlacementDecision {
  refuseIfBusy(context, guest);
  if (guest.status.phase !== "RUNNING" || guest.status.placement === undefined) {
    throw illegalTransition(guest, "migrate");
  }
  const why = whyNotMovable(context, guest);
  if (why !== undefined) throw noLiveMigration(guest, guest.status.placement, why);
  if (targetNodeId !== "" && !context.mirror.node(targetNodeId)) {
    throw notFound("node", targetNodeId);
  }
  return chooseTarget(context, guest, targetNodeId);
}

/** All of its memory, where nobody knows what it holds. */
function forecastMove(
  { mirror, sessions }: MigrateContext,
  guest: Guest,
  targetNodeId: string,
): MigrationForecast {
  const usage = sessions?.usage.now(guest.uid);
  const { memoryMib } = guest.spec.resources;
  const sourceNodeId = guest.status.placement?.nodeId ?? "";
  const pair = { sourceNodeId, targetNodeId };
  const basis = {
    memoryBytes: Math.min(memoryMib, usage?.memoryMib ?? memoryMib) * BYTES_PER_MIB,
    dirtyBytesPerSecond: usage?.dirtyBytesPerSecond,
    ...linkFrom(mirror.operations(), pair),
  };
  return { ...pair, basis, ...forecastMigration(basis, migrationPolicyOf(guest.spec)) };
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
  const canMove = abilityToMove(context, guest) !== undefined;
  const reasons = [
    ...(diskMib > 0 ? [`its disk of ${diskMib} MiB is on ${placement.nodeId}`] : []),
    ...(canMove ? [] : [`${placement.mode} by ${placement.engine} has no live migration`]),
  ];
  return reasons.length === 0 ? undefined : reasons.join("; ");
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
  assert(ability !== undefined, "what cannot move has been refused");
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
    isQueued: true,
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

function noLiveMigration(guest: Guest, from: Placement, why: string): DomainError {
  const { mode, engine, nodeId: node } = from;
  const message = `guest "${guest.id}" cannot move while it runs: ${why}`;
  return precondition("NO_LIVE_MIGRATION", message, { guest: guest.id, mode, engine, node });
}
