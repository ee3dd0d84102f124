/**
 * Which of the migrations that wait may begin: no node takes part in more than so many at a time.
 *
 * Q1 The greatest priority first, then who has waited longest. One that must wait for its nodes
 *    holds up nobody whose nodes are free.
 */
export interface QueuedMove {
  readonly guestUid: string;
  readonly priority: number;
  readonly sinceMs: number;
  readonly nodeIds: readonly string[];
}

/** @param busy nodes of the moves under way, once for each move */
export function movesThatMayBegin(
  queued: readonly QueuedMove[],
  busy: Iterable<string>,
  perNodeMax: number,
): ReadonlySet<string> {
  const counts = new Map<string, number>();
  const take = (nodeId: string): void => {
    counts.set(nodeId, (counts.get(nodeId) ?? 0) + 1);
  };
  for (const nodeId of busy) take(nodeId);
  const chosen = new Set<string>();
  for (const move of [...queued].sort(byTurn)) {
    if (move.nodeIds.some((nodeId) => (counts.get(nodeId) ?? 0) >= perNodeMax)) continue;
    chosen.add(move.guestUid);
    for (const nodeId of move.nodeIds) take(nodeId);
  }
  return chosen;
}

function byTurn(left: QueuedMove, right: QueuedMove): number {
  const difference = right.priority - left.priority || left.sinceMs - right.sinceMs;
  return difference || (left.guestUid < right.guestUid ? -1 : 1);
}
