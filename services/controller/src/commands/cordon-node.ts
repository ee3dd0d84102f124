/** Cordon and uncordon: whether a node takes new guests. */
import { notFound, recordKey } from "@innkeeper/core";
import { type CommandContext, mutate } from "./command-context.js";

export interface CordonInput {
  readonly nodeId: string;
  readonly isCordoned: boolean;
  readonly requestId: string;
}

/**
 * Lets a node take no new guests, or take them again. @returns the node's id. @throws `not-found`.
 */
export function cordonNode(context: CommandContext, input: CordonInput): Promise<string> {
  const { nodeId, isCordoned, requestId } = input;
  return mutate(context, { id: requestId, body: { do: "cordon", nodeId, isCordoned } }, () => {
    const found = context.mirror.node(nodeId);
    if (found === undefined) throw notFound("node", nodeId);
    const key = recordKey("node", nodeId);
    const value = { ...found.value, isCordoned, updatedAtMs: context.clock.nowMs() };
    const transaction = {
      checks: [{ key, revision: found.revision }],
      puts: [{ key, value }],
      deletes: [],
      counters: [],
    };
    return { transaction, answer: nodeId };
  });
}
