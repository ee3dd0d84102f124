/**
 * Carries transactions to Redis: what is asked for in one turn of the event loop goes in one call
 * of the commit script; the next groups are sent while earlier ones are on their way. When none is,
 * the first does not wait for the end of the turn.
 *
 * P1 Groups are sent in the order of asking, on one connection. After a failure nothing is sent
 *    before every answer is in or lost; then what has no answer is sent again, in order.
 * P2 A group keeps its number when it is sent again, so the script does it at most once: done
 *    before, it gets the remembered replies; not done, it is done now.
 * P3 `unavailable` = surely nothing was done; `timeout` = sent, and never answered.
 */
import {
  type CommitResult,
  type DomainError,
  type IdSource,
  REQUEST_KEPT_MS,
  unavailable,
} from "@innkeeper/core";
import type { EncodedTransaction } from "../encoded-transaction.js";
import { argumentsFor, commitCall, REMEMBERED_GROUPS } from "./commit-call.js";
import { CommitGroup, type Submission } from "./commit-group.js";
import { COMMIT_SCRIPT } from "./commit-script.js";
import type { RedisConnection } from "./redis-connection.js";
import type { RedisKeys } from "./redis-keys.js";
import { RedisScript } from "./redis-script.js";
import type { Replication } from "./replication.js";
import { outcomeUnknown, REPLY_CODES, type TransactionReply } from "./reply-codes.js";

/** Bounds how long one call keeps Redis, and this process, from anything else. */
const GROUP_TRANSACTIONS_MAX = 256;
const GROUP_CHARACTERS_MAX = 4 * 2 ** 20;
const IN_FLIGHT_MAX = REMEMBERED_GROUPS / 2;
const WAITING_MAX = 100_000;

export interface CommitPipelineOptions {
  readonly connection: RedisConnection;
  readonly keys: RedisKeys;
  readonly ids: IdSource;
  readonly nowMs: () => number;
  readonly replication: Replication;
  readonly changesKeptMax: number;
  /** How long a commit may wait for a store that does not answer. */
  readonly commitTimeoutMs: number;
}

export class CommitPipeline {
  readonly #options: CommitPipelineOptions;
  readonly #script: RedisScript;
  readonly #writerId: string;
  readonly #queue: Submission[] = [];
  /** Without an answer, oldest first. */
  #groups: CommitGroup[] = [];
  /** Of `#groups`: no answer is on its way. */
  readonly #stalled = new Set<CommitGroup>();
  #groupCount = 0;
  #isScheduled = false;
  #isRecovering = false;
  #onIdle: (() => void) | undefined;

  constructor(options: CommitPipelineOptions) {
    this.#options = options;
    this.#script = new RedisScript(options.connection, COMMIT_SCRIPT);
    this.#writerId = options.ids.uuid();
  }

  /** @throws `unavailable` | `timeout` (P3), `corrupt` */
  submit(transactions: readonly EncodedTransaction[]): Promise<readonly CommitResult[]> {
    return new Promise((resolve, reject) => {
      if (this.#onIdle !== undefined) throw unavailable("store", "it is closed");
      if (this.#queue.length >= WAITING_MAX) throw unavailable("store", "too many commits wait");
      const endsAtMs = performance.now() + this.#options.commitTimeoutMs;
      this.#queue.push({ transactions, endsAtMs, resolve, reject });
      this.#schedule();
    });
  }

  /** Takes no more; resolves when everything that was asked for is answered. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      this.#tellIfIdle();
    });
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const pump = (): void => {
      this.#isScheduled = false;
      this.#pump();
    };
    // With nothing under way there is nothing to gain by waiting for others of this turn.
    if (this.#groups.length === 0) process.nextTick(pump);
    else setImmediate(pump);
  }

  #pump(): void {
    while (this.#queue.length > 0 && this.#groups.length < IN_FLIGHT_MAX) {
      const group = this.#takeGroup();
      this.#groups.push(group);
      if (this.#stalled.size === 0 && this.#options.connection.isReady) this.#send(group);
      else this.#stall(group);
    }
  }

  #takeGroup(): CommitGroup {
    const { keys, nowMs, changesKeptMax } = this.#options;
    const submissions = this.#queue.splice(0, countForOneCall(this.#queue));
    const transactions = submissions.flatMap((each) => each.transactions);
    const settings = { nowMs: nowMs(), changesKeptMax, requestKeptMs: REQUEST_KEPT_MS };
    this.#groupCount += 1;
    return new CommitGroup(submissions, commitCall(transactions, keys, settings), this.#groupCount);
  }

  #send(group: CommitGroup): void {
    const token = { writerId: this.#writerId, group: group.number };
    const answered = this.#script.send(argumentsFor(group.call, this.#options.keys, token));
    const confirmed = this.#options.replication.confirm();
    Promise.all([answered, confirmed]).then(
      ([replies, unsafe]) => {
        this.#finish(group, () => {
          if (replies === REPLY_CODES.forgotten) group.fail(outcomeUnknown("it is too old"));
          else group.answer(replies as TransactionReply[], unsafe);
        });
      },
      (error: unknown) => {
        this.#onError(group, error);
      },
    );
  }

  #onError(group: CommitGroup, error: unknown): void {
    const failure = this.#options.connection.heed(error);
    group.lastError = failure.error;
    if (failure.next === "final") {
      this.#finish(group, () => {
        group.fail(failure.error);
      });
      return;
    }
    if (failure.next === "lost") group.mayBeDone = true;
    this.#stall(group);
  }

  #finish(group: CommitGroup, tell: () => void): void {
    this.#groups = this.#groups.filter((each) => each !== group);
    this.#stalled.delete(group);
    tell();
    if (this.#queue.length > 0) this.#schedule();
    this.#recoverIfSettled();
    this.#tellIfIdle();
  }

  #stall(group: CommitGroup): void {
    this.#stalled.add(group);
    this.#recoverIfSettled();
  }

  #recoverIfSettled(): void {
    const isSettled = this.#stalled.size === this.#groups.length;
    if (this.#isRecovering || !isSettled || this.#groups.length === 0) return;
    this.#isRecovering = true;
    void this.#recover();
  }

  async #recover(): Promise<void> {
    const { connection } = this.#options;
    let failure: DomainError | undefined;
    try {
      const endsAtMs = this.#groups[0]?.endsAtMs ?? 0;
      await connection.whenReady(endsAtMs - performance.now());
      await this.#script.load();
    } catch (error) {
      failure = connection.heed(error).error;
    }
    this.#giveUpLate(failure);
    this.#isRecovering = false;
    if (failure === undefined) this.#sendAgain();
    else this.#recoverIfSettled();
  }

  #giveUpLate(failure: DomainError | undefined): void {
    const nowMs = performance.now();
    for (const group of this.#groups.filter((each) => each.endsAtMs <= nowMs)) {
      const why = group.lastError ?? failure ?? unavailable("store", "it did not answer in time");
      this.#finish(group, () => {
        group.fail(why);
      });
    }
  }

  #sendAgain(): void {
    this.#stalled.clear();
    for (const group of this.#groups) this.#send(group);
    this.#schedule();
  }

  #tellIfIdle(): void {
    if (this.#queue.length === 0 && this.#groups.length === 0) this.#onIdle?.();
  }
}

/** How many of those that wait fit into one call; at least one. */
function countForOneCall(queue: readonly Submission[]): number {
  let transactionCount = 0;
  let characterCount = 0;
  let count = 0;
  for (const { transactions } of queue) {
    transactionCount += transactions.length;
    for (const { puts } of transactions) {
      for (const { text } of puts) characterCount += text.length;
    }
    const isFull =
      transactionCount > GROUP_TRANSACTIONS_MAX || characterCount > GROUP_CHARACTERS_MAX;
    if (isFull && count > 0) break;
    count += 1;
  }
  return count;
}
