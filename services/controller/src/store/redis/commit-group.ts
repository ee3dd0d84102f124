/** Transactions that travel to Redis in one call, and those who wait for their answers. */
import { assert, type CommitResult, type DomainError } from "@innkeeper/core";
import type { EncodedTransaction } from "../encoded-transaction.js";
import type { CommitCall } from "./commit-call.js";
import { commitResultOf, outcomeUnknown, type TransactionReply } from "./reply-codes.js";

/** What one caller asked for; never split. */
export interface Submission {
  readonly transactions: readonly EncodedTransaction[];
  /** Monotonic; when it gives up waiting. */
  readonly endsAtMs: number;
  readonly resolve: (results: readonly CommitResult[]) => void;
  readonly reject: (error: unknown) => void;
}

export class CommitGroup {
  readonly #submissions: readonly Submission[];
  readonly call: CommitCall;
  readonly number: number;
  /** It was sent, and that answer was lost. */
  mayBeDone = false;
  /** Why it has no answer yet. */
  lastError: DomainError | undefined;

  constructor(submissions: readonly Submission[], call: CommitCall, number: number) {
    this.#submissions = submissions;
    this.call = call;
    this.number = number;
  }

  get endsAtMs(): number {
    return Math.min(...this.#submissions.map((each) => each.endsAtMs));
  }

  /**
   * @param unsafe given when the commits are done but not as safe as was asked for: whoever
   * committed gets it, whoever was refused gets the refusal
   */
  answer(replies: readonly TransactionReply[], unsafe: DomainError | undefined): void {
    let start = 0;
    for (const submission of this.#submissions) {
      const end = start + submission.transactions.length;
      assert(end <= replies.length, "the script answers each transaction");
      answerOne(submission, replies.slice(start, end), unsafe);
      start = end;
    }
  }

  /** The truth about a group that gets no answer: not done, or not known. */
  fail(error: DomainError): void {
    const told = this.mayBeDone ? outcomeUnknown("its answer was lost", error) : error;
    for (const { reject } of this.#submissions) reject(told);
  }
}

function answerOne(
  { transactions, resolve, reject }: Submission,
  replies: readonly TransactionReply[],
  unsafe: DomainError | undefined,
): void {
  try {
    const results = transactions.map(({ transaction }, index) =>
      commitResultOf(transaction, replies[index] ?? []),
    );
    if (unsafe !== undefined && results.some((each) => each.isCommitted)) reject(unsafe);
    else resolve(results);
  } catch (error) {
    reject(error);
  }
}
