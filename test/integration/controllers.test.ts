/**
 * Several controllers on one Redis: one leads, any serves, and leaders may die at any moment (I4,
 * I5, I6).
 */
import { randomUUID } from "node:crypto";
import { createReadStream, readdirSync } from "node:fs";
import { type InnkeeperClient, importImage, readImageSource } from "@innkeeper/client";
import { DomainError } from "@innkeeper/core";
import { Guest, GuestPhase } from "@innkeeper/proto/innkeeper/v1/guest";
import type { Operation } from "@innkeeper/proto/innkeeper/v1/operation";
import { afterEach, describe, expect, it, vi } from "vitest";
import { PATIENCE } from "./programs.js";
import { type Member, RedisCluster } from "./redis-cluster.js";

const TINY = "images/build/tiny/image.json";
const GUESTS = 1000;
const CLIENTS = 32;
const KILL_AFTER = 300;
const DOUBTFUL: readonly DomainError["kind"][] = ["unavailable", "timeout", "cancelled"];

let cluster: RedisCluster;

afterEach(async () => {
  await cluster.dispose();
});

async function start(controllers: number, agents: number): Promise<void> {
  cluster = await RedisCluster.start({ controllers, agents });
  await importImage((await cluster.leader()).client, await readImageSource(TINY));
  await vi.waitFor(() => {
    for (const id of cluster.members.keys()) {
      const blobs = readdirSync(`${cluster.programs.directory}/${id}/blobs`);
      if (!blobs.some((name) => name.length === 64)) throw new Error(`${id} has no blob yet`);
    }
  }, PATIENCE);
}

function aGuest(id: string): Guest {
  return Guest.fromPartial({
    id,
    spec: { imageId: "tiny", resources: { cpuMillis: 100, memoryMib: 16, diskMib: 0 } },
  });
}

/** What a careful client does: the same request again, elsewhere, until it is answered. */
async function createSurely(id: string): Promise<Operation> {
  const requestId = randomUUID();
  return await vi.waitFor(async () => {
    for (const { client } of cluster.members.values()) {
      try {
        const { operation } = await client.guests.createGuest({ guest: aGuest(id), requestId });
        return operation as Operation;
      } catch (error) {
        if (!(error instanceof DomainError) || !DOUBTFUL.includes(error.kind)) throw error;
      }
    }
    throw new Error("nobody answers");
  }, PATIENCE);
}

async function allGuests(client: InnkeeperClient): Promise<Guest[]> {
  const all: Guest[] = [];
  let pageToken = "";
  do {
    const request = { projectId: "", pageSize: 1000, pageToken, minRevision: 0 };
    const page = await client.guests.listGuests(request);
    all.push(...page.guests);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return all;
}

async function untilRunning(client: InnkeeperClient, count: number): Promise<Guest[]> {
  return await vi.waitFor(
    async () => {
      const guests = await allGuests(client);
      const running = guests.filter(({ status }) => status?.phase === GuestPhase.RUNNING);
      if (running.length < count) throw new Error(`${running.length} of ${count} run`);
      return guests;
    },
    { timeout: 60_000, interval: 100 },
  );
}

describe("a leader that is killed (kill -9) during 1,000 creates", () => {
  it("loses no acknowledged request and doubles none", async () => {
    await start(3, 2);
    const operations: Operation[] = [];
    const waiting = Array.from({ length: GUESTS }, (_, index) => `g${index}`);
    let killing: Promise<void> | undefined;
    const work = async (): Promise<void> => {
      for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
        operations.push(await createSurely(id));
        if (operations.length >= KILL_AFTER) killing ??= killLeader();
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, work));
    await killing;
    expect(new Set(operations.map(({ id }) => id)).size).toBe(GUESTS);
    const survivor = await cluster.leader();
    const guests = await untilRunning(survivor.client, GUESTS);
    expect(guests).toHaveLength(GUESTS);
    expect(new Set(guests.map(({ id }) => id)).size).toBe(GUESTS);
    const project = await survivor.client.projects.getProject({ projectId: "default" });
    expect(project.project?.usage?.guests).toBe(GUESTS);
  });
});

async function killLeader(): Promise<void> {
  await cluster.kill(await cluster.leader());
}

describe("a deposed leader that wakes up late", () => {
  it("writes nothing", async () => {
    await start(2, 1);
    const old = await cluster.leader();
    const [other] = (await cluster.followers()) as [Member];
    old.process.child.kill("SIGSTOP");
    await vi.waitFor(async () => {
      const { leaderEpoch } = await other.client.cluster.getCluster({});
      if (leaderEpoch === 0) throw new Error("the other one does not lead yet");
    }, PATIENCE);
    await other.client.guests.createGuest({ guest: aGuest("after"), requestId: "" });
    await untilRunning(other.client, 1);
    const revision = await quietRevision(other.client);
    old.process.child.kill("SIGCONT");
    await vi.waitFor(async () => {
      const seen = await old.client.cluster.getCluster({});
      if (seen.leaderEpoch > 0 || seen.revision < revision) throw new Error("it still leads");
    }, PATIENCE);
    expect((await other.client.cluster.getCluster({})).revision).toBe(revision);
    const leading = await other.client.cluster.getCluster({});
    expect(leading.leaderEpoch).toBeGreaterThan(0);
  });
});

/** The store's revision when nothing has happened for a while. */
async function quietRevision(client: InnkeeperClient): Promise<number> {
  let last = -1;
  return await vi.waitFor(
    async () => {
      const { revision } = await client.cluster.getCluster({});
      const isQuiet = revision === last;
      last = revision;
      if (!isQuiet) throw new Error("something still happens");
      return revision;
    },
    { timeout: 30_000, interval: 1_000 },
  );
}

describe("a leader that is asked to stop", () => {
  it("lets another one lead at once, and in-flight requests finish", async () => {
    await start(2, 1);
    const leader = await cluster.leader();
    const [other] = (await cluster.followers()) as [Member];
    const { inFlight } = await aLongRequest(leader.client);
    const stopping = cluster.programs.stop(leader.process);
    await vi.waitFor(
      async () => {
        const { leaderEpoch } = await other.client.cluster.getCluster({});
        if (leaderEpoch === 0) throw new Error("the other one does not lead yet");
      },
      { timeout: 3_000, interval: 10 },
    );
    expect((await inFlight).operation?.guestId).toBe("nowhere");
    expect(await stopping).toBe(0);
    cluster.members.delete(leader.id);
    leader.client.close();
  });
});

/** A request that the controller is busy with when this resolves: it answers a second later. */
async function aLongRequest(client: InnkeeperClient) {
  const guest = aGuest("nowhere");
  const spec = { ...guest.spec, nodeId: "n99" } as Guest["spec"];
  const { operation } = await client.guests.createGuest({
    guest: { ...guest, spec },
    requestId: "",
  });
  const timeout = { seconds: 1, nanos: 0 };
  const operationId = operation?.id ?? "";
  const inFlight = client.operations.waitOperation({ operationId, timeout });
  await client.cluster.getCluster({});
  return { inFlight };
}

describe("a controller that does not lead", () => {
  it("takes requests, shows what it wrote, and passes agents on", async () => {
    await start(2, 1);
    const [follower] = (await cluster.followers()) as [Member];
    const alone = new Map([[follower.id, follower]]);
    const addresses = [...alone.values()].map(({ process }) => process.address).join(",");
    await cluster.programs.agent("n9", addresses, { INN_CPU_MILLIS: "8000" });
    await cluster.untilReady(2);
    const { operation } = await follower.client.guests.createGuest({
      guest: { ...aGuest("here"), spec: { ...aGuest("here").spec, nodeId: "n9" } as Guest["spec"] },
      requestId: "",
    });
    await untilRunning(follower.client, 1);
    const { guest } = await follower.client.guests.getGuest({
      projectId: "",
      guestId: "here",
      minRevision: 0,
    });
    expect(guest?.status?.placement?.nodeId).toBe("n9");
    expect(operation?.guestId).toBe("here");
    const elsewhere = await follower.client.guests.migrateGuest({
      projectId: "",
      guestId: "here",
      targetNodeId: "n1",
      downtimeMsMax: 0,
      dryRun: false,
      requestId: "",
    });
    expect(elsewhere.operation?.id).not.toBe("");
  });

  it("fetches images that were imported elsewhere", async () => {
    await start(2, 1);
    const [follower] = (await cluster.followers()) as [Member];
    const { image } = await follower.client.images.getImage({ imageId: "tiny" });
    const sha256 = image?.manifest?.blobs[0]?.sha256 ?? "";
    await vi.waitFor(async () => {
      const file = `${cluster.programs.directory}/${follower.id}/blobs/${sha256}`;
      let bytes = 0;
      for await (const piece of createReadStream(file)) bytes += (piece as Buffer).length;
      expect(bytes).toBe(image?.manifest?.blobs[0]?.sizeBytes);
    }, PATIENCE);
  });
});
