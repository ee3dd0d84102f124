/**
 * Cancelling: marks the operation; the leader undoes what can be undone and says so in the record.
 */
import { guestKey, notFound, precondition, recordKey } from "@innkeeper/core";
import { type CommandContext, mutate } from "./command-context.js";

/** @returns the operation's id. @throws `not-found`, `precondition` (OPERATION_NOT_CANCELLABLE). */
export function cancelOperation(
  context: CommandContext,
  input: { readonly operationId: string; readonly requestId: string },
): Promise<string> {
  const { requestId, operationId } = input;
  return mutate(context, { id: requestId, body: { do: "cancel-operation", operationId } }, () => {
    const found = context.mirror.operation(operationId);
    if (found === undefined) throw notFound("operation", operationId);
    const refusal = whyNot(context, operationId);
    if (refusal !== undefined) throw notCancellable(operationId, refusal);
    const operation = { ...found.value, isCancelRequested: true };
    const key = recordKey("operation", operationId);
    const guest = context.mirror.guestByUid(operation.guestUid);
    const guestChecks = guest ? [{ key: guestKey(guest.value), revision: guest.revision }] : [];
    const transaction = {
      checks: [{ key, revision: found.revision }, ...guestChecks],
      puts: [{ key, value: operation }],
      deletes: [],
      counters: [],
    };
    return { transaction, answer: operationId };
  });
}

function whyNot({ mirror }: CommandContext, operationId: string): string | undefined {
  const operation = mirror.operation(operationId)?.value;
  if (operation === undefined || operation.state !== "running") return "it has ended";
  const isFree = ["drain", "rebalance", "return", "clone"].includes(operation.kind);
  if (isFree) return undefined;
  const guest = mirror.guestByUid(operation.guestUid)?.value;
  if (operation.kind === "migrate") {
    const isPast = guest?.status.migration?.step === "switching";
    return isPast ? "it is past its point of no return" : undefined;
  }
  if (operation.kind !== "create") return `a running ${operation.kind} cannot be undone`;
  const isPlaced = guest?.status.placement !== undefined;
  return isPlaced ? "the guest has its place already; delete it instead" : undefined;
}

function notCancellable(operationId: string, why: string) {
  const message = `operation ${operationId} cannot be cancelled: ${why}`;
  return precondition("OPERATION_NOT_CANCELLABLE", message, { operation: operationId, why });
}
