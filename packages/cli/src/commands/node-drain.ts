/** `inn node drain`: the plan, the drain, and its ledger. */
import { durationOf } from "@innkeeper/core/wire";
import { PlanDrainResponse } from "@innkeeper/proto/innkeeper/v1/node_service";
import { type Drain, Operation } from "@innkeeper/proto/innkeeper/v1/operation";
import type { CliContext } from "../cli-context.js";
import { EXIT } from "../exit-codes.js";
import { followOperation } from "../follow-operation.js";
import { table } from "../output/table.js";
import { parseMs } from "../parse-options.js";

export interface DrainOptions {
  readonly dryRun?: boolean;
  readonly deadline?: string;
}

export async function drainNode(
  context: CliContext,
  nodeId: string,
  { dryRun, deadline }: DrainOptions,
): Promise<void> {
  if (dryRun) return await planDrain(context, nodeId);
  const { client, requestId, terminal } = context;
  const { operation } = await client.nodes.drainNode({
    nodeId,
    deadline: deadline === undefined ? undefined : durationOf(parseMs("--deadline", deadline)),
    requestId,
  });
  try {
    const ended = await followOperation(context, operation);
    if (ended) terminal.result(drainText(ended), Operation.toJSON(ended));
  } catch (error) {
    const { operation: ended } = await client.operations.getOperation({
      operationId: operation?.id ?? "",
    });
    if (ended) terminal.result(drainText(ended), Operation.toJSON(ended));
    throw error;
  }
}

/** Ends with 4 when not all can move. */
async function planDrain({ client, terminal, setExitCode }: CliContext, nodeId: string) {
  const plan = await client.nodes.planDrain({ nodeId });
  const rows = plan.moves.map((each) => [
    `${each.projectId}/${each.guestId}`,
    `${each.memoryMib}MiB`,
    each.toNodeId || "-",
    each.blocker,
  ]);
  const blocked = plan.moves.filter(({ toNodeId }) => toNodeId === "").length;
  const count = plan.moves.length;
  const head = `${count - blocked} of ${count} guests of ${nodeId} can move away`;
  const lines = count === 0 ? [head] : [head, table(["GUEST", "MEMORY", "TO", "BLOCKED BY"], rows)];
  terminal.result(lines.join("\n"), PlanDrainResponse.toJSON(plan));
  if (blocked > 0) setExitCode(EXIT.refused);
}

function drainText({ message, drain }: Operation): string {
  return [message, ...ledgerOf(drain)].join("\n");
}

/** Guest by guest; empty when there is nothing to tell. */
export function ledgerOf(drain: Drain | undefined): string[] {
  if (drain === undefined || drain.entries.length === 0) return [];
  const rows = drain.entries.map((each) => [
    `${each.projectId}/${each.guestId}`,
    each.state,
    each.toNodeId || "-",
    each.message,
  ]);
  return [table(["GUEST", "STATE", "TO", "WHY"], rows)];
}
