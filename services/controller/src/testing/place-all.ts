/** For tests: gives every guest of a bench its turn in the placement loop. */
import type { CommitResult, Transaction } from "@innkeeper/core";
import { silentLogger } from "@innkeeper/core/testing";
import { PlacementLoop } from "../loops/placement-loop.js";
import type { CommandBench } from "./command-bench.js";

/** @returns what was committed. */
export async function placeAll(bench: CommandBench): Promise<readonly Transaction[]> {
  const commits: Transaction[] = [];
  const commitAll = async (all: readonly Transaction[]): Promise<readonly CommitResult[]> => {
    commits.push(...all);
    return await bench.store.commitAll(all);
  };
  const limit = { clock: bench.clock, timeoutMs: 1000 };
  const context = {
    mirror: bench.mirror,
    clock: bench.clock,
    ids: bench.ids,
    log: silentLogger,
    leader: { epoch: 1, commitAll },
    mirrored: (revision: number) => bench.mirror.waitFor(revision, limit),
  };
  await new Promise((settled) => {
    const loop = new PlacementLoop(context, bench.nodeViews, {
      onSettled: settled,
      isReachable: (nodeId) => bench.sessions.linkOf(nodeId) === "synced",
    });
    for (const { uid } of bench.mirror.guests()) loop.enqueue(uid);
  });
  return commits;
}
