/** What a controller does over NATS: the leader's duties, and the event log for the API. */
import type { EventLog } from "@innkeeper/core";
import {
  type EventStreamOptions,
  guestChangedSubject,
  JetStreamEventLog,
  type NatsLink,
} from "@innkeeper/core/platform/nats";
import { serveReports } from "./api/report-subject.js";
import type { Controller } from "./controller.js";
import { tellGuestChanges } from "./events/guest-changes.js";
import { EventRelay } from "./loops/event-relay.js";

export interface NatsServices {
  readonly eventLog: EventLog;
  /** Begins what only the leader does; the returned function ends it. */
  readonly lead: (controller: Controller) => () => void;
}

/** Losses behind our back are found within this. */
const RECHECK_MS = 30_000;

export function natsServices(link: NatsLink, options: EventStreamOptions): NatsServices {
  const eventLog = new JetStreamEventLog(link, options);
  const lead = (controller: Controller): (() => void) => {
    const { store, mirror, clock, log, config } = controller;
    const relay = new EventRelay({
      store,
      // Each term has an end of the log of its own in mind.
      events: new JetStreamEventLog(link, options),
      newestRevision: () => mirror.revision,
      clock,
      log: log.child({ component: "event-relay" }),
      config: { retryMs: config.retryMs, recheckMs: RECHECK_MS, keptMs: options.keptMs },
    });
    const stopReports = serveReports(link, controller);
    const stopHints = tellGuestChanges(mirror, (uid, revision) => hint(link, uid, revision));
    relay.start();
    return () => {
      stopReports();
      stopHints();
      relay.stop();
    };
  };
  return { eventLog, lead };
}

/** Lost when there is no connection: who listens looks again from time to time anyway. */
function hint(link: NatsLink, guestUid: string, revision: number): void {
  if (!link.isConnected) return;
  link.connection.publish(guestChangedSubject(guestUid), String(revision));
}
