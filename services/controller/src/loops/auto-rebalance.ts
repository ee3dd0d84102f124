/** The continuous rebalance, off by default: at times a small one, when nothing else moves. */
import { DomainError, isDone } from "@innkeeper/core";
import type { CommandContext } from "../commands/command-context.js";
import { planRebalanceOf, type RebalanceInput, rebalanceCluster } from "../commands/rebalance.js";
import type { NodeViews } from "./node-views.js";

/** Few moves, each worth two hundredths of a node; who moved an hour ago stays. */
const LIMITS: RebalanceInput = {
  movesMax: 4,
  gainMinBasisPoints: 200,
  coolDownMs: 3_600_000,
};

type Context = CommandContext & { readonly nodeViews: NodeViews };

/** @returns the operation's id; undefined when nothing is worth it, or something moves already. */
export async function rebalanceIfWorthwhile(context: Context): Promise<string | undefined> {
  const { mirror, nodeViews, ids } = context;
  const isBusy = mirror
    .operations()
    .some((each) => (each.drain ?? each.rebalance) !== undefined && !isDone(each));
  if (isBusy || nodeViews.isAwaitingNodes()) return undefined;
  if (planRebalanceOf(context, LIMITS).moves.length === 0) return undefined;
  try {
    return await rebalanceCluster(context, { ...LIMITS, requestId: ids.uuid() });
  } catch (error) {
    // Somebody was faster.
    if (error instanceof DomainError && error.kind === "conflict") return undefined;
    throw error;
  }
}
