/**
 * Makes a placement decision again, from the records as they were when it was made: the same node,
 * the same reasons (I8). What was decided before it in the same turn counts as it did then.
 */
import {
  type ChangeBatch,
  type Guest,
  guestKey,
  type NodeRecord,
  type PlacementDecision,
  type PlacementResult,
  precondition,
  type StoredRecord,
} from "@innkeeper/core";
import { NodeViews, type PlacementTurn } from "../loops/node-views.js";
import { placementRequest } from "../loops/placement-request.js";
import { Mirror } from "../mirror/mirror.js";
import { type Source, stateAt } from "../mirror/state-at.js";
import { findGuest, type GuestRef } from "./change-guest.js";
import type { CommandContext } from "./command-context.js";

export interface ReplayedDecision {
  readonly decision: PlacementDecision;
  readonly result: PlacementResult;
  /** In everything that is stored with a decision. */
  readonly isSame: boolean;
}

type Context = CommandContext & { readonly store: Source };

/**
 * @throws `not-found`; `precondition`: NOT_PLACED, STATE_GONE, MOVED (only first placements are
 * made again).
 */
export async function replayDecision(context: Context, ref: GuestRef): Promise<ReplayedDecision> {
  const guest = findGuest(context, ref).value;
  const { placement } = guest.status;
  if (placement === undefined) {
    throw precondition("NOT_PLACED", `guest "${guest.id}" has no place`, { guest: guest.id });
  }
  const { decision } = placement;
  const { records, since } = await stateAt(context.store, decision.revision);
  const before = records.find(({ key }) => key === guestKey(guest))?.value as Guest | undefined;
  if (before?.uid !== guest.uid || before.status.placement !== undefined) {
    const message = `guest "${guest.id}" came to ${placement.nodeId} by a migration`;
    throw precondition("MOVED", `${message}; only first placements are made again`, {});
  }
  const mirror = await mirrorOf(records, decision);
  const views = new NodeViews(mirror, undefined, decision.policy);
  const result = views.inTurn((turn) => {
    for (const other of placedBefore(since, guest, decision)) take(turn, mirror, other);
    return turn.place(placementRequest(before, mirror), decision.seed);
  });
  views.close();
  return { decision, result, isSame: isSame(result, decision) };
}

async function mirrorOf(
  records: readonly StoredRecord[],
  { revision, unheardNodeIds = [] }: PlacementDecision,
): Promise<Mirror> {
  const seen = records.map((record) => {
    const isUnheard = record.key.startsWith("node/") && unheardNodeIds.includes(record.value.id);
    if (!isUnheard) return record;
    return { ...record, value: { ...(record.value as NodeRecord), state: "unreachable" as const } };
  });
  const mirror = new Mirror();
  await mirror.load({ snapshot: () => Promise.resolve({ revision, records: seen }) });
  return mirror;
}

/** Those that were decided from the same revision, and committed earlier. */
function placedBefore(
  since: readonly ChangeBatch[],
  guest: Guest,
  { revision }: PlacementDecision,
): readonly Guest[] {
  const placed: Guest[] = [];
  for (const { value } of since.flatMap(({ changes }) => changes)) {
    if (value === undefined || !("status" in value)) continue;
    const { uid, status } = value;
    if (status.phase !== "PLACED" || status.placement?.decision.revision !== revision) continue;
    if (uid === guest.uid) return placed;
    placed.push(value);
  }
  return placed;
}

function take(turn: PlacementTurn, mirror: Mirror, guest: Guest): void {
  const { placement } = guest.status;
  if (placement !== undefined) turn.take(placementRequest(guest, mirror), placement.nodeId);
}

function isSame(result: PlacementResult, decision: PlacementDecision): boolean {
  if (!result.isPlaced) return false;
  const { unheardNodeIds: _, ...stored } = decision;
  const told = ({ nodeId, engine, mode, seed, policy, message, candidates, rejections }: Stored) =>
    JSON.stringify([nodeId, engine, mode, seed, policy, message, candidates, rejections]);
  return told(result.decision) === told(stored);
}

type Stored = Omit<PlacementDecision, "unheardNodeIds">;
