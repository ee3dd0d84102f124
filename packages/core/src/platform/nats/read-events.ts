/**
 * Reads the stream by revision. Revisions grow with the sequence (E2), so the place of a revision
 * is found by halving; no consumer is made for it.
 */
import { DomainError, unavailable } from "../../domain/errors.js";
import type { ClusterEvent, EventBatch, EventPage } from "../../ports/event-log.js";
import type { Revision } from "../../ports/state-store.js";
import { type EventEntry, isLastOfCommit } from "./event-message.js";
import type { EventStream, StreamBounds } from "./event-stream.js";

/** Messages asked for at once. */
const IN_FLIGHT_MAX = 128;

/** The revision that reading can start after. */
export async function oldestRevision(
  stream: EventStream,
  { first, last }: StreamBounds,
): Promise<Revision> {
  if (first === 1 || first > last) return 0;
  const { event, index } = await keptEntry(stream, first);
  // A gap event stands for all that came before it.
  if (event.subjectKind === "log") return 0;
  return index === 0 ? event.revision - 1 : event.revision;
}

export async function readEvents(
  stream: EventStream,
  after: Revision,
  eventsMax: number,
): Promise<EventPage | "compacted"> {
  const bounds = await stream.bounds();
  const oldest = await oldestRevision(stream, bounds);
  if (after > 0 && after < oldest) return "compacted";
  const first = await firstAfter(stream, bounds, Math.max(after, oldest));
  const batches = await readBatches(stream, { ...bounds, first }, eventsMax);
  return { batches, lastRevision: batches.at(-1)?.revision ?? after };
}

/** The sequence of the first message of a later revision; `last + 1` when there is none. */
async function firstAfter(
  stream: EventStream,
  { first, last }: StreamBounds,
  after: Revision,
): Promise<number> {
  let low = first;
  let high = last + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const { event } = await keptEntry(stream, middle);
    if (event.revision <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whole commits until there are enough events; one that is not complete yet is left for later. */
async function readBatches(
  stream: EventStream,
  { first, last }: StreamBounds,
  eventsMax: number,
): Promise<readonly EventBatch[]> {
  const batches: EventBatch[] = [];
  let commit: ClusterEvent[] = [];
  let count = 0;
  for (let start = first; start <= last && count < eventsMax; ) {
    const size = Math.min(IN_FLIGHT_MAX, last - start + 1, Math.max(1, eventsMax - count));
    const entries = await readRange(stream, start, size);
    for (const entry of entries) {
      commit.push(entry.event);
      if (!isLastOfCommit(entry)) continue;
      batches.push({ revision: entry.event.revision, events: commit });
      count += commit.length;
      commit = [];
    }
    start += size;
  }
  return batches;
}

async function readRange(
  stream: EventStream,
  start: number,
  size: number,
): Promise<readonly EventEntry[]> {
  const sequences = Array.from({ length: size }, (_, index) => start + index);
  return await Promise.all(sequences.map((sequence) => keptEntry(stream, sequence)));
}

async function keptEntry(stream: EventStream, sequence: number): Promise<EventEntry> {
  const entry = await stream.entry(sequence);
  if (entry === undefined) throw await missingMessage(stream, sequence);
  return entry;
}

/** Nothing is passed over in silence (E4). */
async function missingMessage(stream: EventStream, sequence: number): Promise<DomainError> {
  const { first } = await stream.bounds();
  if (sequence < first) return unavailable("event log", "its oldest events expired just now");
  return new DomainError({
    kind: "corrupt",
    reason: "EVENT_LOG_HOLE",
    message: `message ${sequence} of the event log is missing`,
    metadata: { sequence: String(sequence) },
  });
}
