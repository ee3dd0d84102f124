/**
 * Events for the API: the store's change log where it reaches back far enough, the event log for
 * what is older. So a watch needs nothing but the store, and history outlives the store's log.
 */
import {
  type DomainError,
  type EventBatch,
  type EventHistory,
  type EventPage,
  type Revision,
  type StateStore,
  toDomainError,
} from "@innkeeper/core";
import { describeBatch } from "./describe-batch.js";
import { StoreEventHistory } from "./store-event-history.js";

export interface EventFeedParts {
  readonly store: Pick<StateStore, "changes" | "oldestRevision">;
  readonly newestRevision: () => Revision;
  /** Undefined = the store's change log is all there is. */
  readonly log: EventHistory | undefined;
}

/** Events read from the event log at once while a watch catches up. */
const PAGE_EVENTS = 256;

export class EventFeed {
  readonly #recent: StoreEventHistory;

  constructor(private readonly parts: EventFeedParts) {
    this.#recent = new StoreEventHistory(parts.store, parts.newestRevision);
  }

  /** See `EventHistory.read`. Without its log, revision 0 is the oldest that the store keeps. */
  async read(after: Revision, eventsMax: number): Promise<EventPage | "compacted"> {
    const { log } = this.parts;
    if (log === undefined) return await this.#recent.read(after, eventsMax);
    if (after === 0) return await this.#fromOldest(log, eventsMax);
    const page = await this.#recent.read(after, eventsMax);
    return page === "compacted" ? await log.read(after, eventsMax) : page;
  }

  /** Every commit's events after a revision, then new ones, until the signal aborts. */
  async *follow(
    after: Revision,
    signal: AbortSignal,
  ): AsyncGenerator<EventBatch | "compacted", void, undefined> {
    let seen = after;
    for (;;) {
      const compactedAfter = yield* this.#followStore(seen, signal);
      if (compactedAfter === undefined) return;
      seen = compactedAfter;
      const older = await this.parts.log?.read(seen, PAGE_EVENTS);
      if (older === undefined || older === "compacted" || older.batches.length === 0) {
        yield "compacted";
        return;
      }
      yield* older.batches;
      seen = older.lastRevision;
    }
  }

  /** Returns the revision after which the store's log is not kept; undefined when it is over. */
  async *#followStore(
    after: Revision,
    signal: AbortSignal,
  ): AsyncGenerator<EventBatch, Revision | undefined, undefined> {
    let seen = after;
    for await (const batch of this.parts.store.changes(after, signal)) {
      if (batch === "compacted") return seen;
      seen = batch.revision;
      const events = describeBatch(batch);
      if (events.length > 0) yield { revision: seen, events };
    }
    return undefined;
  }

  async #fromOldest(log: EventHistory, eventsMax: number): Promise<EventPage | "compacted"> {
    try {
      const page = await log.read(0, eventsMax);
      if (page !== "compacted" && page.batches.length > 0) return page;
    } catch (error) {
      if (!isAway(toDomainError(error))) throw error;
    }
    return await this.#recent.read(0, eventsMax);
  }
}

function isAway({ kind }: DomainError): boolean {
  return kind === "unavailable" || kind === "timeout";
}
