/** A store, a load of commits, and relays of its changes to the event log of a real nats-server. */
import type { EventHistory, Revision } from "@innkeeper/core";
import { systemClock } from "@innkeeper/core/platform";
import {
  EVENT_STREAM,
  type EventStreamOptions,
  JetStreamEventLog,
  type NatsLink,
} from "@innkeeper/core/platform/nats";
import {
  aProject,
  aTransaction,
  MemoryDisk,
  MemoryStateStore,
  silentLogger,
} from "@innkeeper/core/testing";
import { jetstreamManager } from "@nats-io/jetstream";
import { expect, vi } from "vitest";
import { EventRelay } from "../../services/controller/src/loops/event-relay.js";
import type { NatsServer } from "./nats-server.js";
import { passed } from "./outage.js";

export const STREAM_OPTIONS: EventStreamOptions = {
  keptMs: 7 * 86_400_000,
  bytesMax: 64 * 1024 * 1024,
  replicas: 1,
  timeoutMs: 1_000,
};
/** More than the load of the longest outage. */
const CHANGES_KEPT_MAX = 1_000_000;
const TOLD_WITHIN = { timeout: 30_000, interval: 50 };

export class RelayBench {
  readonly wanted: string[] = [];
  readonly #store = new MemoryStateStore({
    disk: new MemoryDisk({ changesKeptMax: CHANGES_KEPT_MAX }),
    clock: systemClock,
  });
  readonly #relays: EventRelay[] = [];
  #newest: Revision = 0;

  constructor(private readonly server: NatsServer) {}

  async startRelay(): Promise<NatsLink> {
    const link = await connectedLink(this.server);
    const events = new JetStreamEventLog(link, STREAM_OPTIONS);
    await events.newestRevision();
    const relay = new EventRelay({
      store: this.#store,
      events,
      newestRevision: () => this.#newest,
      clock: systemClock,
      log: silentLogger,
      config: { retryMs: 50, recheckMs: 1_000, keptMs: STREAM_OPTIONS.keptMs },
    });
    this.#relays.push(relay);
    relay.start();
    return link;
  }

  /** Ends the relays and deletes the stream: the next store is another one. */
  async stop(): Promise<void> {
    for (const relay of this.#relays) relay.stop();
    await deleteStream(this.server);
  }

  async commit(...ids: readonly string[]): Promise<void> {
    const puts = ids.map((id) => ({ key: `project/${id}` as const, value: aProject({ id }) }));
    const result = await this.#store.commit(aTransaction({ puts }));
    if (!result.isCommitted) throw new Error("refused");
    this.#newest = result.revision;
    this.wanted.push(...ids.map((id) => `${result.revision} ${id}`));
  }

  /** Commits all the time, some before and some after what happens too. */
  async underLoad(happen: () => Promise<void>): Promise<void> {
    let isOver = false;
    const load = (async () => {
      for (let count = 0; !isOver; count += 1) {
        await this.commit(`p-${count}`, "x");
        await passed(2);
      }
    })();
    await passed(200);
    await happen();
    await passed(200);
    isOver = true;
    await load;
  }

  async expectAllTold(): Promise<void> {
    const reader = new JetStreamEventLog(await connectedLink(this.server), STREAM_OPTIONS);
    const newest = async () => expect(await reader.newestRevision()).toBe(this.#newest);
    await vi.waitFor(newest, TOLD_WITHIN);
    expect(await allOf(reader)).toEqual(this.wanted);
  }
}

/** Every event of the log, as `<revision> <subject id>`. */
export async function allOf(log: EventHistory): Promise<string[]> {
  const told: string[] = [];
  for (let after = 0; ; ) {
    const page = await log.read(after, 500);
    if (page === "compacted") throw new Error("compacted");
    if (page.batches.length === 0) return told;
    const events = page.batches.flatMap((batch) => batch.events);
    told.push(...events.map(({ revision, subjectId }) => `${revision} ${subjectId}`));
    after = page.lastRevision;
  }
}

export async function connectedLink(server: NatsServer): Promise<NatsLink> {
  const link = server.link();
  await link.connected();
  return link;
}

export async function deleteStream(server: NatsServer): Promise<void> {
  const link = await connectedLink(server);
  const manager = await jetstreamManager(link.connection);
  await manager.streams.delete(EVENT_STREAM).catch(() => undefined);
  await link.close();
}
