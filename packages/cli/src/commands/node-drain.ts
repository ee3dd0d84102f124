/** `inn node drain`: the plan, the drain, and its ledger. */
import { durationOf } from "@innkeeper/core/wire";
import { PlanDrainResponse } from "@innkeeper/proto/innkeeper/v1/node_service";
import { type Drain, Operation } from "@innkeeper/proto/innkeeper/v1/operation";
import type { CliContext } from "../cli-context.js";
import { EXIT } from "../exit-codes.js";
import { followOperation } from "../follow-operation.js";
import { table } from "../output/table.js";
import { parseMs } from "../parse-options.js";
import { followMoves } from "./rebalance.js";

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

export async function returnGuests(context: CliContext, nodeId: string): Promise<void> {
  const { client, requestId } = context;
  const { operation } = await client.nodes.returnGuests({ nodeId, requestId });
  await followMoves(context, operation);
}

/** Ends with 4 when not all can move. */
async function planDrain({ client, terminal, setExitCode }: CliContext, nodeId: string) {
  const plan = await client.nodes.planDrain({ nodeId });
  const rows = plan.moves.map((each, index) => [
    each.toNodeId === "" ? "-" : String(index + 1),
    `${each.projectId}/${each.guestId}`,
    `${each.memoryMib}MiB`,
    each.fromNodeId,
    each.toNodeId || "-",
    each.expected ? secondsText(msOf(each.expected)) : "-",
    each.fromNodeId === nodeId ? each.blocker : "makes room",
  ]);
  const own = plan.moves.filter(({ fromNodeId }) => fromNodeId === nodeId);
  const blocked = own.filter(({ toNodeId }) => toNodeId === "").length;
  const going = `${own.length - blocked} of ${own.length} guests of ${nodeId}`;
  const head = `${going} can move away${timeText(plan)}`;
  const header = ["STEP", "GUEST", "MEMORY", "FROM", "TO", "TAKES", "WHY"];
  const lines = rows.length === 0 ? [head] : [head, table(header, rows)];
  terminal.result(lines.join("\n"), PlanDrainResponse.toJSON(plan));
  if (blocked > 0) setExitCode(EXIT.refused);
}

/** Two move at a time. */
function timeText({ moves }: PlanDrainResponse): string {
  const known = moves.filter(({ expected }) => expected !== undefined);
  if (known.length === 0) return "";
  const allMs = known.reduce((sum, { expected }) => sum + msOf(expected), 0);
  return `, in about ${secondsText(allMs / 2)}`;
}

function msOf(duration: { seconds: number; nanos: number } | undefined): number {
  return (duration?.seconds ?? 0) * 1000 + (duration?.nanos ?? 0) / 1e6;
}

function secondsText(ms: number): string {
  return `${(ms / 1000).toFixed(1)}s`;
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
    [each.aside ? "made room" : "", each.message].filter(Boolean).join(": "),
  ]);
  return [table(["GUEST", "STATE", "TO", "WHY"], rows)];
}
