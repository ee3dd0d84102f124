/** Waits for an operation and tells of its progress. */
import { DomainError } from "@innkeeper/core";
import { Operation } from "@innkeeper/proto/innkeeper/v1/operation";
import type { CliContext } from "./cli-context.js";
import { migrationLine } from "./output/migration-progress.js";
import { enumName } from "./output/table.js";
import { storedError } from "./stored-error.js";

/**
 * Prints the operation at once with `--no-wait`, else follows it to its end.
 * @returns the ended operation, or undefined when there was no waiting.
 * @throws the operation's error; `capacity` when the guest fits nowhere now.
 */
export async function followOperation(
  context: CliContext,
  operation: Operation | undefined,
): Promise<Operation | undefined> {
  const { terminal, isWaiting } = context;
  if (operation === undefined) return undefined;
  if (!isWaiting) {
    terminal.result(operation.id, Operation.toJSON(operation));
    return undefined;
  }
  const ended = await watchToEnd(context, operation);
  terminal.endProgress();
  if (ended.result?.$case === "error") throw storedError(ended.result.value);
  return ended;
}

async function watchToEnd(context: CliContext, operation: Operation): Promise<Operation> {
  const { client, terminal, signal } = context;
  const abort = new AbortController();
  signal.addEventListener("abort", () => abort.abort(), { once: true });
  const refusal = watchForRefusal(context, operation, abort);
  let latest = operation;
  for await (const { operation: next } of client.operations.watchOperation(
    { operationId: operation.id },
    abort.signal,
  )) {
    if (next === undefined) continue;
    latest = next;
    if (next.done) break;
    terminal.progress(describe(next, { hasBar: terminal.isInteractive }));
  }
  abort.abort();
  const refused = await refusal;
  if (latest.done) return latest;
  throw refused ?? interrupted(latest);
}

/**
 * A guest that fits nowhere stays PENDING: that is no end of the operation, but the user must hear
 * of it.
 */
async function watchForRefusal(
  { client }: CliContext,
  operation: Operation,
  abort: AbortController,
): Promise<DomainError | undefined> {
  if (enumName(operation.kind, "OPERATION_KIND_") !== "CREATE") return undefined;
  const { projectId } = operation;
  const changes = client.guests.watchGuests({ projectId, fromRevision: 0 }, abort.signal);
  for await (const { guest } of changes) {
    const isRefused = guest?.uid === operation.guestUid && guest.status?.reason === "NOTHING_FITS";
    if (!isRefused) continue;
    abort.abort();
    return nothingFits(guest.id, guest.status?.message ?? "");
  }
  return undefined;
}

/** Ctrl-C ends the waiting, not the operation. */
function interrupted({ id }: Operation): DomainError {
  const message = `stopped waiting; operation ${id} goes on: inn op wait ${id}`;
  return new DomainError({ kind: "cancelled", reason: "INTERRUPTED", message, metadata: { id } });
}

function nothingFits(guestId: string, why: string): DomainError {
  const reasons = why.split("; ").map((each) => `\n  ${each}`);
  const outcome = `guest "${guestId}" fits nowhere now and stays PENDING until something changes`;
  const message = `${outcome}${reasons.join("")}`;
  return new DomainError({ kind: "capacity", reason: "NOTHING_FITS", message, metadata: {} });
}

/** The guest, the node of a drain, or the cluster. */
export function subjectOf({ guestId, drain, rebalance }: Operation): string {
  if (rebalance !== undefined) return "cluster";
  return drain?.nodeId ?? guestId;
}

export function describe(operation: Operation, { hasBar } = { hasBar: false }): string {
  const { kind, message, migration } = operation;
  const what = `${enumName(kind, "OPERATION_KIND_").toLowerCase()} ${subjectOf(operation)}`;
  if (migration === undefined) return message === "" ? `${what} ...` : `${what}: ${message}`;
  return `${what}: ${migrationLine(migration, { hasBar })}`;
}
