/** The event log in memory: what has been appended is there for everyone who holds the object. */
import { conflict } from "../domain/errors.js";
import type { EventAppend, EventBatch, EventLog, EventPage } from "../ports/event-log.js";
import type { Revision } from "../ports/state-store.js";

export class MemoryEventLog implements EventLog {
  #batches: EventBatch[] = [];
  #forgottenThrough: Revision = 0;

  async newestRevision(): Promise<Revision> {
    return this.#newest();
  }

  async oldestRevision(): Promise<Revision> {
    const isGap = this.#batches[0]?.events[0]?.subjectKind === "log";
    return isGap ? 0 : this.#forgottenThrough;
  }

  async append({ after, batches }: EventAppend): Promise<void> {
    const newest = this.#newest();
    if (newest < after) {
      throw conflict("EVENT_LOG_BEHIND", `the event log ends at ${newest}, before ${after}`, {
        newest: String(newest),
        after: String(after),
      });
    }
    this.#batches.push(...batches.filter(({ revision }) => revision > newest));
  }

  async read(after: Revision, eventsMax: number): Promise<EventPage | "compacted"> {
    if (after > 0 && after < (await this.oldestRevision())) return "compacted";
    const batches: EventBatch[] = [];
    let count = 0;
    for (const batch of this.#batches) {
      if (batch.revision <= after) continue;
      if (count >= eventsMax) break;
      batches.push(batch);
      count += batch.events.length;
    }
    return { batches, lastRevision: batches.at(-1)?.revision ?? after };
  }

  #newest(): Revision {
    return this.#batches.at(-1)?.revision ?? 0;
  }

  /** What age does to a log: the oldest go, one by one. A commit that lost some is not read. */
  forgetAllBut(eventsKept: number): void {
    let left = eventsKept;
    const kept: EventBatch[] = [];
    for (const batch of this.#batches.toReversed()) {
      left -= batch.events.length;
      if (left < 0) {
        this.#forgottenThrough = Math.max(this.#forgottenThrough, batch.revision);
        break;
      }
      kept.unshift(batch);
    }
    this.#batches = kept;
  }
}
