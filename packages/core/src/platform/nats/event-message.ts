/**
 * One event as a message of the stream: JSON for whoever reads it, and the identity that keeps it
 * single. `index` and `count` say where it stands among the events of its commit.
 */
import { DomainError } from "../../domain/errors.js";
import type { ClusterEvent, EventBatch } from "../../ports/event-log.js";
import { eventSubject } from "./subjects.js";

export interface EventEntry {
  readonly event: ClusterEvent;
  readonly index: number;
  readonly count: number;
}

export interface EventMessage {
  readonly subject: string;
  /** `<revision>.<index>`. */
  readonly id: string;
  readonly data: Uint8Array;
}

export function entriesOf({ events }: EventBatch): readonly EventEntry[] {
  return events.map((event, index) => ({ event, index, count: events.length }));
}

export function isLastOfCommit({ index, count }: EventEntry): boolean {
  return index === count - 1;
}

export function encodeEvent({ event, index, count }: EventEntry): EventMessage {
  return {
    subject: eventSubject(event),
    id: `${event.revision}.${index}`,
    data: new TextEncoder().encode(JSON.stringify({ ...event, index, count })),
  };
}

/** @throws `corrupt` when the message is not one of ours. */
export function decodeEvent(sequence: number, data: Uint8Array): EventEntry {
  const { index, count, ...event } = parse(sequence, data);
  const isEntry =
    [event["revision"], event["atMs"], index, count].every(Number.isSafeInteger) &&
    TEXTS.every((name) => typeof event[name] === "string") &&
    Number(index) >= 0 &&
    Number(index) < Number(count);
  if (!isEntry) throw corrupt(sequence, undefined);
  return {
    event: event as unknown as ClusterEvent,
    index: index as number,
    count: count as number,
  };
}

const TEXTS = ["subjectKind", "subjectId", "projectId", "reason", "message"] as const;

function parse(sequence: number, data: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(data));
    if (typeof parsed === "object" && parsed !== null) return { ...parsed };
  } catch (cause) {
    throw corrupt(sequence, cause);
  }
  throw corrupt(sequence, undefined);
}

function corrupt(sequence: number, cause: unknown): DomainError {
  return new DomainError(
    {
      kind: "corrupt",
      reason: "EVENT_CORRUPT",
      message: `message ${sequence} of the event log is not an event`,
      metadata: { sequence: String(sequence) },
    },
    { cause },
  );
}
