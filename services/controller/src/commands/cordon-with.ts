/** Cordons or uncordons a node in the commit that begins an operation on it. */
import { type NodeRecord, type Operation, recordKey } from "@innkeeper/core";
import type { Versioned } from "../mirror/mirror.js";
import type { Mutation } from "./command-context.js";

export function cordonWith(
  operation: Operation,
  { value, revision }: Versioned<NodeRecord>,
  isCordoned: boolean,
): Mutation {
  const key = recordKey("node", value.id);
  const node = { ...value, isCordoned, updatedAtMs: operation.createdAtMs };
  const puts = [
    { key, value: node },
    { key: recordKey("operation", operation.id), value: operation },
  ];
  const transaction = { checks: [{ key, revision }], puts, deletes: [], counters: [] };
  return { transaction, answer: operation.id };
}
