import type {
  ChangeBatch,
  Clock,
  Guest,
  RecordKey,
  RecordValue,
  Transaction,
} from "@innkeeper/core";
import { guestKey, NO_RESOURCES, placementsOf, sumResources } from "@innkeeper/core";
import {
  aGuest,
  aNode,
  anOperation,
  aPlacement,
  aProject,
  aTransaction,
  FakeClock,
  forEachSeedAsync,
  MemoryDisk,
  MemoryStateStore,
  type Prng,
} from "@innkeeper/core/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Mirror } from "./mirror.js";

const CHANGES_KEPT_MAX = 50;

let clock: FakeClock;
let store: MemoryStateStore;
let mirror: Mirror;
let abort: AbortController;

beforeEach(() => {
  clock = new FakeClock();
  store = new MemoryStateStore({
    disk: new MemoryDisk({ changesKeptMax: CHANGES_KEPT_MAX }),
    clock,
  });
  mirror = new Mirror();
  abort = new AbortController();
});

afterEach(() => {
  abort.abort();
});

describe("following", () => {
  it("shows what was there at the start and what comes later", async () => {
    await put(["project/default", aProject()]);
    await mirror.load(store);
    void mirror.follow(store, abort.signal);
    expect(mirror.project("default")).toMatchObject({ revision: 1 });
    await put(["node/n1", aNode()]);
    await put(
      ["guest/default/g1", aGuest()],
      ["project/default", aProject({ quota: { guests: 1 } })],
    );
    await clock.advance(0);
    expect(mirror.revision).toBe(3);
    expect(mirror.project("default")).toMatchObject({
      revision: 3,
      value: { quota: { guests: 1 } },
    });
    expect(mirror.guestByUid(aGuest().uid)?.value.id).toBe("g1");
    expect(mirror.nodes().map((each) => each.id)).toEqual(["n1"]);
  });

  it("equals a mirror that is loaded now, whatever happened (R1, R2)", async () => {
    await forEachSeedAsync(20, async (prng) => {
      for (let count = 0; count < 30; count += 1) await changeRandomly(prng);
      const late = new Mirror();
      await late.load(store);
      await mirror.load(store);
      const ended = new AbortController();
      void mirror.follow(store, ended.signal);
      for (let count = 0; count < 30; count += 1) await changeRandomly(prng);
      await late.resync(store, 0);
      await clock.advance(0);
      ended.abort();
      const fresh = new Mirror();
      await fresh.load(store);
      expect(contentsOf(mirror)).toEqual(contentsOf(fresh));
      expect(contentsOf(late)).toEqual(contentsOf(fresh));
      expectSums(mirror);
      mirror = new Mirror();
    });
  });

  it("tells its listeners each commit once, with what was there before", async () => {
    await mirror.load(store);
    void mirror.follow(store, abort.signal);
    const heard: [ChangeBatch, readonly (RecordValue | undefined)[]][] = [];
    const unsubscribe = mirror.subscribe((batch, before) => heard.push([batch, before]));
    await put(["project/a", aProject({ id: "a" })]);
    await put(["project/a", aProject({ id: "a", quota: { guests: 1 } })]);
    await clock.advance(0);
    expect(heard.map(([batch]) => batch.revision)).toEqual([1, 2]);
    expect(heard.map(([, before]) => before)).toEqual([[undefined], [aProject({ id: "a" })]]);
    unsubscribe();
    await put(["project/b", aProject({ id: "b" })]);
    await clock.advance(0);
    expect(heard).toHaveLength(2);
  });
});

describe("a mirror that fell behind the log", () => {
  it("fails to follow, and after a resync tells the difference as one change", async () => {
    await put(["project/a", aProject({ id: "a" })], ["project/b", aProject({ id: "b" })]);
    await mirror.load(store);
    await store.commit(aTransaction({ deletes: ["project/b"] }));
    for (let count = 0; count <= CHANGES_KEPT_MAX; count += 1) {
      await put(["project/c", aProject({ id: "c" })]);
    }
    await expect(mirror.follow(store, abort.signal)).rejects.toMatchObject({ kind: "unavailable" });
    const heard: ChangeBatch[] = [];
    mirror.subscribe((batch) => heard.push(batch));
    await mirror.resync(store, 7);
    const { revision } = await store.snapshot();
    expect(heard).toEqual([
      {
        revision,
        atMs: 7,
        changes: [
          { key: "project/b", value: undefined },
          { key: "project/c", value: aProject({ id: "c" }) },
        ],
      },
    ]);
    expect(mirror.revision).toBe(revision);
    await mirror.resync(store, 8);
    expect(heard).toHaveLength(1);
  });
});

describe("waitFor", () => {
  it("comes at once for what is here already", async () => {
    await put(["project/a", aProject()]);
    await mirror.load(store);
    await mirror.waitFor(1, { clock, timeoutMs: 0 });
  });

  it("comes when the revision does, and leaves no timer behind", async () => {
    const timers = new CountedTimers(clock);
    await mirror.load(store);
    void mirror.follow(store, abort.signal);
    const waiting = mirror.waitFor(2, { clock: timers, timeoutMs: 1000 });
    await put(["project/a", aProject()]);
    expect(timers.count).toBe(1);
    await put(["project/a", aProject()]);
    await waiting;
    expect(timers.count).toBe(0);
  });

  it("gives up after its time and says how far it is", async () => {
    const waiting = mirror.waitFor(9, { clock, timeoutMs: 1000 });
    const refused = expect(waiting).rejects.toThrow("revision 9 is not here yet, newest is 0");
    await clock.advance(1000);
    await refused;
  });
});

class CountedTimers implements Clock {
  readonly #clock: Clock;
  count = 0;

  constructor(inner: Clock) {
    this.#clock = inner;
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  schedule(delayMs: number, callback: () => void): () => void {
    this.count += 1;
    const cancel = this.#clock.schedule(delayMs, callback);
    return () => {
      this.count -= 1;
      cancel();
    };
  }
}

async function put(...records: readonly (readonly [RecordKey, RecordValue])[]): Promise<void> {
  const puts = records.map(([key, value]) => ({ key, value }));
  await store.commit(aTransaction({ puts }));
}

async function changeRandomly(prng: Prng): Promise<void> {
  const index = prng.integer(0, 4);
  const guest = randomGuest(prng, index);
  const key = guestKey(guest);
  const operation = anOperation({ id: `op-${index}` });
  const changes: readonly Partial<Transaction>[] = [
    { puts: [{ key, value: guest }] },
    { deletes: [key] },
    { puts: [{ key: `operation/${operation.id}`, value: operation }], deletes: [key] },
    {},
  ];
  await store.commit(aTransaction(prng.pick(changes)));
}

function randomGuest(prng: Prng, index: number): Guest {
  const guest = aGuest({
    id: `g${index}`,
    uid: `uid-${index}`,
    projectId: prng.pick(["a", "b"]),
    memoryMib: prng.integer(1, 9),
    ...(prng.chance(0.7) ? { onNode: prng.pick(["n1", "n2"]) } : {}),
  });
  if (guest.status.placement === undefined || prng.chance(0.7)) return guest;
  const migration = {
    operationId: "",
    step: "copying",
    sourceNodeId: guest.status.placement.nodeId,
    sourceEpoch: 1,
    target: aPlacement({ nodeId: "n3" }),
    downtimeMsMax: 1,
    startedAtMs: 0,
    error: undefined,
  } as const;
  return { ...guest, status: { ...guest.status, migration } };
}

function contentsOf(one: Mirror): unknown {
  const sorted = (all: readonly { readonly id: string }[]): unknown =>
    [...all].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  return {
    revision: one.revision,
    guests: sorted(one.guests()),
    revisions: one
      .guests()
      .map((each) => one.guest(each.projectId, each.id)?.revision)
      .sort(),
    operations: sorted(one.operations()),
    allocated: ["n1", "n2", "n3"].map((id) => one.allocatedOn(id)),
    usage: ["a", "b"].map((id) => one.usageOf(id)),
  };
}

function expectSums(one: Mirror): void {
  for (const nodeId of ["n1", "n2", "n3"]) {
    const there = one.guests().flatMap(placementsOf);
    const sum = sumResources(
      there.filter((each) => each.nodeId === nodeId).map((each) => each.resources),
    );
    expect(one.allocatedOn(nodeId)).toEqual(sum);
  }
  for (const id of ["a", "b"]) {
    const own = one.guests().filter((each) => each.projectId === id);
    const resources = sumResources(own.map((each) => each.spec.resources));
    expect(one.usageOf(id)).toEqual({ ...NO_RESOURCES, ...resources, guests: own.length });
  }
}
