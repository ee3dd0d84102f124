/** Forgets operations some time after their end. */
import { isDone, recordKey, type Transaction } from "@innkeeper/core";
import type { LoopContext } from "./loop-context.js";

/** Deleted in one go. */
const BATCH_MAX = 500;

export async function forgetOldOperations(
  { mirror, clock, leader }: LoopContext,
  keepMs: number,
): Promise<void> {
  const oldest = clock.nowMs() - keepMs;
  const old = mirror
    .operations()
    .filter((operation) => isDone(operation) && operation.updatedAtMs < oldest)
    .filter(({ drain }) => !isCordoned(mirror, drain?.nodeId))
    .slice(0, BATCH_MAX);
  if (old.length === 0) return;
  const transaction: Transaction = {
    checks: [],
    puts: [],
    deletes: old.map((operation) => recordKey("operation", operation.id)),
    counters: [],
  };
  await leader.commitAll([transaction]);
}

/** The guests of a node that is still out of service may be asked to come home. */
function isCordoned(mirror: LoopContext["mirror"], nodeId = ""): boolean {
  return mirror.node(nodeId)?.value.isCordoned === true;
}
