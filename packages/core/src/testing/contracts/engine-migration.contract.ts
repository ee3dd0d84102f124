/** The part of the engine contract about copies that move to another host while they run (E5). */
import { expect, it } from "vitest";
import type { MigrationProgress } from "../../domain/copy.js";
import type { Engine, EngineCopy } from "../../ports/engine.js";
import type { EngineBench } from "./engine-harness.js";

const DOWNTIME_MS_MAX = 300;
/** Long enough for a running guest to print something. */
const STILL_MS = 1500;

export function engineMigrationContract(bench: () => EngineBench): void {
  incomingCopies(bench);
  arrivals(bench);
  failures(bench);
  restarts(bench);
}

interface Pair {
  readonly source: EngineCopy;
  readonly target: EngineCopy;
  readonly targetEngine: Engine;
  readonly uri: string;
}

/** A running guest, and a copy on the other host that waits for it. */
async function makePair(bench: EngineBench): Promise<Pair> {
  const { harness } = bench;
  const launch = harness.launchOf("lasting");
  const source = await bench.launch(launch);
  await bench.waitForBeat(source, 2);
  const targetEngine = bench.openTarget();
  const incoming = { ...launch, epoch: launch.epoch + 1, isIncoming: true };
  const target = await harness.settle(targetEngine.launch(incoming));
  return { source, target, targetEngine, uri: await harness.settle(target.listen()) };
}

async function send(
  bench: EngineBench,
  { source, uri }: Pair,
  onProgress: (progress: MigrationProgress) => void = () => undefined,
): Promise<MigrationProgress> {
  const options = { uri, downtimeMsMax: DOWNTIME_MS_MAX, slowdownPercentMax: 80, onProgress };
  return await bench.harness.settle(source.migrate(options));
}

function incomingCopies(bench: () => EngineBench): void {
  it("waits with stopped vCPUs for a stream", async () => {
    const { harness } = bench();
    const copy = await bench().launch({ ...harness.launchOf("lasting"), isIncoming: true });
    expect(await copy.runState()).toBe("incoming");
    const uri = await harness.settle(copy.listen());
    expect(await harness.settle(copy.listen())).toBe(uri);
    await harness.pass(STILL_MS);
    expect(await copy.runState()).toBe("incoming");
    expect(await bench().lastBeat(copy)).toBe(0);
  });

  it("refuses to run an incoming copy whose stream has not arrived", async () => {
    const { harness } = bench();
    const copy = await bench().launch({ ...harness.launchOf("lasting"), isIncoming: true });
    await expect(harness.settle(copy.resume())).rejects.toMatchObject({ kind: "precondition" });
    expect(await copy.runState()).toBe("incoming");
  });

  it("ends with all that belongs to it when it is destroyed", async () => {
    const { harness, engine } = bench();
    const copy = await bench().launch({ ...harness.launchOf("lasting"), isIncoming: true });
    await bench().destroy(copy);
    expect(await harness.settle(copy.ended)).toMatchObject({ reason: "destroyed" });
    expect(await engine.list()).toEqual([]);
    expect(await harness.leftovers()).toEqual([]);
  });

  it("refuses to listen on a copy that is not incoming", async () => {
    const copy = await bench().launch();
    const listening = bench().harness.settle(copy.listen());
    await expect(listening).rejects.toMatchObject({ kind: "precondition" });
  });
}

function arrivals(bench: () => EngineBench): void {
  it("moves a running guest, which stands still on both sides until it is resumed", async () => {
    const { harness } = bench();
    const pair = await makePair(bench());
    let changes = 0;
    pair.target.onChange(() => {
      changes += 1;
    });
    const progress = await send(bench(), pair);
    expect(progress.remainingBytes).toBe(0);
    expect(progress.transferredBytes).toBeGreaterThan(0);
    expect(progress.engineDowntimeMs).toBeGreaterThanOrEqual(0);
    expect(await pair.source.runState()).toBe("sent");
    await bench().waitForState(pair.target, "received");
    await harness.waitUntil("a change is told", async () => changes > 0);
    const [sent, arrived] = await lastBeats(bench(), pair);
    await harness.pass(STILL_MS);
    expect(await lastBeats(bench(), pair)).toEqual([sent, arrived]);
    expect(await pair.target.runState()).toBe("received");
  });

  it("goes on at the target where the source stopped", async () => {
    const { harness } = bench();
    const pair = await makePair(bench());
    await send(bench(), pair);
    await bench().waitForState(pair.target, "received");
    const [sent] = await lastBeats(bench(), pair);
    await bench().destroy(pair.source);
    await harness.settle(pair.target.resume());
    expect(await pair.target.runState()).toBe("running");
    await bench().waitForBeat(pair.target, sent + 2);
    const beats = [...(await bench().consoleOf(pair.target)).matchAll(/beat (\d+)/g)];
    const first = Number(beats[0]?.[1]);
    expect(first).toBeGreaterThanOrEqual(sent);
    expect(first).toBeLessThanOrEqual(sent + 2);
    await bench().destroy(pair.target);
    expect(await harness.leftovers()).toEqual([]);
  });

  it("goes on at the source when it is taken back", async () => {
    const { harness } = bench();
    const pair = await makePair(bench());
    await send(bench(), pair);
    await bench().destroy(pair.target);
    const [sent] = await lastBeats(bench(), { source: pair.source });
    await harness.settle(pair.source.resume());
    expect(await pair.source.runState()).toBe("running");
    await bench().waitForBeat(pair.source, sent + 2);
  });
}

function failures(bench: () => EngineBench): void {
  it("runs on when nobody listens", async () => {
    const pair = await makePair(bench());
    await bench().destroy(pair.target);
    await expect(send(bench(), pair)).rejects.toHaveProperty("kind");
    expect(await pair.source.runState()).toBe("running");
    const beat = await bench().lastBeat(pair.source);
    await bench().waitForBeat(pair.source, beat + 1);
  });

  it("runs on after a cancellation, unless everything was sent before", async () => {
    const { harness } = bench();
    const pair = await makePair(bench());
    const sending = send(bench(), pair).then(
      () => undefined,
      (error: unknown) => error,
    );
    await harness.settle(pair.source.cancelMigration());
    const failure = await sending;
    if (failure === undefined) {
      expect(await pair.source.runState()).toBe("sent");
      return;
    }
    expect(failure).toMatchObject({ kind: "cancelled" });
    expect(await pair.source.runState()).toBe("running");
    expect(await pair.target.runState()).not.toBe("received");
  });

  it("cancels nothing when nothing is sent", async () => {
    const copy = await bench().launch();
    await bench().harness.settle(copy.cancelMigration());
    expect(await copy.runState()).toBe("running");
  });

  it("can be sent again, to another target, after a failure", async () => {
    const { harness } = bench();
    const pair = await makePair(bench());
    await bench().destroy(pair.target);
    await expect(send(bench(), pair)).rejects.toHaveProperty("kind");
    const launch = harness.launchOf("lasting");
    const { guestUid, epoch } = pair.source.ref;
    const again = { ...launch, guestUid, epoch: epoch + 2, isIncoming: true };
    const target = await harness.settle(pair.targetEngine.launch(again));
    const uri = await harness.settle(target.listen());
    await send(bench(), { ...pair, target, uri });
    expect(await pair.source.runState()).toBe("sent");
    await bench().waitForState(target, "received");
  });
}

function restarts(bench: () => EngineBench): void {
  it("finds a sent copy sent after a restart, and can take it back", async () => {
    const pair = await makePair(bench());
    await send(bench(), pair);
    const engine = await bench().restart(bench().engine);
    const source = (await bench().adopt(engine, pair.source.ref)) as EngineCopy;
    expect(await source.runState()).toBe("sent");
    await bench().destroy(pair.target);
    await bench().harness.settle(source.resume());
    expect(await source.runState()).toBe("running");
  });

  it("finds a received copy received after a restart, and can start it", async () => {
    const { harness } = bench();
    const pair = await makePair(bench());
    await send(bench(), pair);
    await bench().waitForState(pair.target, "received");
    await harness.settle(pair.targetEngine.close());
    const target = (await bench().adopt(bench().openTarget(), pair.target.ref)) as EngineCopy;
    expect(await target.runState()).toBe("received");
    await bench().destroy(pair.source);
    await harness.settle(target.resume());
    expect(await target.runState()).toBe("running");
  });

  it("finds an incoming copy incoming after a restart, with the same address", async () => {
    const { harness } = bench();
    const pair = await makePair(bench());
    await harness.settle(pair.targetEngine.close());
    const target = (await bench().adopt(bench().openTarget(), pair.target.ref)) as EngineCopy;
    expect(await target.runState()).toBe("incoming");
    expect(await harness.settle(target.listen())).toBe(pair.uri);
    await send(bench(), pair);
    await bench().waitForState(target, "received");
  });
}

async function lastBeats(
  bench: EngineBench,
  copies: Pick<Pair, "source"> & Partial<Pick<Pair, "target">>,
): Promise<readonly [number, number]> {
  const { source, target } = copies;
  return [await bench.lastBeat(source), target ? await bench.lastBeat(target) : 0];
}
