/** What the Redis store says, and does not lose, when Redis or the way to it fails. */
import type { CommitResult, Transaction } from "@innkeeper/core";
import { randomIdSource, systemClock } from "@innkeeper/core/platform";
import { aProject, aTransaction } from "@innkeeper/core/testing";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type Cut, CuttingProxy } from "../../testing/cutting-proxy.js";
import { RedisProcess } from "../../testing/redis-process.js";
import { createRedisStore, type RedisStore, type RedisStoreOptions } from "./create-redis-store.js";
import { redisKeys } from "./redis-keys.js";

const CUTS = 51;
const SHORT_MS = 400;

let redis: RedisProcess;
let admin: Redis;
let prefixCount = 0;
let keyPrefix: string;
const opened = new Set<RedisStore>();
const started = new Set<RedisProcess>();

beforeAll(async () => {
  redis = await RedisProcess.start();
  admin = new Redis(redis.port, "127.0.0.1", { protocol: 2 });
  admin.on("error", () => undefined);
});

afterAll(async () => {
  admin.disconnect();
  await redis.remove();
});

beforeEach(() => {
  prefixCount += 1;
  keyPrefix = `failures-${prefixCount}`;
});

afterEach(async () => {
  for (const each of opened) await each.close();
  opened.clear();
  for (const each of started) await each.remove();
  started.clear();
});

/** A Redis that a test may do anything to. */
async function startOwn(settings: readonly string[] = []): Promise<RedisProcess> {
  const own = await RedisProcess.start({ settings });
  started.add(own);
  return own;
}

async function open(options: Partial<RedisStoreOptions> = {}): Promise<RedisStore> {
  const store = await createRedisStore({
    servers: { url: redis.url },
    clock: systemClock,
    ids: randomIdSource,
    keyPrefix,
    changesKeptMax: 1000,
    ...options,
  });
  opened.add(store);
  return store;
}

function create(id: string): Transaction {
  const key = `project/${id}` as const;
  return aTransaction({
    checks: [{ key, revision: "absent" }],
    puts: [{ key, value: aProject({ id }) }],
    counters: [{ key: "made", delta: 1, max: undefined }],
  });
}

function names(count: number, prefix: string): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`);
}

function revisionsOf(results: readonly CommitResult[]): readonly number[] {
  return results.map((each) => (each.isCommitted ? each.revision : -1));
}

describe("a connection that is cut", () => {
  it("neither doubles nor loses a commit, wherever it is cut", async () => {
    const proxy = await CuttingProxy.to(redis.port, "EVALSHA");
    const { store } = await open({ servers: { url: `redis://127.0.0.1:${proxy.port}` } });
    const cuts: readonly Cut[] = ["before", "half", "after"];
    let committedCount = 0;
    for (let round = 0; round < CUTS; round += 1) {
      proxy.cutNext(cuts[round % cuts.length] ?? "after");
      const asked = names(1 + (round % 7), `r${round}-`).map((id) => store.commit(create(id)));
      const results = await Promise.all(asked);
      committedCount += results.filter((each) => each.isCommitted).length;
      expect(proxy.isArmed).toBe(false);
      expect(results.map((each) => each.isCommitted)).not.toContain(false);
    }
    const { revision, records, counters } = await store.snapshot();
    expect(revision).toBe(committedCount);
    expect(records).toHaveLength(committedCount);
    expect(counters.get("made")).toBe(committedCount);
    proxy.close();
  });

  it("lets a watcher go on without a gap", async () => {
    const proxy = await CuttingProxy.to(redis.port, "XREAD");
    const { store } = await open();
    const watched = await open({ servers: { url: `redis://127.0.0.1:${proxy.port}` } });
    const seen: number[] = [];
    const abort = new AbortController();
    const watching = (async () => {
      for await (const batch of watched.store.changes(0, abort.signal)) {
        if (batch === "compacted") throw new Error("compacted although everything is kept");
        seen.push(batch.revision);
      }
    })();
    for (const id of names(20, "w")) {
      proxy.cutNext("after");
      await store.commit(create(id));
    }
    await vi.waitFor(() => expect(seen).toHaveLength(20), { timeout: 10_000 });
    expect(seen).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    abort.abort();
    await watching;
    proxy.close();
  });

  it("repeats a snapshot that was cut", async () => {
    const proxy = await CuttingProxy.to(redis.port, "HSCAN");
    const { store } = await open({ servers: { url: `redis://127.0.0.1:${proxy.port}` } });
    await store.commit(create("a"));
    proxy.cutNext("after");
    expect((await store.snapshot()).records).toHaveLength(1);
    expect(proxy.isArmed).toBe(false);
    proxy.close();
  });
});

describe("a Redis that has forgotten the scripts", () => {
  it("is given them again, and keeps the order of what was asked for", async () => {
    const { store } = await open();
    await store.commit(create("first"));
    await admin.script("FLUSH");
    const results = await Promise.all(names(10, "a").map((id) => store.commit(create(id))));
    expect(revisionsOf(results)).toEqual(Array.from({ length: 10 }, (_, index) => index + 2));
  });
});

describe("a Redis that does not answer", () => {
  it("is said to be unavailable when it cannot be reached at all", async () => {
    const servers = { url: "redis://127.0.0.1:1" };
    await expect(open({ servers, timeoutMs: SHORT_MS })).rejects.toMatchObject({
      kind: "unavailable",
      reason: "STORE_UNAVAILABLE",
    });
  });

  it("leaves a commit that was sent in doubt, and one that was not sent undone", async () => {
    const own = await startOwn();
    const { store } = await open({ servers: { url: own.url }, timeoutMs: SHORT_MS });
    await store.commit(create("a"));
    await own.kill("SIGSTOP");
    await expect(store.commit(create("b"))).rejects.toMatchObject({ kind: "timeout" });
    await own.kill();
    await expect(store.commit(create("c"))).rejects.toMatchObject({ kind: "unavailable" });
  });

  it("is waited for when it comes back in time", async () => {
    const own = await startOwn();
    const { store } = await open({ servers: { url: own.url } });
    await own.kill();
    const asked = store.commit(create("a"));
    await own.startAgain();
    expect(await asked).toMatchObject({ isCommitted: true, revision: 1 });
  });
});

describe("a Redis without memory", () => {
  it("refuses a commit truthfully and loses nothing", async () => {
    const own = await startOwn(["maxmemory-policy noeviction"]);
    const control = new Redis(own.port, "127.0.0.1", { protocol: 2 });
    const { store } = await open({ servers: { url: own.url } });
    await store.commit(create("a"));
    await control.config("SET", "maxmemory", "1mb");
    await expect(store.commit(create("b"))).rejects.toMatchObject({
      kind: "unavailable",
      message: expect.stringContaining("no memory left"),
    });
    expect((await store.snapshot()).records.map(({ key }) => key)).toEqual(["project/a"]);
    await control.config("SET", "maxmemory", "0");
    expect(await store.commit(create("b"))).toMatchObject({ isCommitted: true, revision: 2 });
    control.disconnect();
  });
});

describe("a Redis that has become a replica", () => {
  it("is left until it leads again, and the other history is told of", async () => {
    const own = await startOwn();
    const control = new Redis(own.port, "127.0.0.1", { protocol: 2 });
    const failOvers = vi.fn();
    const servers = { url: own.url };
    const { store } = await open({ servers, timeoutMs: SHORT_MS, onFailOver: failOvers });
    await store.commit(create("a"));
    await control.call("REPLICAOF", "127.0.0.1", String(redis.port));
    await expect(store.commit(create("b"))).rejects.toMatchObject({ kind: "unavailable" });
    await control.call("REPLICAOF", "NO", "ONE");
    await vi.waitFor(async () => {
      expect(await store.commit(create("c"))).toMatchObject({ isCommitted: true });
    });
    await vi.waitFor(() => expect(failOvers).toHaveBeenCalled());
    control.disconnect();
  });
});

describe("data that is not ours", () => {
  const keys = () => redisKeys(keyPrefix);

  it.each(["state", "records", "changes"] as const)(
    "is named when the key %s has another type, and nothing is written",
    async (name) => {
      const { store } = await open();
      await admin.set(keys()[name], "x");
      await expect(store.commit(create("a"))).rejects.toMatchObject({
        kind: "corrupt",
        metadata: { key: keys()[name] },
      });
      expect(await admin.keys(`{${keyPrefix}}:*`)).toEqual([keys()[name]]);
    },
  );

  it("is named when a record does not parse", async () => {
    const { store } = await open();
    await store.commit(create("a"));
    await admin.hset(keys().records, "project/a", "{");
    await expect(store.snapshot()).rejects.toMatchObject({
      kind: "corrupt",
      metadata: { key: "project/a" },
    });
  });

  it("is named when a record has lost its revision, or a revision its record", async () => {
    const { store } = await open();
    await store.commitAll([create("a"), create("b")]);
    await admin.hdel(keys().state, "project/a");
    const corrupt = { kind: "corrupt", metadata: { key: "project/a" } };
    await expect(store.snapshot()).rejects.toMatchObject(corrupt);
    await admin.hset(keys().state, "project/a", "1");
    await admin.hdel(keys().records, "project/a");
    await expect(store.snapshot()).rejects.toMatchObject(corrupt);
  });

  it("fails the transaction that meets it and no other of the group", async () => {
    const { store } = await open();
    await store.commit(create("a"));
    await admin.hset(keys().state, "project/a", "one");
    const [bad, good] = await Promise.allSettled([
      store.commit(create("a")),
      store.commit(create("b")),
    ]);
    expect(bad).toMatchObject({ reason: { kind: "corrupt", metadata: { key: "project/a" } } });
    expect(good).toMatchObject({ value: { isCommitted: true, revision: 2 } });
  });
});

describe("a snapshot while commits go on", () => {
  it("is one revision: pairs agree, what is gone is gone, and counters fit", async () => {
    const { store } = await open();
    const ids = names(6000, "s");
    await store.commitAll(ids.map(create));
    const pair = [`project/${ids[10]}`, `project/${ids[5990]}`] as const;
    await store.commit(swap(pair, 1));
    let isDone = false;
    const writing = (async () => {
      for (let round = 2; !isDone; round += 1) await store.commit(swap(pair, round));
    })();
    let isOvertaken = false;
    for (let count = 0; count < 20; count += 1) {
      const before = (await store.commit(aTransaction())) as { readonly revision: number };
      const { revision, records, counters } = await store.snapshot();
      isOvertaken ||= revision > before.revision;
      const written = records.filter(({ key }) => pair.some((each) => each === key));
      expect(new Set(written.map((each) => each.revision)).size).toBe(1);
      expect(records).toHaveLength(6000 + 1);
      expect(counters.get("even") ?? 0).toBe(
        records.some(({ key }) => key === "project/even") ? 1 : 0,
      );
    }
    expect(isOvertaken).toBe(true);
    isDone = true;
    await writing;
  });

  /** Writes both of the pair; of `even` and `odd` one is there at a time, counted. */
  function swap(pair: readonly [`project/${string}`, `project/${string}`], round: number) {
    const [comes, goes] = round % 2 === 0 ? ["even", "odd"] : ["odd", "even"];
    const value = aProject({ createdAtMs: round });
    return aTransaction({
      puts: [...pair, `project/${comes}` as const].map((key) => ({ key, value })),
      deletes: [`project/${goes}`],
      counters: [{ key: "even", delta: comes === "even" ? 1 : -1, max: 1 }],
    });
  }
});

describe("a watcher of a Redis that was started again", () => {
  it("is told to take a new snapshot, because newest commits may be missing", async () => {
    const own = await startOwn(["appendonly yes", "appendfsync always"]);
    const { store } = await open({ servers: { url: own.url } });
    await store.commit(create("a"));
    const told = store.changes(0, new AbortController().signal)[Symbol.asyncIterator]();
    expect((await told.next()).value).toMatchObject({ revision: 1 });
    const next = told.next();
    await own.kill();
    await own.startAgain();
    expect((await next).value).toBe("compacted");
  });
});

describe("commits faster than the change log is long", () => {
  it("do not keep a snapshot from being one revision", async () => {
    const { store } = await open({ changesKeptMax: 1 });
    const ids = names(3000, "s");
    await store.commitAll(ids.map(create));
    const rewritten = new Set(ids.slice(0, 400).map((id) => `project/${id}`));
    const rewrite = async (round: number): Promise<void> => {
      const value = aProject({ id: "s0", createdAtMs: round });
      const puts = [...rewritten].map((key) => ({ key: key as "project/s0", value }));
      await store.commit(aTransaction({ puts }));
    };
    await rewrite(0);
    let isDone = false;
    const writing = (async () => {
      for (let round = 1; !isDone; round += 1) await rewrite(round);
    })();
    for (let count = 0; count < 5; count += 1) {
      const { records } = await store.snapshot();
      const written = records.filter(({ key }) => rewritten.has(key));
      expect(records).toHaveLength(3000);
      expect(new Set(written.map((each) => each.revision)).size).toBe(1);
    }
    isDone = true;
    await writing;
  });
});
