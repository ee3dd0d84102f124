/** Redis is killed while it writes: with `appendfsync always` nothing acknowledged is lost (I5). */
import { randomIdSource, systemClock } from "@innkeeper/core/platform";
import { aProject, aTransaction, Prng } from "@innkeeper/core/testing";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { RedisProcess } from "../../testing/redis-process.js";
import { createRedisStore } from "./create-redis-store.js";

const KILLS = 10;
const WRITERS = 20;

let redis: RedisProcess;

beforeAll(async () => {
  redis = await RedisProcess.start({ settings: ["appendonly yes", "appendfsync always"] });
});

afterAll(async () => {
  await redis.remove();
});

it("loses no acknowledged commit and doubles none in ten kills", async () => {
  const prng = new Prng(20_260_802);
  const failOvers = vi.fn();
  const opened = await createRedisStore({
    servers: { url: redis.url },
    clock: systemClock,
    ids: randomIdSource,
    changesKeptMax: 1_000_000,
    onFailOver: failOvers,
  });
  const acknowledged = new Map<string, number>();
  let isDone = false;
  const write = async (writer: number): Promise<void> => {
    for (let round = 0; !isDone; round += 1) {
      const id = `w${writer}-${round}`;
      const puts = [{ key: `project/${id}` as const, value: aProject({ id }) }];
      const counters = [{ key: "sum", delta: 1, max: undefined }];
      const result = await opened.store.commit(aTransaction({ puts, counters }));
      if (result.isCommitted) acknowledged.set(`project/${id}`, result.revision);
    }
  };
  const writing = Array.from({ length: WRITERS }, (_, writer) => write(writer));
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const enough = acknowledged.size + prng.integer(50, 400);
    await vi.waitFor(() => expect(acknowledged.size).toBeGreaterThan(enough), {
      timeout: 20_000,
      interval: 1,
    });
    await redis.kill();
    await redis.startAgain();
  }
  isDone = true;
  await Promise.all(writing);
  const { revision, records, counters } = await opened.store.snapshot();
  expect(new Map(records.map((each) => [each.key, each.revision]))).toEqual(acknowledged);
  expect(revision).toBe(acknowledged.size);
  expect(counters.get("sum")).toBe(acknowledged.size);
  expect(failOvers).toHaveBeenCalledTimes(KILLS);
  await opened.close();
});
