/** The contract suites of store and lease, on a real Redis. */

import type { LeaderLease, LeaderTerm } from "@innkeeper/core";
import { randomIdSource } from "@innkeeper/core/platform";
import { FakeClock } from "@innkeeper/core/testing";
import { leaderLeaseContract } from "@innkeeper/core/testing/contracts/leader-lease.contract";
import { stateStoreContract } from "@innkeeper/core/testing/contracts/state-store.contract";
import type { OpenStore } from "@innkeeper/core/testing/contracts/store-bench";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect } from "vitest";
import { RedisProcess } from "../../testing/redis-process.js";
import { createRedisStore, type RedisStore } from "./create-redis-store.js";
import { redisKeys } from "./redis-keys.js";

let redis: RedisProcess;
let client: Redis;
let prefixCount = 0;

beforeAll(async () => {
  redis = await RedisProcess.start({ settings: ["appendonly no"] });
  client = new Redis(redis.port, "127.0.0.1", { protocol: 2 });
});

afterAll(async () => {
  client.disconnect();
  await redis.remove();
});

/**
 * The lease ends by the server's time, the suite has its own: the key loses its TTL as soon as it
 * was set, and ends when virtual time says so.
 */
class LeaseOnVirtualTime extends FakeClock implements LeaderLease {
  readonly #key: string;
  #inner: LeaderLease | undefined;
  #endsAtMs = Number.POSITIVE_INFINITY;

  constructor(key: string) {
    super();
    this.#key = key;
  }

  set inner(lease: LeaderLease) {
    this.#inner = lease;
  }

  get inner(): LeaderLease {
    if (this.#inner === undefined) throw new Error("the lease is opened first");
    return this.#inner;
  }

  async acquire(holderId: string, ttlMs: number): Promise<LeaderTerm | undefined> {
    const term = await this.inner.acquire(holderId, ttlMs);
    if (term !== undefined) await this.#take(ttlMs);
    return term;
  }

  async renew(term: LeaderTerm, ttlMs: number): Promise<boolean> {
    const isRenewed = await this.inner.renew(term, ttlMs);
    if (isRenewed) await this.#take(ttlMs);
    return isRenewed;
  }

  async release(term: LeaderTerm): Promise<void> {
    await this.inner.release(term);
  }

  override async advance(durationMs: number): Promise<void> {
    await super.advance(durationMs);
    if (this.monotonicMs() < this.#endsAtMs) return;
    this.#endsAtMs = Number.POSITIVE_INFINITY;
    await client.del(this.#key);
  }

  async #take(ttlMs: number): Promise<void> {
    const leftMs = await client.pttl(this.#key);
    expect(leftMs).toBeGreaterThan(0);
    expect(leftMs).toBeLessThanOrEqual(ttlMs);
    await client.persist(this.#key);
    this.#endsAtMs = this.monotonicMs() + ttlMs;
  }
}

const openRedis: OpenStore = async ({ changesKeptMax }) => {
  prefixCount += 1;
  const keyPrefix = `contract-${prefixCount}`;
  const ids = randomIdSource;
  const open = (clock: FakeClock): Promise<RedisStore> =>
    createRedisStore({ servers: { url: redis.url }, clock, ids, keyPrefix, changesKeptMax });
  const clock = new LeaseOnVirtualTime(redisKeys(keyPrefix).lease);
  let opened = await open(clock);
  clock.inner = opened.lease;
  return {
    clock,
    lease: clock,
    get store() {
      return opened.store;
    },
    reopen: async () => {
      await opened.close();
      opened = await open(clock);
      clock.inner = opened.lease;
    },
    close: async () => {
      await opened.close();
    },
  };
};

stateStoreContract("Redis", openRedis);
leaderLeaseContract("Redis", openRedis);
