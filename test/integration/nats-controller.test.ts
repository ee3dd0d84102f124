/**
 * Two real controllers over one store on a real nats-server: reports, hints and events follow the
 * leader.
 */
import { type AgentClient, unavailable } from "@innkeeper/core";
import { randomIdSource, systemClock } from "@innkeeper/core/platform";
import { guestChangedSubject } from "@innkeeper/core/platform/nats";
import {
  aGuest,
  aNode,
  aNodeReport,
  aTransaction,
  MemoryBlobStore,
  MemoryDisk,
  MemoryLeaderLease,
  MemoryStateStore,
  silentLogger,
} from "@innkeeper/core/testing";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type Controller, createController } from "../../services/controller/src/controller.js";
import { natsServices } from "../../services/controller/src/start-nats.js";
import { NatsReportChannel } from "../../services/node-agent/src/nats/nats-report-channel.js";
import { NatsServer } from "./nats-server.js";
import { allOf, connectedLink, STREAM_OPTIONS } from "./relay-bench.js";

const CONFIG = {
  leaseTtlMs: 8_000,
  leaseMarginMs: 2_000,
  leaseCheckMs: 1_000,
  leaderTtlMs: 600,
  resyncMs: 5_000,
  retryMs: 50,
  migrationsPerNodeMax: 4,
  mirrorWaitMs: 5_000,
  operationsKeptMs: 3_600_000,
};
const WITHIN = { timeout: 10_000, interval: 20 };

let server: NatsServer;

beforeAll(async () => {
  server = await NatsServer.start();
});

afterAll(async () => await server.end());

it("reports to whoever leads, tells each guest's change, and tells all events once", async () => {
  const disk = new MemoryDisk();
  const first = await startController("one", disk);
  const second = await startController("two", disk);
  expect(first.leaderEpoch).toBeGreaterThan(0);
  const link = await connectedLink(server);
  const hints: string[] = [];
  const guest = aGuest({ uid: UID, projectId: "default" });
  link.connection.subscribe(guestChangedSubject(UID), {
    callback: (_, message) => {
      hints.push(message.string());
    },
  });
  await link.connection.flush();
  const channel = new NatsReportChannel(link, 1_000);
  await expectReport(channel, first);

  const revision = await put(first, guest);
  await vi.waitFor(() => expect(hints).toContain(String(revision)), WITHIN);

  await first.stop();
  await vi.waitFor(() => expect(second.leaderEpoch).toBeGreaterThan(0), WITHIN);
  await expectReport(channel, second);
  const newest = await put(second, { ...guest, generation: 2 });
  await vi.waitFor(() => expect(hints).toContain(String(newest)), WITHIN);

  const { eventLog } = natsServices(link, STREAM_OPTIONS);
  const told = async () => expect(await eventLog.newestRevision()).toBeGreaterThanOrEqual(newest);
  await vi.waitFor(told, WITHIN);
  const events = await allOf(eventLog);
  expect(new Set(events).size).toBe(events.length);
  expect(events).toContain(`${revision} ${guest.id}`);
  expect(events).toContain(`${newest} ${guest.id}`);
  await second.stop();
  await expect(channel.report(aReport())).rejects.toMatchObject({ kind: "unavailable" });
});

const UID = "5d1b1f0e-98c1-4f4e-8f0e-0e3d7f7a9c11";
const INCARNATION = "0b5f9a9e-6a4e-4c53-9e62-1c1b9d7d6f10";
let sequence = 0;

const away = () => Promise.reject(unavailable("agent", "there is none"));
const never = () => {
  throw unavailable("agent", "there is none");
};
const NO_AGENT: AgentClient = {
  apply: away,
  readConsole: away,
  writeConsole: never,
  exec: never,
  exportDisk: never,
  close: () => undefined,
};

async function startController(controllerId: string, disk: MemoryDisk): Promise<Controller> {
  const clock = systemClock;
  const { lead } = natsServices(await connectedLink(server), STREAM_OPTIONS);
  const ports = {
    store: new MemoryStateStore({ disk, clock }),
    lease: new MemoryLeaderLease({ disk, clock }),
    blobs: new MemoryBlobStore(),
    agents: { clientFor: () => NO_AGENT },
    clock,
    ids: randomIdSource,
    log: silentLogger,
    whileLeading: lead,
  };
  return await createController(ports, { ...CONFIG, controllerId });
}

/** Once the controller knows the node, its report renews the lease. */
async function expectReport(channel: NatsReportChannel, leader: Controller): Promise<void> {
  await leader.join(aNode({ id: "n1", incarnation: INCARNATION }));
  const answer = await channel.report(aReport());
  expect(answer).toMatchObject({ leaderEpoch: leader.leaderEpoch, mustJoin: false });
}

function aReport() {
  sequence += 1;
  return aNodeReport({ incarnation: INCARNATION, sequence, isFull: true });
}

async function put(controller: Controller, value: ReturnType<typeof aGuest>): Promise<number> {
  const key = `guest/${value.projectId}/${value.id}` as const;
  const result = await controller.store.commit(aTransaction({ puts: [{ key, value }] }));
  if (!result.isCommitted) throw new Error("refused");
  return result.revision;
}
