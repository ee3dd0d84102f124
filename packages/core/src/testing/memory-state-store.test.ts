import { describe, expect, it } from "vitest";
import { aProject, aTransaction } from "./builders.js";
import { leaderLeaseContract } from "./contracts/leader-lease.contract.js";
import { stateStoreContract } from "./contracts/state-store.contract.js";
import type { OpenStore } from "./contracts/store-bench.js";
import { FakeClock } from "./fake-clock.js";
import { MemoryLeaderLease } from "./memory-leader-lease.js";
import { MemoryDisk, MemoryStateStore } from "./memory-state-store.js";

const openMemory: OpenStore = async (options) => {
  const disk = new MemoryDisk(options);
  const clock = new FakeClock();
  const lease = new MemoryLeaderLease({ disk, clock });
  let store = new MemoryStateStore({ disk, clock });
  return {
    clock,
    lease,
    get store() {
      return store;
    },
    reopen: async () => {
      await store.close();
      store = new MemoryStateStore({ disk, clock });
    },
    close: () => store.close().catch(() => undefined),
  };
};

stateStoreContract("memory", openMemory);
leaderLeaseContract("memory", openMemory);

describe("a memory disk with several openers", () => {
  it("shows one opener's commits to the watchers of another", async () => {
    const options = { disk: new MemoryDisk(), clock: new FakeClock() };
    const [one, two] = [new MemoryStateStore(options), new MemoryStateStore(options)];
    const abort = new AbortController();
    const changes = two.changes(0, abort.signal)[Symbol.asyncIterator]();
    const next = changes.next();
    await one.commit(aTransaction({ puts: [{ key: "project/a", value: aProject() }] }));
    expect((await next).value).toMatchObject({ revision: 1 });
  });

  it("answers a killed process nothing more; its disk keeps what it acknowledged", async () => {
    const clock = new FakeClock();
    const options = { disk: new MemoryDisk(), clock };
    const killed = new MemoryStateStore(options);
    await killed.commit(aTransaction());
    killed.kill();
    let isAnswered = false;
    void killed.commit(aTransaction()).finally(() => {
      isAnswered = true;
    });
    await clock.advance(1000);
    expect(isAnswered).toBe(false);
    expect((await new MemoryStateStore(options).snapshot()).revision).toBe(1);
  });
});
