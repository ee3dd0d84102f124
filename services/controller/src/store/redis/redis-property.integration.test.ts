/**
 * The script decides as the rules in TypeScript do: random transactions give the same results,
 * snapshots and changes on the memory store and on Redis.
 */
import type {
  ChangeBatch,
  CommitResult,
  LeaderLease,
  RecordKey,
  StateStore,
  StoreSnapshot,
  Transaction,
} from "@innkeeper/core";
import { randomIdSource } from "@innkeeper/core/platform";
import {
  aProject,
  aTransaction,
  FakeClock,
  forEachSeedAsync,
  MemoryDisk,
  MemoryLeaderLease,
  MemoryStateStore,
  type Prng,
} from "@innkeeper/core/testing";
import { afterAll, beforeAll, expect, it } from "vitest";
import { RedisProcess } from "../../testing/redis-process.js";
import { createRedisStore, type RedisStore } from "./create-redis-store.js";

const SEEDS = 60;
const GROUPS = 12;
const NAMES = ["a", "b", "c", "d"] as const;
const HOUR_MS = 3_600_000;

let redis: RedisProcess;

beforeAll(async () => {
  redis = await RedisProcess.start();
});

afterAll(async () => {
  await redis.remove();
});

it("gives the same answers, snapshots and changes as the memory store", async () => {
  const seen = new Set<string>();
  await forEachSeedAsync(SEEDS, async (prng, seed) => {
    const pair = await openPair(`property-${seed}`);
    for (let round = 0; round < GROUPS; round += 1) {
      if (prng.chance(0.2)) await expectSameTerm(pair);
      await pair.clock.advance(prng.integer(0, 3 * HOUR_MS));
      const group = Array.from({ length: prng.integer(1, 12) }, () => randomTransaction(prng));
      const results = await pair.memory.commitAll(group);
      expect(await pair.ours.store.commitAll(group)).toEqual(results);
      for (const each of results) seen.add(outcomeOf(each));
    }
    await expectSameContent(pair);
    await pair.ours.close();
  });
  const all = ["check", "committed", "counter", "fenced", "repeated", "request-reused"];
  expect([...seen].sort()).toEqual(all);
});

interface Pair {
  readonly clock: FakeClock;
  readonly memory: StateStore;
  readonly memoryLease: LeaderLease;
  readonly ours: RedisStore;
}

async function openPair(keyPrefix: string): Promise<Pair> {
  const clock = new FakeClock();
  const disk = new MemoryDisk();
  const ours = await createRedisStore({
    servers: { url: redis.url },
    clock,
    ids: randomIdSource,
    keyPrefix,
    changesKeptMax: 10_000,
  });
  const memory = new MemoryStateStore({ disk, clock });
  return { clock, memory, memoryLease: new MemoryLeaderLease({ disk, clock }), ours };
}

/** The same holder is granted the next epoch by both. */
async function expectSameTerm({ memoryLease, ours }: Pair): Promise<void> {
  const term = await memoryLease.acquire("me", 60_000);
  expect(await ours.lease.acquire("me", 60_000)).toEqual(term);
}

async function expectSameContent({ memory, ours }: Pair): Promise<void> {
  const snapshot = sorted(await memory.snapshot());
  expect(sorted(await ours.store.snapshot())).toEqual(snapshot);
  const { revision } = snapshot;
  expect(await changesOf(ours.store, revision)).toEqual(await changesOf(memory, revision));
}

function outcomeOf(result: CommitResult): string {
  if (!result.isCommitted) return result.cause.why;
  return result.replayedAnswer === undefined ? "committed" : "repeated";
}

function randomTransaction(prng: Prng): Transaction {
  const [first, second, third] = prng.shuffle(NAMES);
  return aTransaction({
    ...(prng.chance(0.2) ? { leaderEpoch: prng.integer(0, 4) } : {}),
    ...(prng.chance(0.3) ? { request: randomRequest(prng) } : {}),
    checks: prng.chance(0.3) ? [randomCheck(prng), randomCheck(prng)] : [],
    puts: [first, second]
      .slice(0, prng.integer(0, 2))
      .map((id = "a") => ({ key: `project/${id}`, value: randomValue(prng, id) })),
    deletes: prng.chance(0.3) ? [`project/${third ?? "a"}`] : [],
    counters: Array.from({ length: prng.integer(0, 3) }, () => ({
      key: prng.pick(["x", "y", "node/n1/memoryMib"]),
      delta: prng.pick([-4, -1, 0, 1, 3, Number.MAX_SAFE_INTEGER - 10]),
      max: prng.pick([undefined, 0, 3, 6, Number.MAX_SAFE_INTEGER]),
    })),
  });
}

function randomValue(prng: Prng, id: string) {
  return aProject({ id, createdAtMs: prng.integer(0, 9) });
}

function randomRequest(prng: Prng) {
  const id = prng.pick(["r1", "r2", "r3"]);
  return { id, body: prng.pick(["b", "b,", '"']), answer: `${prng.integer(1, 3)}` };
}

function randomCheck(prng: Prng): Transaction["checks"][number] {
  const key: RecordKey = `project/${prng.pick(NAMES)}`;
  return { key, revision: prng.pick(["absent" as const, 0, prng.integer(1, 30)]) };
}

function sorted(snapshot: StoreSnapshot): StoreSnapshot {
  const records = [...snapshot.records].sort((left, right) => (left.key < right.key ? -1 : 1));
  return { ...snapshot, records };
}

async function changesOf(store: StateStore, upTo: number): Promise<readonly ChangeBatch[]> {
  const batches: ChangeBatch[] = [];
  const abort = new AbortController();
  if (upTo === 0) return batches;
  for await (const batch of store.changes(0, abort.signal)) {
    if (batch === "compacted") throw new Error("compacted although everything is kept");
    batches.push(batch);
    if (batch.revision === upTo) break;
  }
  abort.abort();
  return batches;
}
