/**
 * The leader's relay of the store's change log to the event log (an outbox): what was committed is
 * told, for good, as soon as the event log can be reached.
 *
 * Y1 Each event is told once and in order, however often the relay starts over and however many
 *    relays there are: the event log sees to it (E1, E2), the relay begins where the log ends.
 * Y2 What the store no longer keeps before it was told is told as one gap event.
 * Y3 Nothing has to be noticed: the relay looks at both ends anew after each failure and every
 *    `recheckMs`.
 */
import {
  type ChangeBatch,
  type Clock,
  type ClusterEvent,
  type EventBatch,
  type EventLog,
  type Logger,
  type Revision,
  type StateStore,
  unavailable,
} from "@innkeeper/core";
import { describeBatch } from "../events/describe-batch.js";
import { inGroups } from "../events/read-ahead.js";

export interface EventRelayConfig {
  /** Pause after a failure. */
  readonly retryMs: number;
  readonly recheckMs: number;
  /** How long the event log keeps an event: what is older and missing has expired. */
  readonly keptMs: number;
}

export interface EventRelayParts {
  readonly store: Pick<StateStore, "changes" | "oldestRevision">;
  readonly events: EventLog;
  /** Of the store, as far as it is known here. */
  readonly newestRevision: () => Revision;
  readonly clock: Clock;
  readonly log: Logger;
  readonly config: EventRelayConfig;
}

/** Commits told at once. */
const GROUP_MAX = 256;

export class EventRelay {
  readonly #abort = new AbortController();
  #isWell = true;
  /** The store was behind the event log: commits that were told have been lost by the store. */
  #wasBehind = false;

  constructor(private readonly parts: EventRelayParts) {}

  start(): void {
    void this.#run();
  }

  stop(): void {
    this.#abort.abort();
  }

  async #run(): Promise<void> {
    const { log, config } = this.parts;
    while (!this.#abort.signal.aborted) {
      try {
        await this.#relayForAWhile();
      } catch (error) {
        if (this.#isWell) log.warn({ error }, "events cannot be told now, they are told later");
        this.#isWell = false;
        await this.#pause(config.retryMs);
      }
    }
  }

  /** Ends after `recheckMs`, so that what was lost behind our back is found (Y3). */
  async #relayForAWhile(): Promise<void> {
    const { store, clock, config } = this.parts;
    let told = await this.#begin();
    const turn = new AbortController();
    const cancel = clock.schedule(config.recheckMs, () => turn.abort());
    const signal = AbortSignal.any([this.#abort.signal, turn.signal]);
    try {
      for await (const group of inGroups(store.changes(told, signal), GROUP_MAX)) {
        const batches = group.filter((each) => each !== "compacted");
        told = await this.#tell(told, batches.map(toEvents));
        this.#isToldAgain(told);
        if (batches.length < group.length) return void (await this.#tellGap(told));
      }
      if (!signal.aborted) throw unavailable("store", "its changes ended");
    } finally {
      cancel();
      turn.abort();
    }
  }

  #isToldAgain(revision: Revision): void {
    if (!this.#isWell) this.parts.log.info({ revision }, "events are told again");
    this.#isWell = true;
  }

  /** The revision after which changes are to be told. */
  async #begin(): Promise<Revision> {
    const { events, newestRevision } = this.parts;
    const newest = await events.newestRevision();
    if (newest === 0) return await this.#beginEmpty();
    if (this.#wasBehind && newestRevision() > newest) return await this.#tellGap(newest);
    return newest;
  }

  /**
   * The event log is new, or all that it held has expired. What is younger was never told.
   */
  async #beginEmpty(): Promise<Revision> {
    const { clock, config } = this.parts;
    const expired = await this.#newestBefore(clock.nowMs() - config.keptMs);
    return expired === 0 ? 0 : await this.#tell(0, [gapEvent(expired, clock.nowMs())]);
  }

  async #newestBefore(atMs: number): Promise<Revision> {
    const { store, newestRevision } = this.parts;
    const newest = newestRevision();
    let found = await store.oldestRevision();
    if (found >= newest) return found;
    for await (const batch of store.changes(found, this.#abort.signal)) {
      if (batch === "compacted" || batch.atMs >= atMs) break;
      found = batch.revision;
      if (found >= newest) break;
    }
    return found;
  }

  /** What comes after `told` is not kept any more, or is another history (Y2). */
  async #tellGap(told: Revision): Promise<Revision> {
    const { store, newestRevision, clock, log } = this.parts;
    const through = Math.max(await store.oldestRevision(), told + 1);
    if (through > newestRevision()) {
      this.#wasBehind = true;
      throw unavailable("store", `it ends at ${newestRevision()}, the event log at ${told}`);
    }
    log.error({ after: told, through }, "events are missing: the store did not keep the changes");
    const revision = await this.#tell(told, [gapEvent(through, clock.nowMs())]);
    this.#wasBehind = false;
    return revision;
  }

  /** Returns the newest revision that is told. */
  async #tell(after: Revision, all: readonly EventBatch[]): Promise<Revision> {
    const batches = all.filter(({ events }) => events.length > 0);
    if (batches.length > 0) await this.parts.events.append({ after, batches });
    return batches.at(-1)?.revision ?? after;
  }

  #pause(delayMs: number): Promise<void> {
    const { signal } = this.#abort;
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        signal.removeEventListener("abort", done);
        resolve();
      };
      const cancel = this.parts.clock.schedule(delayMs, done);
      signal.addEventListener("abort", done);
    });
  }
}

function toEvents(batch: ChangeBatch): EventBatch {
  return { revision: batch.revision, events: describeBatch(batch) };
}

function gapEvent(revision: Revision, atMs: number): EventBatch {
  const event: ClusterEvent = {
    revision,
    atMs,
    subjectKind: "log",
    subjectId: "gap",
    projectId: "",
    reason: "EVENTS_MISSING",
    message: `events up to revision ${revision} are not in the event log`,
  };
  return { revision, events: [event] };
}
