/**
 * The event log on a real nats-server: its contract, and events exactly once although relays
 * overlap and the server stops, freezes or is killed. INN_TEST_OUTAGE_MS makes the outage longer.
 */
import type { ClusterEvent, EventBatch, Revision } from "@innkeeper/core";
import {
  EVENT_STREAM,
  EVENTS,
  JetStreamEventLog,
  type NatsLink,
} from "@innkeeper/core/platform/nats";
import { eventLogContract } from "@innkeeper/core/testing/contracts/event-log.contract";
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { NatsServer } from "./nats-server.js";
import { outageMs, passed } from "./outage.js";
import { allOf, connectedLink, deleteStream, RelayBench, STREAM_OPTIONS } from "./relay-bench.js";

const WITHIN = { timeout: 30_000, interval: 50 };

let server: NatsServer;
const benches: RelayBench[] = [];

beforeAll(async () => {
  server = await NatsServer.start();
});

afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.stop();
  await deleteStream(server);
});

afterAll(async () => await server.end());

eventLogContract("JetStream", async () => {
  const [link, otherLink] = [await connectedLink(server), await connectedLink(server)];
  const log = new JetStreamEventLog(link, STREAM_OPTIONS);
  return {
    log,
    other: new JetStreamEventLog(otherLink, STREAM_OPTIONS),
    keep: async (events) => {
      const manager = await jetstreamManager(link.connection);
      await manager.streams.purge(EVENT_STREAM, { keep: events });
      if (events === 0) await manager.streams.purge(EVENT_STREAM);
    },
    close: async () => {
      await deleteStream(server);
      await Promise.all([link.close(), otherLink.close()]);
    },
  };
});

describe("the stream", () => {
  it("is made with its limits, and follows when they are set anew", async () => {
    const link = await connectedLink(server);
    await new JetStreamEventLog(link, STREAM_OPTIONS).newestRevision();
    const config = { max_age: 3_600_000 * 1e6, max_bytes: 1_000_000, deny_delete: true };
    const shorter = { ...STREAM_OPTIONS, keptMs: 3_600_000, bytesMax: 1_000_000 };
    await new JetStreamEventLog(link, shorter).newestRevision();
    const info = await (await jetstreamManager(link.connection)).streams.info(EVENT_STREAM);
    expect(info.config).toMatchObject({ ...config, storage: "file", subjects: [EVENTS] });
  });

  it("completes a commit that another appender left half done (E3)", async () => {
    const [link, log] = await openLog();
    await log.append({ after: 0, batches: [aBatch(1, "a")] });
    await cutAfterFirst(link, aBatch(2, "b", "c", "d"));
    const reader = new JetStreamEventLog(link, STREAM_OPTIONS);
    expect(await reader.newestRevision()).toBe(1);
    expect(await reader.read(0, 10)).toMatchObject({ lastRevision: 1 });
    await reader.append({ after: 1, batches: [aBatch(2, "b", "c", "d"), aBatch(3, "e")] });
    expect(await subjectsOf(link)).toEqual(["a", "b", "c", "d", "e"]);
  });

  it("says what is no event of ours", async () => {
    const [link, log] = await openLog();
    await log.append({ after: 0, batches: [aBatch(1, "a")] });
    await jetstream(link.connection).publish("innkeeper.v1.event.guest.p.x", "{}");
    await expect(log.read(0, 10)).rejects.toMatchObject({ kind: "corrupt" });
  });

  it("forgets with age by itself", async () => {
    const link = await connectedLink(server);
    const log = new JetStreamEventLog(link, { ...STREAM_OPTIONS, keptMs: 500 });
    await log.newestRevision();
    await log.append({ after: 0, batches: [aBatch(1, "a")] });
    await vi.waitFor(
      async () => expect(await log.read(0, 9)).toMatchObject({ batches: [] }),
      WITHIN,
    );
    expect(await new JetStreamEventLog(link, STREAM_OPTIONS).newestRevision()).toBe(0);
  });

  it("is unavailable, not broken, while there is no server", async () => {
    const [link, log] = await openLog();
    await server.stop();
    await vi.waitFor(() => expect(link.isConnected).toBe(false), WITHIN);
    for (const asked of [log.read(0, 1), log.newestRevision(), log.append(APPEND)]) {
      await expect(asked).rejects.toMatchObject({ kind: "unavailable" });
    }
    await server.run();
  });
});

describe("relaying", () => {
  it("tells each event once with three relays at once", async () => {
    const bench = openBench();
    for (let count = 0; count < 3; count += 1) await bench.startRelay();
    for (let count = 0; count < 300; count += 1) await bench.commit(`p-${count}`, "x");
    await bench.expectAllTold();
  });

  it("tells each event once although the server is stopped and started under load", async () => {
    const bench = openBench();
    await bench.startRelay();
    await bench.startRelay();
    await bench.underLoad(async () => {
      await server.stop();
      await passed(outageMs());
      await server.run();
    });
    await bench.expectAllTold();
  });

  it("tells each event once although the server is frozen under load", async () => {
    const bench = openBench();
    await bench.startRelay();
    await bench.startRelay();
    await bench.underLoad(async () => {
      server.freeze();
      await passed(outageMs());
      server.thaw();
    });
    await bench.expectAllTold();
  });

  it("tells each event once although the server is killed again and again under load", async () => {
    const bench = openBench();
    await bench.startRelay();
    await bench.underLoad(async () => {
      for (let kill = 0; kill < 5; kill += 1) {
        await passed(150);
        await server.stop("SIGKILL");
        await server.run();
      }
    });
    await bench.expectAllTold();
  });

  it("lets a program go on where it was, over an outage, by a durable consumer", async () => {
    const bench = openBench();
    const link = await bench.startRelay();
    const config = { durable_name: "billing", ack_policy: AckPolicy.Explicit };
    const manager = await jetstreamManager(link.connection);
    await manager.consumers.add(EVENT_STREAM, { ...config, filter_subject: EVENTS });
    for (let count = 0; count < 20; count += 1) await bench.commit(`p-${count}`);
    const first = await consume(link, 10);
    await server.stop();
    for (let count = 20; count < 40; count += 1) await bench.commit(`p-${count}`);
    await server.run();
    await bench.expectAllTold();
    const rest = await consume(await connectedLink(server), 30);
    expect([...first, ...rest]).toEqual(bench.wanted);
  });
});

/** What a program that follows the cluster does. */
async function consume(link: NatsLink, count: number): Promise<string[]> {
  const consumer = await jetstream(link.connection).consumers.get(EVENT_STREAM, "billing");
  const told: string[] = [];
  for await (const message of await consumer.fetch({ max_messages: count, expires: 5_000 })) {
    const { revision, subjectId } = message.json<ClusterEvent>();
    told.push(`${revision} ${subjectId}`);
    message.ack();
  }
  await link.connection.flush();
  return told;
}

function openBench(): RelayBench {
  const bench = new RelayBench(server);
  benches.push(bench);
  return bench;
}

async function openLog(): Promise<[NatsLink, JetStreamEventLog]> {
  const link = await connectedLink(server);
  const log = new JetStreamEventLog(link, STREAM_OPTIONS);
  await log.newestRevision();
  return [link, log];
}

/** What an appender leaves that ended in the middle of a commit. */
async function cutAfterFirst(link: NatsLink, { events }: EventBatch): Promise<void> {
  const [event] = events;
  const data = JSON.stringify({ ...event, index: 0, count: events.length });
  await jetstream(link.connection).publish("innkeeper.v1.event.project._.b", data);
}

async function subjectsOf(link: NatsLink): Promise<string[]> {
  const told = await allOf(new JetStreamEventLog(link, STREAM_OPTIONS));
  return told.map((each) => each.split(" ")[1] ?? "");
}

function aBatch(revision: Revision, ...ids: readonly string[]): EventBatch {
  const events = ids.map((subjectId) => ({
    revision,
    atMs: 1_767_225_600_000,
    subjectKind: "project",
    subjectId,
    projectId: "",
    reason: "PROJECT_WRITTEN",
    message: `project ${subjectId} was written`,
  }));
  return { revision, events };
}

const APPEND = { after: 0, batches: [aBatch(1, "a")] };
