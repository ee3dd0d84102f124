/** `inn rebalance`: the plan, or the moves and their ledger. */
import { durationOf } from "@innkeeper/core/wire";
import {
  PlanRebalanceResponse,
  type RebalanceLimits,
} from "@innkeeper/proto/innkeeper/v1/cluster_service";
import { Operation, type Rebalance } from "@innkeeper/proto/innkeeper/v1/operation";
import { type Command, Option } from "commander";
import type { CliContext } from "../cli-context.js";
import { followOperation } from "../follow-operation.js";
import { table } from "../output/table.js";
import { parseCount, parseMs, parsePercent } from "../parse-options.js";
import type { Register } from "./register.js";

interface RebalanceOptions {
  readonly apply?: boolean;
  readonly moves: string;
  readonly minGain: string;
  readonly coolDown: string;
}

export function rebalanceCommand(program: Command, register: Register): void {
  program
    .command("rebalance")
    .description(
      "move few running guests so that nodes are loaded alike; without --apply only plan",
    )
    .option("--plan", "only say what would be moved (the default)")
    .addOption(new Option("--apply", "move them, two at a time").conflicts("plan"))
    .option("--moves <count>", "at most so many", "20")
    .option("--min-gain <percent>", "of one node's load, that each move must bring", "1%")
    .option("--cool-down <duration>", "leave alone what moved within this time", "10m")
    .action((options: RebalanceOptions) => {
      register((context) => (options.apply ? apply(context, options) : plan(context, options)));
    });
}

function limitsOf({ moves, minGain, coolDown }: RebalanceOptions): RebalanceLimits {
  return {
    movesMax: parseCount("--moves", moves),
    gainMinBasisPoints: parsePercent("--min-gain", minGain),
    coolDown: durationOf(parseMs("--cool-down", coolDown)),
  };
}

async function plan({ client, terminal }: CliContext, options: RebalanceOptions): Promise<void> {
  const planned = await client.cluster.planRebalance({ limits: limitsOf(options) });
  const { moves, imbalanceBasisPoints: before } = planned;
  const after = moves.at(-1)?.imbalanceBasisPoints ?? before;
  const rows = moves.map((each) => [
    `${each.projectId}/${each.guestId}`,
    `${each.memoryMib}MiB`,
    each.fromNodeId,
    each.toNodeId,
    percent(each.imbalanceBasisPoints),
  ]);
  const count = `${moves.length} ${moves.length === 1 ? "move" : "moves"}`;
  const head = `loads of nodes deviate by ${percent(before)}`;
  const lines =
    moves.length === 0
      ? [`${head}; no move is worth it`]
      : [
          `${head}, after ${count} by ${percent(after)}`,
          table(["GUEST", "MEMORY", "FROM", "TO", "DEVIATION AFTER"], rows),
        ];
  terminal.result(lines.join("\n"), PlanRebalanceResponse.toJSON(planned));
}

async function apply(context: CliContext, options: RebalanceOptions): Promise<void> {
  const { client, requestId } = context;
  const limits = limitsOf(options);
  const { operation } = await client.cluster.rebalanceCluster({ limits, requestId });
  await followMoves(context, operation);
}

/** Until its end; tells its ledger, also when it fails. */
export async function followMoves(
  context: CliContext,
  operation: Operation | undefined,
): Promise<void> {
  const { client, terminal } = context;
  const tell = (ended: Operation): void =>
    terminal.result(
      [ended.message, ...rebalanceLedgerOf(ended.rebalance)].join("\n"),
      Operation.toJSON(ended),
    );
  try {
    const ended = await followOperation(context, operation);
    if (ended) tell(ended);
  } catch (error) {
    const operationId = operation?.id ?? "";
    const { operation: ended } = await client.operations.getOperation({ operationId });
    if (ended) tell(ended);
    throw error;
  }
}

/** Move by move; empty when there is nothing to tell. */
export function rebalanceLedgerOf(rebalance: Rebalance | undefined): string[] {
  if (rebalance === undefined || rebalance.entries.length === 0) return [];
  const rows = rebalance.entries.map((each) => [
    `${each.projectId}/${each.guestId}`,
    each.state,
    each.fromNodeId,
    each.toNodeId,
    each.message,
  ]);
  return [table(["GUEST", "STATE", "FROM", "TO", "WHY"], rows)];
}

function percent(basisPoints: number): string {
  return `${(basisPoints / 100).toFixed(2)} %`;
}
