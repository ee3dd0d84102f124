/** EventService: the change log, told for people and resumable from a revision. */
import { serverStream, unary } from "@innkeeper/core/platform";
import type { Event } from "@innkeeper/proto/innkeeper/v1/event";
import type { EventServiceServer } from "@innkeeper/proto/innkeeper/v1/event_service";
import type { Controller } from "../controller.js";
import { describeBatch } from "../events/describe-batch.js";
import { parsePageSize, parseRevision } from "./parse-request.js";
import { compacted } from "./watch-guests.js";

export function eventService(controller: Controller): EventServiceServer {
  const { log, mirror } = controller;
  return {
    listEvents: unary(log, async (request) => {
      const after = parseRevision("after_revision", request.afterRevision);
      return await listEvents(controller, after, parsePageSize(request.pageSize));
    }),
    watchEvents: serverStream(log, (request, signal) => {
      const after = parseRevision("after_revision", request.afterRevision);
      return watchEvents(controller, after === 0 ? mirror.revision : after, signal);
    }),
  };
}

async function listEvents({ mirror, store }: Controller, after: number, sizeMax: number) {
  const events: Event[] = [];
  let lastRevision = after;
  const newest = mirror.revision;
  if (after >= newest) return { events, lastRevision };
  const abort = new AbortController();
  const from = after === 0 ? await store.oldestRevision() : after;
  for await (const batch of store.changes(from, abort.signal)) {
    if (batch === "compacted") throw compacted(after);
    events.push(...describeBatch(batch).map(toProto));
    lastRevision = batch.revision;
    if (lastRevision >= newest || events.length >= sizeMax) break;
  }
  abort.abort();
  return { events, lastRevision };
}

async function* watchEvents({ store }: Controller, after: number, signal: AbortSignal) {
  for await (const batch of store.changes(after, signal)) {
    if (batch === "compacted") throw compacted(after);
    for (const event of describeBatch(batch)) yield { event: toProto(event) };
  }
}

function toProto(event: ReturnType<typeof describeBatch>[number]): Event {
  const { atMs, ...rest } = event;
  return { ...rest, time: new Date(atMs) };
}
