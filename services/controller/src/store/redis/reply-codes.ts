/**
 * What the scripts and the server answer, in the words of the port: the one table of codes, and the
 * one place where an error of Redis becomes a `DomainError`.
 */
import {
  AssertionError,
  type CommitResult,
  corruptRecord,
  DomainError,
  type Transaction,
  unavailable,
} from "@innkeeper/core";

export const REPLY_CODES = {
  fenced: -1,
  check: -2,
  counter: -3,
  requestReused: -4,
  repeated: -5,
  corrupt: -6,
  forgotten: -7,
} as const;

/** A revision, or a code with what belongs to it. */
export type TransactionReply = number | readonly (number | string)[];

/** The answer to one transaction. @throws `corrupt` */
export function commitResultOf(transaction: Transaction, reply: TransactionReply): CommitResult {
  if (typeof reply === "number") {
    return { isCommitted: true, revision: reply, replayedAnswer: undefined };
  }
  const [code = 0, first, second] = reply;
  switch (code) {
    case REPLY_CODES.fenced:
      return { isCommitted: false, cause: { why: "fenced", leaderEpoch: Number(first) } };
    case REPLY_CODES.check:
      return failedCheck(transaction, Number(first), Number(second));
    case REPLY_CODES.counter:
      return failedCounter(transaction, Number(first), Number(second));
    case REPLY_CODES.requestReused: {
      const requestId = transaction.request?.id ?? "";
      return { isCommitted: false, cause: { why: "request-reused", requestId } };
    }
    case REPLY_CODES.repeated: {
      const replayedAnswer = JSON.parse(String(second)) as string;
      return { isCommitted: true, revision: Number(first), replayedAnswer };
    }
    case REPLY_CODES.corrupt:
      throw corruptRecord(String(first), "it was not written by us");
    default:
      throw new AssertionError(`the commit script answered with an unknown code ${String(code)}`);
  }
}

function failedCheck({ checks }: Transaction, position: number, actual: number): CommitResult {
  const check = checks[position - 1];
  if (check === undefined) throw new AssertionError("the script names a check of the transaction");
  const cause = { why: "check", key: check.key, actual: actual === 0 ? "absent" : actual } as const;
  return { isCommitted: false, cause };
}

function failedCounter({ counters }: Transaction, position: number, value: number): CommitResult {
  const change = counters[position - 1];
  if (change?.max === undefined) throw new AssertionError("only a bounded counter refuses");
  const { key, delta, max } = change;
  return { isCommitted: false, cause: { why: "counter", key, value, delta, max } };
}

/** What an error of a call means for who called. */
export interface Failure {
  /**
   * `script`: load it and repeat. `reconnect`: this connection does not lead to a master that
   * serves now. `lost`: sent, no answer: the outcome is unknown. `final`: refused before anything
   * was done.
   */
  readonly next: "script" | "reconnect" | "lost" | "final";
  readonly error: DomainError;
}

type Next = Failure["next"];

/** By the first word of the server's error. Nothing was done in any of these cases. */
const SERVER_ERRORS: Readonly<Record<string, readonly [Next, string]>> = {
  NOSCRIPT: ["script", "it has forgotten the commit script"],
  READONLY: ["reconnect", "it is a replica now"],
  LOADING: ["reconnect", "it is loading its data"],
  MASTERDOWN: ["reconnect", "it is a replica without a master"],
  UNBLOCKED: ["reconnect", "it has become a replica"],
  BUSY: ["reconnect", "it is busy running a script"],
  OOM: ["final", "it has no memory left (maxmemory is reached)"],
  MISCONF: ["final", "it cannot write to its disk"],
  NOREPLICAS: ["final", "it has fewer replicas than it needs to take writes"],
  NOAUTH: ["final", "it asks for a user and password"],
  WRONGPASS: ["final", "it does not accept the user or password"],
  NOPERM: ["final", "the user lacks a permission"],
};

/** @param thrown what a command was rejected with */
export function failureOf(thrown: unknown): Failure {
  if (thrown instanceof DomainError) return { next: "final", error: thrown };
  if (!(thrown instanceof Error) || thrown.name !== "ReplyError") {
    return { next: "lost", error: unavailable("store", "the connection was lost", thrown) };
  }
  // Without the command that the library attaches: a group of transactions fills a log.
  const cause = new Error(thrown.message);
  const code = /^[A-Z]+/.exec(thrown.message)?.[0] ?? "";
  const known = SERVER_ERRORS[code];
  if (known !== undefined) {
    return { next: known[0], error: unavailable("store", `Redis: ${known[1]}`, cause) };
  }
  return { next: "final", error: brokenData(code, cause) };
}

function brokenData(code: string, thrown: Error): DomainError {
  const named = /^CORRUPT "([^"]*)"/.exec(thrown.message)?.[1];
  if (named !== undefined) return corruptRecord(named, "it was not written by us", thrown);
  if (code === "WRONGTYPE") return corruptRecord("store", "a key has another type", thrown);
  return new DomainError(
    { kind: "internal", reason: "INTERNAL", message: "internal error", metadata: {} },
    { cause: thrown },
  );
}

/** The outcome of a commit could not be learned in time. */
export function outcomeUnknown(why: string, cause?: unknown): DomainError {
  return new DomainError(
    {
      kind: "timeout",
      reason: "STORE_OUTCOME_UNKNOWN",
      message: `the store did not confirm the commit: ${why}; repeat it with the same request id`,
      metadata: { why },
    },
    { cause },
  );
}
