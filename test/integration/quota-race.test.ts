/**
 * 64 clients create, resize, move and delete guests in a tree of projects for a minute, on nodes
 * that are too small for all of it, while the leader is killed again and again: no quota and no
 * node is ever exceeded, at any revision of the change log, and usage ends exact (I2, I3).
 */
import { randomUUID } from "node:crypto";
import type { InnkeeperClient } from "@innkeeper/client";
import { importImage, readImageSource } from "@innkeeper/client";
import { type Change, type ChangeBatch, DomainError, kindOf } from "@innkeeper/core";
import { randomIdSource, systemClock } from "@innkeeper/core/platform";
import { Prng } from "@innkeeper/core/testing";
import { Guest } from "@innkeeper/proto/innkeeper/v1/guest";
import { Project } from "@innkeeper/proto/innkeeper/v1/project";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { createRedisStore } from "../../services/controller/src/store/redis/create-redis-store.js";
import type { Checker, World } from "../simulation/checkers/checker.js";
import { nodeCapacity } from "../simulation/checkers/node-capacity.js";
import { projectUsage } from "../simulation/checkers/project-usage.js";
import { Records } from "../simulation/records.js";
import { RedisCluster } from "./redis-cluster.js";

const TINY = "images/build/tiny/image.json";
const CLIENTS = 64;
const WORK_MS = 60_000;
const KILL_EVERY_MS = 12_000;
const NAMES = 40;
const CHANGES_KEPT_MAX = 100_000;
/** Exactly what is offered, so that nodes fill up before some of the quotas do. */
const SMALL = {
  INN_CPU_MILLIS: "6000",
  INN_OVERCOMMIT_CPU_PERCENT: "100",
  INN_MEMORY_MIB: "4096",
  INN_RESERVE_MEMORY_MIB: "0",
};
/** What a race, a full cluster or a dead controller may answer. */
const EXPECTED: readonly DomainError["kind"][] = [
  "capacity",
  "conflict",
  "precondition",
  "not-found",
  "already-exists",
  "unavailable",
  "timeout",
  "cancelled",
];
const TREE: readonly Parameters<typeof Project.fromPartial>[0][] = [
  { id: "top", quota: { guests: 60, cpuMillis: 15_000 } },
  { id: "left", parentId: "top", quota: { guests: 40, memoryMib: 3000 } },
  { id: "right", parentId: "top", quota: { guests: 30 } },
  { id: "leaf", parentId: "left", quota: { cpuMillis: 5000 } },
];
const PROJECTS = ["top", "left", "right", "leaf"];

let cluster: RedisCluster;

beforeAll(async () => {
  cluster = await RedisCluster.start({ controllers: 3, agents: 3, offer: SMALL });
  const { client } = await cluster.leader();
  await importImage(client, await readImageSource(TINY));
  for (const project of TREE) {
    await client.projects.createProject({ project: Project.fromPartial(project), requestId: "" });
  }
});

afterAll(async () => {
  await cluster.dispose();
});

/** One mutation that may be refused. */
async function actOnce(client: InnkeeperClient, prng: Prng): Promise<void> {
  const names = { projectId: prng.pick(PROJECTS), guestId: `g${prng.integer(1, NAMES)}` };
  const request = { ...names, requestId: randomUUID() };
  const { guests } = client;
  const size = { cpuMillis: 100 * prng.integer(1, 10), memoryMib: 16 * prng.integer(1, 16) };
  switch (prng.pick(["create", "create", "create", "resize", "migrate", "delete"])) {
    case "create": {
      const spec = { imageId: "tiny", resources: { ...size, diskMib: 0 } };
      const guest = Guest.fromPartial({ id: names.guestId, projectId: names.projectId, spec });
      await guests.createGuest({ guest, requestId: request.requestId });
      return;
    }
    case "resize":
      await guests.resizeGuest({ ...NO_CHANGE, ...request, ...size });
      return;
    case "migrate":
      await guests.migrateGuest({ ...request, targetNodeId: "", downtimeMsMax: 0, dryRun: false });
      return;
    default:
      await guests.deleteGuest(request);
  }
}

const NO_CHANGE = {
  diskIopsMax: undefined,
  diskBytesPerSecondMax: undefined,
  pidsMax: undefined,
  netInBytesPerSecondMax: undefined,
  netOutBytesPerSecondMax: undefined,
  diskMib: undefined,
};

interface Tally {
  done: number;
  readonly refused: Map<string, number>;
}

async function work(seed: number, endMs: number, tally: Tally): Promise<void> {
  const prng = new Prng(seed);
  while (Date.now() < endMs) {
    const { client } = prng.pick([...cluster.members.values()]);
    try {
      await actOnce(client, prng);
      tally.done += 1;
    } catch (error) {
      if (!(error instanceof DomainError) || !EXPECTED.includes(error.kind)) throw error;
      tally.refused.set(error.reason, (tally.refused.get(error.reason) ?? 0) + 1);
    }
  }
}

/** Kills whoever leads, and starts another in its place. @returns how often. */
async function killLeaders(endMs: number): Promise<number> {
  for (let kills = 0; ; kills += 1) {
    const nextMs = Date.now() + KILL_EVERY_MS;
    if (nextMs > endMs) return kills;
    await vi.waitUntil(() => Date.now() >= nextMs, { timeout: KILL_EVERY_MS * 2 });
    const leader = await cluster.leader();
    await cluster.kill(leader);
    await cluster.startController(leader.id);
  }
}

/** Every change from the first, and the counters at the end of them. */
async function wholeHistory() {
  const { store, close } = await createRedisStore({
    servers: { url: cluster.redis.url },
    clock: systemClock,
    ids: randomIdSource,
    changesKeptMax: CHANGES_KEPT_MAX,
  });
  const { revision, counters } = await store.snapshot();
  const batches: ChangeBatch[] = [];
  const abort = new AbortController();
  for await (const batch of store.changes(0, abort.signal)) {
    if (batch === "compacted") throw new Error("the change log is too short");
    batches.push({ ...batch, changes: batch.changes.filter(isLookedAt) });
    if (batch.revision >= revision) break;
  }
  abort.abort();
  await close();
  return { revision, counters, batches };
}

/** The checkers scan all records at each revision: thousands of operations would make that slow. */
function isLookedAt({ key }: Change): boolean {
  return ["guest", "node", "project"].includes(kindOf(key));
}

async function untilNothingRuns(): Promise<void> {
  const { client } = await cluster.leader();
  await vi.waitFor(
    async () => {
      const { operations } = await client.operations.listOperations({
        projectId: "",
        pageSize: 1000,
        pageToken: "",
      });
      const running = operations.filter(({ done, message }) => !done && !/^waits/.test(message));
      if (running.length > 0) throw new Error(`${running.length} operations run`);
    },
    { timeout: 60_000, interval: 250 },
  );
}

it(
  "keeps every quota and every node's limit at every revision, and ends exact",
  async () => {
    const endMs = Date.now() + WORK_MS;
    const tally: Tally = { done: 0, refused: new Map() };
    const clients = Array.from({ length: CLIENTS }, (_, seed) => work(seed, endMs, tally));
    const [kills] = await Promise.all([killLeaders(endMs), ...clients]);
    expect(kills).toBeGreaterThanOrEqual(3);
    await untilNothingRuns();

    const { revision, counters, batches } = await wholeHistory();
    const source = {
      state: { revision, counters, counterOf: (key: string) => counters.get(key) ?? 0 },
      changes: { since: () => batches },
    };
    const records = new Records(source);
    const world = { records, copies: () => [] } as unknown as World;
    const checkers: Checker[] = [nodeCapacity(world), projectUsage(world)];
    records.follow((commit) => {
      for (const checker of checkers) checker.onCommit?.(commit);
    });
    for (const checker of checkers) checker.onEvent?.();

    const { client } = await cluster.leader();
    const verified = await client.projects.verifyProjects({});
    expect(verified.mismatches).toEqual([]);
    // It was a race for room and for quota, not a walk.
    expect(tally.done).toBeGreaterThan(500);
    expect(tally.refused.get("QUOTA_EXCEEDED") ?? 0).toBeGreaterThan(50);
    expect(batches.length).toBeGreaterThan(1000);
  },
  WORK_MS * 4,
);
