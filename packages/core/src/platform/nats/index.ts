/**
 * NATS for controllers and agents: reports, hints and the event log. Apart from `platform`, so that
 * clients do not load it.
 */

export {
  type ContextReader,
  type ContextWriter,
  type MessageContext,
  readContext,
  writeContext,
} from "../message-context.js";
export { EVENT_STREAM, type EventStreamOptions } from "./event-stream.js";
export { JetStreamEventLog } from "./jet-stream-event-log.js";
export { NatsLink } from "./nats-link.js";
export type { NatsCredentials, NatsOptions, NatsTls } from "./nats-options.js";
export { eventStreamOptionsOf, type NatsSettings, natsOptionsOf } from "./nats-options-of.js";
export { type NatsRequest, request, type Service, serve } from "./request-reply.js";
export {
  EVENTS,
  eventSubject,
  guestChangedSubject,
  NODE_REPORTS,
  nodeOfReport,
  nodeReportSubject,
} from "./subjects.js";
