/** The relay over a store and an event log in memory, on virtual time (Y1 to Y3). */
import type { EventAppend, EventLog, Revision } from "@innkeeper/core";
import { unavailable } from "@innkeeper/core";
import {
  aProject,
  aTransaction,
  FakeClock,
  forEachSeedAsync,
  MemoryDisk,
  MemoryEventLog,
  MemoryStateStore,
  type Prng,
  silentLogger,
} from "@innkeeper/core/testing";
import { expect, it } from "vitest";
import { EventRelay } from "./event-relay.js";

const CONFIG = { retryMs: 500, recheckMs: 30_000, keptMs: 7 * 86_400_000 };

it("tells what was committed before it started, and what comes", async () => {
  const bench = new Bench();
  await bench.commit("a");
  await bench.commit("b", "c");
  bench.startRelay();
  await bench.commit("d");
  await bench.settle();
  expect(await bench.told()).toEqual(["1 a", "2 b", "2 c", "3 d"]);
});

it("tells everything once when the event log fails before or after it took something", async () => {
  await forEachSeedAsync(30, async (prng) => {
    const bench = new Bench();
    bench.failing = prng;
    bench.startRelay();
    for (let count = 0; count < 40; count += 1) {
      await bench.commit(`p-${count}`, "x");
      if (prng.integer(0, 3) === 0) await bench.clock.advance(prng.integer(0, 700));
    }
    bench.failing = undefined;
    await bench.clock.advance(1_000);
    expect(await bench.told()).toEqual(bench.wanted());
  });
});

it("tells everything once with two relays at once, one of which stops", async () => {
  await forEachSeedAsync(20, async (prng) => {
    const bench = new Bench();
    bench.failing = prng;
    const first = bench.startRelay();
    bench.startRelay();
    for (let count = 0; count < 40; count += 1) {
      await bench.commit(`p-${count}`);
      if (count === 20) first.stop();
      if (prng.integer(0, 3) === 0) await bench.clock.advance(prng.integer(0, 700));
    }
    bench.failing = undefined;
    await bench.clock.advance(1_000);
    expect(await bench.told()).toEqual(bench.wanted());
  });
});

it("waits out an event log that is away for hours, and then tells all", async () => {
  const bench = new Bench();
  bench.startRelay();
  bench.isAway = true;
  for (let hour = 0; hour < 5; hour += 1) {
    await bench.commit(`h-${hour}`);
    await bench.clock.advance(3_600_000);
  }
  expect(await bench.told()).toEqual([]);
  bench.isAway = false;
  await bench.clock.advance(1_000);
  expect(await bench.told()).toEqual(bench.wanted());
});

it("tells one gap for what the store no longer keeps (Y2)", async () => {
  const bench = new Bench({ changesKeptMax: 10 });
  const relay = bench.startRelay();
  await bench.commit("a");
  await bench.settle();
  relay.stop();
  for (let count = 0; count < 100; count += 1) await bench.commit("b");
  const oldest = await bench.store.oldestRevision();
  bench.startRelay();
  await bench.clock.advance(1_000);
  const told = await bench.told();
  expect(told.slice(0, 3)).toEqual(["1 a", `${oldest} gap`, `${oldest + 1} b`]);
  expect(told).toHaveLength(2 + 101 - oldest);
  expect(told.filter((each) => each.endsWith("gap"))).toHaveLength(1);
});

it("tells a gap in place of what was gone before there was an event log", async () => {
  const bench = new Bench({ changesKeptMax: 10 });
  for (let count = 0; count < 100; count += 1) await bench.commit("b");
  const oldest = await bench.store.oldestRevision();
  bench.startRelay();
  await bench.settle();
  expect((await bench.told()).slice(0, 2)).toEqual([`${oldest} gap`, `${oldest + 1} b`]);
});

it("does not tell again what expired, when all has", async () => {
  const bench = new Bench();
  bench.startRelay();
  await bench.commit("a");
  await bench.commit("b");
  await bench.clock.advance(CONFIG.keptMs - 1_000);
  bench.events.forgetAllBut(0);
  bench.isAway = true;
  await bench.commit("c");
  await bench.clock.advance(2_000 + CONFIG.recheckMs);
  bench.isAway = false;
  await bench.clock.advance(1_000);
  expect(await bench.told()).toEqual(["2 gap", "3 c"]);
});

it("finds what the event log lost behind its back (Y3)", async () => {
  const bench = new Bench();
  bench.startRelay();
  for (const name of ["a", "b", "c"]) await bench.commit(name);
  await bench.settle();
  bench.events = await copyOfFirst(bench.events, 2);
  await bench.clock.advance(CONFIG.recheckMs + 1_000);
  expect(await bench.told()).toEqual(["1 a", "2 b", "3 c"]);
});

it("waits for a store that lost commits, and tells a gap where the histories meet", async () => {
  const bench = new Bench();
  bench.startRelay();
  for (const name of ["a", "b", "c"]) await bench.commit(name);
  await bench.settle();
  bench.failOver();
  await bench.commit("other");
  bench.startRelay();
  await bench.clock.advance(5_000);
  expect(await bench.told()).toEqual(["1 a", "2 b", "3 c"]);
  for (const name of ["d", "e", "f", "g"]) await bench.commit(name);
  await bench.clock.advance(5_000);
  const told = await bench.told();
  expect(told.slice(0, 3)).toEqual(["1 a", "2 b", "3 c"]);
  expect(told[3]).toMatch(/gap$/);
  expect(told.at(-1)).toBe("5 g");
});

it("stops for good", async () => {
  const bench = new Bench();
  const relay = bench.startRelay();
  await bench.commit("a");
  await bench.settle();
  relay.stop();
  await bench.commit("b");
  await bench.clock.advance(100_000);
  expect(await bench.told()).toEqual(["1 a"]);
});

class Bench {
  readonly clock = new FakeClock();
  events = new MemoryEventLog();
  store: MemoryStateStore;
  isAway = false;
  /** Draws whether an append fails, before or after it was done. */
  failing: Prng | undefined;
  #newest: Revision = 0;
  readonly #wanted: string[] = [];
  readonly #relays: EventRelay[] = [];

  constructor(options: { readonly changesKeptMax?: number } = {}) {
    this.store = new MemoryStateStore({ disk: new MemoryDisk(options), clock: this.clock });
  }

  startRelay(): EventRelay {
    const relay = new EventRelay({
      store: this.store,
      events: this.#faultyEvents(),
      newestRevision: () => this.#newest,
      clock: this.clock,
      log: silentLogger,
      config: CONFIG,
    });
    this.#relays.push(relay);
    relay.start();
    return relay;
  }

  async commit(...ids: readonly string[]): Promise<void> {
    const puts = ids.map((id) => ({ key: `project/${id}` as const, value: aProject({ id }) }));
    const result = await this.store.commit(aTransaction({ puts }));
    if (!result.isCommitted) throw new Error("refused");
    this.#newest = result.revision;
    this.#wanted.push(...ids.map((id) => `${result.revision} ${id}`));
  }

  wanted(): readonly string[] {
    return this.#wanted;
  }

  async settle(): Promise<void> {
    await this.clock.advance(0);
  }

  async told(): Promise<string[]> {
    const page = await this.events.read(0, 1_000_000);
    if (page === "compacted") throw new Error("compacted");
    const events = page.batches.flatMap((batch) => batch.events);
    return events.map(({ revision, subjectId }) => `${revision} ${subjectId}`);
  }

  /** Another store takes over, which has nothing of this one. */
  failOver(): void {
    for (const relay of this.#relays) relay.stop();
    this.store = new MemoryStateStore({ disk: new MemoryDisk(), clock: this.clock });
    this.#newest = 0;
  }

  #faultyEvents(): EventLog {
    return {
      newestRevision: async () => await this.#reached().newestRevision(),
      oldestRevision: async () => await this.#reached().oldestRevision(),
      read: async (after, eventsMax) => await this.#reached().read(after, eventsMax),
      append: async (request) => await this.#append(request),
    };
  }

  #reached(): MemoryEventLog {
    if (this.isAway) throw unavailable("nats", "not connected");
    return this.events;
  }

  async #append(request: EventAppend): Promise<void> {
    const fate = this.failing?.pick(["fine", "before", "after"] as const) ?? "fine";
    if (fate === "before") throw unavailable("nats", "lost on the way there");
    await this.#reached().append(request);
    if (fate === "after") throw unavailable("nats", "lost on the way back");
  }
}

async function copyOfFirst(events: MemoryEventLog, batchesMax: number): Promise<MemoryEventLog> {
  const page = await events.read(0, 1_000);
  if (page === "compacted") throw new Error("compacted");
  const copy = new MemoryEventLog();
  await copy.append({ after: 0, batches: page.batches.slice(0, batchesMax) });
  return copy;
}
