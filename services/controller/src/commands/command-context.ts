/** What every command may use, and the two things every command does: be idempotent, commit. */
import {
  type Clock,
  conflict,
  type DomainError,
  type IdSource,
  invalidField,
  isClaim,
  precondition,
  type QuotaKind,
  quotaExceeded,
  type RefusalCause,
  type StateStore,
  type Transaction,
} from "@innkeeper/core";
import type { Mirror } from "../mirror/mirror.js";

export interface CommandContext {
  readonly store: Pick<StateStore, "commit" | "findRequest">;
  readonly mirror: Mirror;
  readonly clock: Clock;
  readonly ids: IdSource;
  /** Where guests on bridges get their addresses from; undefined = the default. */
  readonly bridgeSubnet?: string | undefined;
}

/** How long a command waits until its own commit is visible in the mirror. */
const MIRROR_WAIT_MS = 5_000;
/** How often a command tries again when somebody else was faster. */
const ATTEMPTS_MAX = 5;

/**
 * A mutation: reads the mirror, says what to commit and what to answer (an id that `answer` looks
 * up later).
 */
export interface Mutation {
  readonly transaction: Omit<Transaction, "request">;
  readonly answer: string;
}

/**
 * Runs a mutation once for each request id: the same id and body again gives the first answer.
 * A lost race is tried again from a fresh mirror.
 * @throws `invalid` when the id was used with another body; what `prepare` throws; `conflict` after
 * too many lost races.
 */
export async function mutate(
  context: CommandContext,
  request: { readonly id: string; readonly body: unknown },
  prepare: () => Mutation,
): Promise<string> {
  const body = JSON.stringify(request.body);
  const earlier = await earlierAnswer(context, request.id, body);
  if (earlier !== undefined) return earlier;
  for (let attempt = 1; ; attempt += 1) {
    const { transaction, answer } = prepare();
    const recorded = request.id === "" ? {} : { request: { id: request.id, body, answer } };
    const result = await context.store.commit({ ...transaction, ...recorded });
    if (result.isCommitted) {
      await seen(context, result.revision);
      return result.replayedAnswer ?? answer;
    }
    await onRefused(context, result.cause, { attempt, requestId: request.id });
  }
}

async function earlierAnswer(
  context: CommandContext,
  requestId: string,
  body: string,
): Promise<string | undefined> {
  if (requestId === "") return undefined;
  const earlier = await context.store.findRequest(requestId);
  if (earlier === undefined) return undefined;
  if (earlier.body !== body) throw requestReused(requestId);
  return earlier.answer;
}

async function onRefused(
  context: CommandContext,
  cause: RefusalCause,
  { attempt, requestId }: { attempt: number; requestId: string },
): Promise<void> {
  if (cause.why === "request-reused") throw requestReused(requestId);
  if (cause.why === "counter" && !isClaim(cause.key)) throw counterRefused(cause);
  if (attempt >= ATTEMPTS_MAX) throw lostRace(cause);
  if (cause.why === "check" && cause.actual !== "absent") await seen(context, cause.actual);
}

function requestReused(requestId: string): DomainError {
  return invalidField("request_id", requestId, "a new UUID, or the body it was first used with");
}

function counterRefused({ key, value, delta, max }: Extract<RefusalCause, { why: "counter" }>) {
  const [owner = "", id = "", kind = ""] = key.split("/");
  if (owner === "project") {
    return quotaExceeded(id, {
      kind: kind as QuotaKind,
      used: value,
      requested: delta,
      limit: max,
    });
  }
  if (owner === "image") return imageInUse(id, value);
  if (kind === "port") return portHeld(id, key);
  return conflict("NODE_FULL", `node ${id} has ${max - value} of ${kind} left, needs ${delta}`, {
    node: id,
    resource: kind,
  });
}

/** Somebody else was faster; placement names the holder. */
function portHeld(nodeId: string, counter: string): DomainError {
  const port = counter.split("/").slice(3).join("/");
  const message = `${port} of node ${nodeId} is held by another guest`;
  return conflict("PORT_HELD", message, { node: nodeId, port });
}

/** The refusal to delete: an image stays as long as guests use it. */
export function imageInUse(
  imageId: string,
  guestCount: number,
  named: readonly string[] = [],
): DomainError {
  const names = named.join(", ");
  const message = `image "${imageId}" is used by ${guestCount} guests${names && `: ${names}`}`;
  return precondition("IMAGE_IN_USE", message, { image: imageId, guests: names });
}

function lostRace(cause: RefusalCause): DomainError {
  const key = cause.why === "check" ? cause.key : cause.why;
  return conflict("CHANGED_MEANWHILE", `${key} was changed by somebody else, try again`, { key });
}

async function seen(context: CommandContext, revision: number): Promise<void> {
  await context.mirror.waitFor(revision, { clock: context.clock, timeoutMs: MIRROR_WAIT_MS });
}
