/**
 * The event log in JetStream, one message for each event.
 *
 * Exactly once (E1, E2) rests on one thing: each message is published on condition that the stream
 * ends where this appender saw it end. Of two appenders one is refused, looks again and goes on
 * behind the other; an append whose answer was lost is found there. Neither the window of message
 * ids nor the leader lease has to hold for that.
 */
import { assert } from "../../domain/assert.js";
import { conflict, type DomainError } from "../../domain/errors.js";
import type { EventAppend, EventBatch, EventLog, EventPage } from "../../ports/event-log.js";
import type { Revision } from "../../ports/state-store.js";
import { type EventEntry, encodeEvent, entriesOf, isLastOfCommit } from "./event-message.js";
import { EventStream, type EventStreamOptions } from "./event-stream.js";
import { natsFailure } from "./nats-errors.js";
import type { NatsLink } from "./nats-link.js";
import { oldestRevision, readEvents } from "./read-events.js";

/** Where the stream ends; `entry` is undefined when nothing is kept. */
interface Tail {
  readonly sequence: number;
  readonly entry: EventEntry | undefined;
}

/** Messages on their way at once. */
const IN_FLIGHT_MAX = 256;

export class JetStreamEventLog implements EventLog {
  readonly #stream: EventStream;
  #tail: Tail | undefined;
  #isAppending = false;

  constructor(
    link: NatsLink,
    private readonly options: EventStreamOptions,
  ) {
    this.#stream = new EventStream(link, options);
  }

  async newestRevision(): Promise<Revision> {
    this.#tail = await this.#readTail();
    return completeThrough(this.#tail);
  }

  async oldestRevision(): Promise<Revision> {
    return await oldestRevision(this.#stream, await this.#stream.bounds());
  }

  async read(after: Revision, eventsMax: number): Promise<EventPage | "compacted"> {
    return await readEvents(this.#stream, after, eventsMax);
  }

  async append({ after, batches }: EventAppend): Promise<void> {
    assert(!this.#isAppending, "one append at a time");
    this.#isAppending = true;
    try {
      const tail = this.#tail ?? (await this.#readTail());
      this.#tail = tail;
      if (completeThrough(tail) < after) throw behind(completeThrough(tail), after);
      await this.#publishAll(missingFrom(tail, batches));
    } catch (error) {
      this.#tail = undefined;
      this.#stream.forget();
      throw natsFailure(error);
    } finally {
      this.#isAppending = false;
    }
  }

  async #readTail(): Promise<Tail> {
    await this.#stream.ensure();
    const { last } = await this.#stream.bounds();
    return { sequence: last, entry: last === 0 ? undefined : await this.#stream.entry(last) };
  }

  async #publishAll(entries: readonly EventEntry[]): Promise<void> {
    for (let start = 0; start < entries.length; start += IN_FLIGHT_MAX) {
      await this.#publish(entries.slice(start, start + IN_FLIGHT_MAX));
    }
  }

  /** All at once: the server takes them in order, and none behind one that it refused. */
  async #publish(entries: readonly EventEntry[]): Promise<void> {
    const client = this.#stream.client();
    const start = this.#tail?.sequence ?? 0;
    const published = entries.map(async (entry, index) => {
      const { subject, id, data } = encodeEvent(entry);
      const expect = { lastSequence: start + index };
      const timeout = this.options.timeoutMs;
      const ack = await client.publish(subject, data, { msgID: id, expect, timeout });
      if (ack.seq !== start + index + 1) throw moved(id);
    });
    const results = await Promise.allSettled(published);
    const failed = results.find((each) => each.status === "rejected");
    if (failed) throw natsFailure(failed.reason);
    this.#tail = { sequence: start + entries.length, entry: entries.at(-1) };
  }
}

function completeThrough({ entry }: Tail): Revision {
  if (entry === undefined) return 0;
  return isLastOfCommit(entry) ? entry.event.revision : entry.event.revision - 1;
}

function missingFrom({ entry: tail }: Tail, batches: readonly EventBatch[]): EventEntry[] {
  const entries = batches.flatMap(entriesOf);
  if (tail === undefined) return entries;
  const { revision } = tail.event;
  return entries.filter(
    ({ event, index }) =>
      event.revision > revision || (event.revision === revision && index > tail.index),
  );
}

function behind(newest: Revision, after: Revision): DomainError {
  const message = `the event log ends at ${newest}, before ${after}`;
  return conflict("EVENT_LOG_BEHIND", message, { newest: String(newest), after: String(after) });
}

/** The server knew the id: somebody else appended it, behind another end than we saw. */
function moved(id: string): DomainError {
  return conflict("EVENT_LOG_MOVED", `event ${id} is in the event log already`, { id });
}
