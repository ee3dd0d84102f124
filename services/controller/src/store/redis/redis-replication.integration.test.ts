/** Replicas: commits that must be on one before they count, and a fail-over by Sentinel. */
import { randomIdSource, systemClock } from "@innkeeper/core/platform";
import { aProject, aTransaction } from "@innkeeper/core/testing";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { RedisProcess } from "../../testing/redis-process.js";
import { createRedisStore } from "./create-redis-store.js";

const MASTER_NAME = "innkeeper";
const SENTINELS = 3;
const COMMITS = 200;

let master: RedisProcess;
let replica: RedisProcess;
const sentinels: RedisProcess[] = [];

beforeAll(async () => {
  master = await RedisProcess.start({ settings: ["repl-diskless-sync-delay 0"] });
});

afterAll(async () => {
  await Promise.all([master, replica, ...sentinels].map((each) => each.remove()));
});

const common = {
  clock: systemClock,
  ids: randomIdSource,
  changesKeptMax: 1000,
  minReplicas: 1,
  replicaTimeoutMs: 500,
};

function put(id: string, revision: number | "absent" = "absent") {
  const key = `project/${id}` as const;
  const checks = [{ key, revision }];
  return aTransaction({ checks, puts: [{ key, value: aProject({ id }) }] });
}

it("does not acknowledge a commit, or a leader, that no replica has", async () => {
  const opened = await createRedisStore({ ...common, servers: { url: master.url } });
  const unconfirmed = { kind: "timeout", reason: "STORE_OUTCOME_UNKNOWN" };
  await expect(opened.store.commit(put("a"))).rejects.toMatchObject(unconfirmed);
  await expect(opened.lease.acquire("one", 50)).rejects.toMatchObject(unconfirmed);
  expect(await opened.store.commit(put("a"))).toMatchObject({ isCommitted: false });
  await opened.close();
});

it("keeps what was acknowledged when Sentinel promotes the replica", async () => {
  replica = await RedisProcess.start({
    settings: [`replicaof 127.0.0.1 ${master.port}`, "repl-diskless-sync-delay 0"],
    upWhen: /MASTER <-> REPLICA sync: Finished with success/,
  });
  for (let count = 0; count < SENTINELS; count += 1) sentinels.push(await startSentinel());
  await untilSentinelsAgree();
  const addresses = sentinels.map(({ port }) => ({ host: "127.0.0.1", port }));
  const failOvers = vi.fn();
  const opened = await createRedisStore({
    ...common,
    servers: { sentinels: addresses, masterName: MASTER_NAME },
    timeoutMs: 30_000,
    replicaTimeoutMs: 2000,
    onFailOver: failOvers,
  });
  const before = await opened.lease.acquire("one", 60_000);
  const acknowledged = new Map<string, number>();
  for (let count = 0; count < COMMITS; count += 1) {
    const result = await opened.store.commit(put(`g${count}`));
    if (result.isCommitted) acknowledged.set(`project/g${count}`, result.revision);
  }
  expect(acknowledged.size).toBe(COMMITS);
  await master.kill();
  // Nobody replicates the new master: the commit is done there, and truthfully not confirmed.
  await expect(opened.store.commit(put("late"))).rejects.toMatchObject({ kind: "timeout" });
  const { records } = await opened.store.snapshot();
  const now = new Map(records.map((each) => [each.key as string, each.revision]));
  for (const [key, revision] of acknowledged) expect(now.get(key)).toBe(revision);
  expect(failOvers).toHaveBeenCalledTimes(1);
  const stale = { ...put("stale"), leaderEpoch: (before?.epoch ?? 0) - 1 };
  expect(await opened.store.commit(stale)).toMatchObject({ cause: { why: "fenced" } });
  await opened.close();
});

async function startSentinel(): Promise<RedisProcess> {
  return await RedisProcess.start({
    mode: "sentinel",
    settings: [
      `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${master.port} 2`,
      `sentinel down-after-milliseconds ${MASTER_NAME} 1000`,
      `sentinel failover-timeout ${MASTER_NAME} 5000`,
    ],
  });
}

/** Each knows the replica and the two others. */
async function untilSentinelsAgree(): Promise<void> {
  for (const { port } of sentinels) {
    const client = new Redis(port, "127.0.0.1", { protocol: 2 });
    await vi.waitFor(
      async () => {
        const reply = (await client.call("SENTINEL", "MASTER", MASTER_NAME)) as string[];
        const told = (field: string): string => reply[reply.indexOf(field) + 1] ?? "";
        expect(told("num-other-sentinels")).toBe(String(SENTINELS - 1));
        expect(told("num-slaves")).toBe("1");
      },
      { timeout: 20_000 },
    );
    client.disconnect();
  }
}
