import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeClock } from "@innkeeper/core/testing";
import { leaderLeaseContract } from "@innkeeper/core/testing/contracts/leader-lease.contract";
import { stateStoreContract } from "@innkeeper/core/testing/contracts/state-store.contract";
import type { OpenStore } from "@innkeeper/core/testing/contracts/store-bench";
import { createEmbeddedLeaderLease } from "./embedded-leader-lease.js";
import { createEmbeddedStore } from "./embedded-state-store.js";

const openEmbedded: OpenStore = async ({ changesKeptMax }) => {
  const directory = await mkdtemp(join(tmpdir(), "innkeeper-store-"));
  const clock = new FakeClock();
  const open = () => createEmbeddedStore({ directory, clock, changesKeptMax });
  let store = open();
  let lease = createEmbeddedLeaderLease(store);
  return {
    clock,
    get store() {
      return store;
    },
    get lease() {
      return lease;
    },
    reopen: async () => {
      await store.close();
      store = open();
      lease = createEmbeddedLeaderLease(store);
    },
    close: async () => {
      await store.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
};

stateStoreContract("embedded", openEmbedded);
leaderLeaseContract("embedded", openEmbedded);
