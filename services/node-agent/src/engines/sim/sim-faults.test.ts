/**
 * What the sim engine does beyond the contract: faults that were asked for, and agents that end in
 * the middle of things.
 */
import type { CopyLaunch, EngineCopy } from "@innkeeper/core";
import { FakeClock, type ProcessClock } from "@innkeeper/core/testing";
import { beforeEach, describe, expect, it } from "vitest";
import { createSimEngine } from "./sim-engine.js";
import { SimHost } from "./sim-host.js";
import type { SimFate, SimFaults } from "./sim-options.js";
import { MemorySimStorage } from "./sim-storage.js";

const LAUNCH: CopyLaunch = {
  guestUid: "00000000-0000-4000-8000-000000000001",
  epoch: 1,
  mode: "hybrid",
  vcpuCount: 1,
  cpuMillis: 1000,
  memoryMib: 512,
  boot: { kind: "kernel", kernelPath: "/kernel", initrdPath: undefined, commandLine: "" },
  disks: [],
  isIncoming: false,
};
const INCOMING = { ...LAUNCH, epoch: 2, isIncoming: true };
/** 512 MiB at the default speed. */
const MIGRATION_MS = 1_000;
const SOURCE = "/source";
const TARGET = "/target";

let clock: FakeClock;
let storage: MemorySimStorage;

beforeEach(() => {
  clock = new FakeClock();
  storage = new MemorySimStorage();
});

describe("a guest that ends by itself", () => {
  const fate: SimFate = {
    endsAfterMs: 5_000,
    endsWith: { reason: "guest-panic", message: "it panicked" },
  };

  it("ends after that much running time, with its reason", async () => {
    const copy = await launched({ fateOf: () => fate });
    await clock.advance(4_900);
    expect(await copy.runState()).toBe("running");
    await clock.advance(200);
    expect(await copy.ended).toEqual(fate.endsWith);
  });

  it("does not age while it is paused", async () => {
    const copy = await launched({ fateOf: () => fate });
    await clock.advance(3_000);
    await copy.pause();
    await clock.advance(3_600_000);
    await copy.resume();
    await clock.advance(1_900);
    expect(await copy.runState()).toBe("running");
    await clock.advance(200);
    expect(await copy.ended).toEqual(fate.endsWith);
  });

  it("takes its age along when it moves", async () => {
    const { source, target, uri } = await pair({ fateOf: () => fate });
    await clock.advance(2_000);
    await sent(source, uri);
    void source.destroy();
    await clock.advance(60_000);
    await target.resume();
    await clock.advance(1_800);
    expect(await target.runState()).toBe("running");
    await clock.advance(500);
    expect(await target.ended).toEqual(fate.endsWith);
  });

  it("breaks the stream when it ends before all was sent", async () => {
    const { source, target, uri } = await pair({ fateOf: () => ({ endsAfterMs: 500 }) });
    const sending = settled(source.migrate(optionsTo(uri)));
    await clock.advance(MIGRATION_MS);
    expect(await sending).toMatchObject({ kind: "precondition" });
    expect(await target.ended).toMatchObject({ reason: "incoming-failed" });
  });
});

describe("a guest that ignores shutdown", () => {
  it("runs on until it is destroyed", async () => {
    const copy = await launched({ fateOf: () => ({ ignoresShutdown: true }) });
    await copy.requestShutdown();
    await clock.advance(3_600_000);
    expect(await copy.runState()).toBe("running");
  });
});

describe("a migration", () => {
  it("takes as long as the memory is large, and tells of its progress", async () => {
    const { source, uri } = await pair();
    const told: number[] = [];
    const options = { ...optionsTo(uri), onProgress: noteIn(told) };
    const sending = source.migrate(options);
    await clock.advance(MIGRATION_MS - 1);
    expect(await source.runState()).toBe("running");
    expect(told).toEqual([...told].sort((one, other) => one - other));
    expect(told.length).toBeGreaterThan(1);
    await clock.advance(1);
    expect(await sending).toMatchObject({ elapsedMs: MIGRATION_MS, remainingBytes: 0 });
  });

  it("that fails leaves the source running and ends the target", async () => {
    const { source, target, uri } = await pair({ migrationFails: () => true });
    const sending = settled(source.migrate(optionsTo(uri)));
    await clock.advance(MIGRATION_MS);
    expect(await sending).toMatchObject({ kind: "unavailable" });
    expect(await source.runState()).toBe("running");
    expect(await target.ended).toMatchObject({ reason: "incoming-failed" });
  });

  it("that is cancelled leaves the source running and ends the target", async () => {
    const { source, target, uri } = await pair();
    const sending = settled(source.migrate(optionsTo(uri)));
    await clock.advance(MIGRATION_MS / 2);
    await source.cancelMigration();
    await clock.advance(MIGRATION_MS);
    expect(await sending).toMatchObject({ kind: "cancelled" });
    expect(await source.runState()).toBe("running");
    expect(await target.ended).toMatchObject({ reason: "incoming-failed" });
  });

  it("breaks when the source is killed", async () => {
    const { source, target, uri } = await pair();
    void settled(source.migrate(optionsTo(uri)));
    await clock.advance(MIGRATION_MS / 2);
    new SimHost(SOURCE, storage).kill(source.ref, clock.nowMs());
    await clock.advance(MIGRATION_MS);
    expect(await target.ended).toMatchObject({ reason: "incoming-failed" });
    expect(storage.names(TARGET)).toEqual([]);
  });

  it("breaks when the target is destroyed", async () => {
    const { source, target, uri } = await pair();
    const sending = settled(source.migrate(optionsTo(uri)));
    await clock.advance(MIGRATION_MS / 2);
    void target.destroy();
    await clock.advance(MIGRATION_MS);
    expect(await sending).toMatchObject({ kind: "unavailable" });
    expect(await source.runState()).toBe("running");
    expect(storage.names(TARGET)).toEqual([]);
  });

  it("goes on while both agents are away, and is joined by the next ones", async () => {
    const { source, target, uri, processes } = await pair();
    void source.migrate(optionsTo(uri));
    await clock.advance(MIGRATION_MS / 2);
    for (const process of processes) process.kill();
    const again = await engineOn(SOURCE).engine.adopt(source.ref);
    const joined = again?.migrate(optionsTo(uri));
    await clock.advance(MIGRATION_MS / 2);
    expect(await joined).toMatchObject({ elapsedMs: MIGRATION_MS });
    const arrived = await engineOn(TARGET).engine.adopt(target.ref);
    expect(await arrived?.runState()).toBe("received");
  });
});

describe("an agent that ends while it launches", () => {
  it("leaves a guest that its successor finds", async () => {
    const { engine, process } = engineOn(SOURCE);
    void engine.launch(LAUNCH);
    process.kill();
    await clock.advance(10_000);
    const { engine: next } = engineOn(SOURCE);
    expect(await next.list()).toEqual([{ guestUid: LAUNCH.guestUid, epoch: 1 }]);
    expect(await (await next.adopt(LAUNCH))?.runState()).toBe("running");
  });
});

describe("a stored guest", () => {
  it("that does not parse is named, and is not taken for gone", async () => {
    const copy = await launched();
    const [name = ""] = storage.names(SOURCE);
    storage.write(SOURCE, name, '{"schemaVersion":99}');
    const adoption = engineOn(SOURCE).engine.adopt(copy.ref);
    await expect(adoption).rejects.toMatchObject({
      kind: "corrupt",
      metadata: { key: `simulated guest ${name}` },
    });
    expect(storage.names(SOURCE)).toEqual([name]);
  });
});

function engineOn(stateDirectory: string, faults: Partial<SimFaults> = {}) {
  const process = clock.child();
  return { engine: createSimEngine({ stateDirectory, clock: process, storage, faults }), process };
}

async function launched(faults: Partial<SimFaults> = {}): Promise<EngineCopy> {
  const launching = engineOn(SOURCE, faults).engine.launch(LAUNCH);
  await clock.advance(150);
  return await launching;
}

async function pair(faults: Partial<SimFaults> = {}): Promise<{
  source: EngineCopy;
  target: EngineCopy;
  uri: string;
  processes: readonly ProcessClock[];
}> {
  const [one, two] = [engineOn(SOURCE, faults), engineOn(TARGET)];
  const launching = Promise.all([one.engine.launch(LAUNCH), two.engine.launch(INCOMING)]);
  await clock.advance(150);
  const [source, target] = await launching;
  const uri = await target.listen();
  return { source, target, uri, processes: [one.process, two.process] };
}

async function sent(source: EngineCopy, uri: string): Promise<void> {
  const sending = source.migrate(optionsTo(uri));
  await clock.advance(MIGRATION_MS);
  await sending;
}

function optionsTo(uri: string) {
  return { uri, downtimeMsMax: 300, slowdownPercentMax: 0, onProgress: () => undefined };
}

function noteIn(told: number[]) {
  return ({ transferredBytes }: { transferredBytes: number }): void => {
    told.push(transferredBytes);
  };
}

/** What was thrown, or nothing. */
async function settled(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return error;
  }
}
