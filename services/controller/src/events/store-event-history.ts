/** The store's own change log, read as events: what there is without an event log, and newest. */
import type { EventBatch, EventHistory, EventPage, Revision, StateStore } from "@innkeeper/core";
import { describeBatch } from "./describe-batch.js";

export class StoreEventHistory implements EventHistory {
  constructor(
    private readonly store: Pick<StateStore, "changes" | "oldestRevision">,
    /** Of the store, as far as it is known here: what reading ends with. */
    private readonly newestRevision: () => Revision,
  ) {}

  async oldestRevision(): Promise<Revision> {
    return await this.store.oldestRevision();
  }

  async read(after: Revision, eventsMax: number): Promise<EventPage | "compacted"> {
    const newest = this.newestRevision();
    if (after >= newest) return { batches: [], lastRevision: after };
    const from = after === 0 ? await this.store.oldestRevision() : after;
    const abort = new AbortController();
    const batches: EventBatch[] = [];
    let lastRevision = after;
    let count = 0;
    for await (const batch of this.store.changes(from, abort.signal)) {
      if (batch === "compacted") return "compacted";
      const events = describeBatch(batch);
      if (events.length > 0) batches.push({ revision: batch.revision, events });
      lastRevision = batch.revision;
      count += events.length;
      if (lastRevision >= newest || count >= eventsMax) break;
    }
    abort.abort();
    return { batches, lastRevision };
  }
}
