/** EventService: the change log, told for people and resumable from a revision. */
import type { ClusterEvent, EventHistory } from "@innkeeper/core";
import { serverStream, unary } from "@innkeeper/core/platform";
import type { Event } from "@innkeeper/proto/innkeeper/v1/event";
import type { EventServiceServer } from "@innkeeper/proto/innkeeper/v1/event_service";
import type { Controller } from "../controller.js";
import { EventFeed } from "../events/event-feed.js";
import { parsePageSize, parseRevision } from "./parse-request.js";
import { compacted } from "./watch-guests.js";

/** `eventLog` holds what the store no longer keeps; undefined = there is none. */
export function eventService(
  { log, mirror, store }: Controller,
  eventLog?: EventHistory,
): EventServiceServer {
  const newestRevision = () => mirror.revision;
  const feed = new EventFeed({ store, newestRevision, log: eventLog });
  return {
    listEvents: unary(log, async (request) => {
      const after = parseRevision("after_revision", request.afterRevision);
      return await listEvents(feed, after, parsePageSize(request.pageSize));
    }),
    watchEvents: serverStream(log, (request, signal) => {
      const after = parseRevision("after_revision", request.afterRevision);
      return watchEvents(feed, after === 0 ? mirror.revision : after, signal);
    }),
  };
}

async function listEvents(feed: EventFeed, after: number, sizeMax: number) {
  const page = await feed.read(after, sizeMax);
  if (page === "compacted") throw compacted(after);
  const events = page.batches.flatMap((batch) => batch.events.map(toProto));
  return { events, lastRevision: page.lastRevision };
}

async function* watchEvents(feed: EventFeed, after: number, signal: AbortSignal) {
  for await (const batch of feed.follow(after, signal)) {
    if (batch === "compacted") throw compacted(after);
    for (const event of batch.events) yield { event: toProto(event) };
  }
}

function toProto({ atMs, ...rest }: ClusterEvent): Event {
  return { ...rest, time: new Date(atMs) };
}
