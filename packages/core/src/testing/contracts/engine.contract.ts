/**
 * What every engine must do (ports/engine.ts, E1 to E6). Assumes nothing about how long things
 * take.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CopyRef } from "../../domain/copy.js";
import type { CopyLaunch, EngineCopy } from "../../ports/engine.js";
import { engineExecContract } from "./engine-exec.contract.js";
import { EngineBench, type EngineHarness } from "./engine-harness.js";
import { engineMigrationContract } from "./engine-migration.contract.js";
import { engineResourcesContract } from "./engine-resources.contract.js";
import { engineRestartContract } from "./engine-restart.contract.js";

export interface EngineUnderTest {
  /** False: it says so by its ability, and refuses to receive. */
  readonly canMigrate: boolean;
  /** False: its guests of the contract have no agent that could run a command. */
  readonly canExec: boolean;
}

/** @param makeHarness called once for each test */
export function engineContract(
  name: string,
  makeHarness: () => EngineHarness | Promise<EngineHarness>,
  { canMigrate, canExec }: EngineUnderTest,
): void {
  describe(`engine contract: ${name}`, () => {
    let present: EngineBench;
    const bench = (): EngineBench => present;
    beforeEach(async () => {
      present = new EngineBench(await makeHarness());
    });
    afterEach(async () => {
      await present.dispose();
    });
    describe("abilities", () => abilities(bench, canMigrate));
    describe("launch", () => launching(bench));
    describe("pause and resume", () => pausing(bench));
    describe("resources", () => engineResourcesContract(bench));
    describe("the end (E3, E6)", () => ending(bench));
    describe("after the end", () => afterTheEnd(bench));
    describe("console", () => consoles(bench));
    describe("commands", () => engineExecContract(bench, canExec));
    describe("restart of the agent (E1)", () => engineRestartContract(bench));
    if (canMigrate) describe("migration (E5)", () => engineMigrationContract(bench));
    else describe("no migration", () => staying(bench));
  });
}

function abilities(bench: () => EngineBench, canMigrate: boolean): void {
  it("says what it can do, each mode once", async () => {
    const { harness, engine } = bench();
    const probe = await harness.settle(engine.probe());
    for (const problem of probe.problems) expect(problem).not.toBe("");
    const modes = probe.abilities.map((ability) => ability.mode);
    expect(modes.length).toBeGreaterThan(0);
    expect(new Set(modes).size).toBe(modes.length);
    expect(modes).toContain(harness.launchOf("lasting").mode);
  });

  it("says how fast a guest starts, as it was measured", async () => {
    const { harness, engine } = bench();
    const { abilities: all } = await harness.settle(engine.probe());
    for (const { startMs } of all) expect(startMs).toBeGreaterThan(0);
  });

  it("says whether its guests can move while they run", async () => {
    const { harness, engine } = bench();
    const { mode } = harness.launchOf("lasting");
    const { abilities: all } = await harness.settle(engine.probe());
    expect(all.find((each) => each.mode === mode)?.canLiveMigrate).toBe(canMigrate);
  });
}

function staying(bench: () => EngineBench): void {
  it("refuses to receive a guest, and leaves nothing behind (E4)", async () => {
    const { harness, engine } = bench();
    const launch = { ...harness.launchOf("lasting"), isIncoming: true };
    await expect(harness.settle(engine.launch(launch))).rejects.toMatchObject({
      kind: "precondition",
      reason: "NO_LIVE_MIGRATION",
    });
    expect(await engine.list()).toEqual([]);
    expect(await harness.leftovers()).toEqual([]);
  });

  it("refuses to listen", async () => {
    const copy = await bench().launch();
    const listening = bench().harness.settle(copy.listen());
    await expect(listening).rejects.toMatchObject({ kind: "precondition" });
    expect(await copy.runState()).toBe("running");
  });
}

function launching(bench: () => EngineBench): void {
  it("runs the guest", async () => {
    const copy = await bench().launch();
    expect(await copy.runState()).toBe("running");
    await bench().waitForBeat(copy, 2);
  });

  it("lists every copy that exists and nothing else", async () => {
    const { engine } = bench();
    expect(await engine.list()).toEqual([]);
    const [one, two] = [await bench().launch(), await bench().launch()];
    expect(new Set((await engine.list()).map(nameOf))).toEqual(
      new Set([nameOf(one.ref), nameOf(two.ref)]),
    );
    await bench().destroy(one);
    expect((await engine.list()).map(nameOf)).toEqual([nameOf(two.ref)]);
  });

  it("keeps copies of one guest with different epochs apart (E2)", async () => {
    const { harness } = bench();
    const { guestUid, epoch, ...launch } = harness.launchOf("lasting");
    const older = await bench().launch({ ...launch, guestUid, epoch });
    const another = { ...harness.launchOf("lasting"), guestUid, epoch: epoch + 1 };
    const newer = await bench().launch(another);
    await bench().destroy(older);
    expect(await newer.runState()).toBe("running");
    expect(await bench().engine.list()).toEqual([newer.ref]);
  });

  it("refuses to launch a copy that exists, which goes on", async () => {
    const { harness, engine } = bench();
    const launch = harness.launchOf("lasting");
    const copy = await bench().launch(launch);
    await expect(harness.settle(engine.launch(launch))).rejects.toMatchObject({
      kind: "precondition",
    });
    expect(await copy.runState()).toBe("running");
  });

  it("leaves nothing behind when it fails (E4)", async () => {
    const { harness, engine } = bench();
    const launch = harness.launchOf("broken");
    await expect(harness.settle(engine.launch(launch))).rejects.toHaveProperty("kind");
    expect(await engine.list()).toEqual([]);
    expect(await harness.leftovers()).toEqual([]);
  });
}

function pausing(bench: () => EngineBench): void {
  it("stops the vCPUs, keeps memory, and goes on where it stopped", async () => {
    const { harness } = bench();
    const copy = await bench().launch();
    await bench().waitForBeat(copy, 1);
    await harness.settle(copy.pause());
    expect(await copy.runState()).toBe("paused");
    await harness.pass(SETTLED_MS);
    const beat = await bench().lastBeat(copy);
    await harness.pass(STILL_MS);
    expect(await bench().lastBeat(copy)).toBe(beat);
    await harness.settle(copy.resume());
    expect(await copy.runState()).toBe("running");
    await bench().waitForBeat(copy, beat + 1);
    expect(await bench().consoleOf(copy)).toMatch(new RegExp(`beat ${beat + 1}\\b`));
  });

  it("does no more when asked twice", async () => {
    const { harness } = bench();
    const copy = await bench().launch();
    await harness.settle(copy.resume());
    expect(await copy.runState()).toBe("running");
    await harness.settle(copy.pause());
    await harness.settle(copy.pause());
    expect(await copy.runState()).toBe("paused");
  });
}

function ending(bench: () => EngineBench): void {
  it("tells that the guest powered off when asked to", async () => {
    const { harness } = bench();
    const copy = await bench().launch();
    await bench().waitForBeat(copy, 1);
    await harness.settle(copy.requestShutdown());
    expect(await harness.settle(copy.ended)).toMatchObject({ reason: "guest-shutdown" });
    await expectNothingLeft(bench(), copy);
  });

  it("tells that the guest powered off by itself", async () => {
    const copy = await bench().launch(bench().harness.launchOf("powers-off"));
    expect(await bench().harness.settle(copy.ended)).toMatchObject({ reason: "guest-shutdown" });
    await expectNothingLeft(bench(), copy);
  });

  it("tells that the copy was killed, within a second", async () => {
    const { harness } = bench();
    const copy = await bench().launch();
    let reason = "";
    void copy.ended.then((exit) => {
      reason = exit.reason;
    });
    await harness.killGuest(copy.ref);
    await harness.waitUntil("the end", async () => reason !== "", { ms: 1000 });
    expect(reason).toBe("killed");
    await expectNothingLeft(bench(), copy);
  });

  it("destroys a running copy with all that belongs to it", async () => {
    const copy = await bench().launch();
    await bench().destroy(copy);
    expect(await bench().harness.settle(copy.ended)).toMatchObject({ reason: "destroyed" });
    await expectNothingLeft(bench(), copy);
  });

  it("destroys a paused copy", async () => {
    const { harness } = bench();
    const paused = await bench().launch();
    await harness.settle(paused.pause());
    await bench().destroy(paused);
    expect(await harness.settle(paused.ended)).toMatchObject({ reason: "destroyed" });
    await expectNothingLeft(bench(), paused);
  });

  it("destroys as much when asked twice, also at once", async () => {
    const { harness } = bench();
    const copy = await bench().launch();
    await harness.settle(Promise.all([copy.destroy(), copy.destroy()]));
    await bench().destroy(copy);
    await expectNothingLeft(bench(), copy);
  });

  it("lets the same copy be launched again after its end", async () => {
    const launch: CopyLaunch = bench().harness.launchOf("lasting");
    await bench().destroy(await bench().launch(launch));
    expect(await (await bench().launch(launch)).runState()).toBe("running");
  });
}

function afterTheEnd(bench: () => EngineBench): void {
  it("refuses to act, and says that the copy has ended", async () => {
    const { harness } = bench();
    const copy = await bench().launch();
    await bench().destroy(copy);
    expect(await copy.runState()).toBe("ended");
    const migration = {
      uri: "",
      downtimeMsMax: 300,
      slowdownPercentMax: 0,
      onProgress: () => undefined,
    };
    const acts: Readonly<Record<string, () => Promise<unknown>>> = {
      pause: () => copy.pause(),
      resume: () => copy.resume(),
      setResources: () => copy.setResources({ cpuMillis: 1000, memoryMib: 32 }),
      requestShutdown: () => copy.requestShutdown(),
      listen: () => copy.listen(),
      migrate: () => copy.migrate(migration),
    };
    for (const [act, call] of Object.entries(acts)) {
      const thrown: unknown = await harness.settle(call()).catch((error: unknown) => error);
      expect(thrown, act).toMatchObject({ kind: "precondition" });
    }
    await harness.settle(copy.cancelMigration());
    await bench().destroy(copy);
  });
}

function consoles(bench: () => EngineBench): void {
  it("takes input, again and again, and the guest goes on", async () => {
    const { harness } = bench();
    const copy = await bench().launch();
    await bench().waitForBeat(copy, 1);
    for (const _ of [1, 2]) {
      const input = await harness.settle(copy.openConsole());
      await harness.settle(input.write(Uint8Array.of(0x41, 0x0a)));
      input.close();
    }
    const beat = await bench().lastBeat(copy);
    await bench().waitForBeat(copy, beat + 1);
    await bench().destroy(copy);
    await expectNothingLeft(bench(), copy);
  });

  it("takes no input when the copy has ended", async () => {
    const { harness } = bench();
    const copy = await bench().launch();
    await bench().destroy(copy);
    await expect(harness.settle(copy.openConsole())).rejects.toHaveProperty("kind");
  });

  it("gives the same bytes in pieces as at once, and nothing at the end", async () => {
    const { harness } = bench();
    const copy = await bench().launch();
    await bench().waitForBeat(copy, 3);
    await harness.settle(copy.pause());
    await harness.pass(SETTLED_MS);
    const whole = await bench().consoleOf(copy);
    let pieces = "";
    let offset = 0;
    for (;;) {
      const { bytes, nextOffset } = await harness.settle(copy.readConsole(offset, 7));
      if (bytes.length === 0) break;
      expect(bytes.length).toBeLessThanOrEqual(7);
      expect(nextOffset).toBe(offset + bytes.length);
      pieces += Buffer.from(bytes).toString("latin1");
      offset = nextOffset;
    }
    expect(pieces).toBe(whole);
    expect(await harness.settle(copy.readConsole(offset, 7))).toMatchObject({ nextOffset: offset });
  });
}

/** By the time the end is told, nothing of the copy is there (E3). */
export async function expectNothingLeft(bench: EngineBench, copy: EngineCopy): Promise<void> {
  expect(await copy.runState()).toBe("ended");
  expect(await bench.engine.list()).toEqual([]);
  expect(await bench.harness.leftovers()).toEqual([]);
}

function nameOf({ guestUid, epoch }: CopyRef): string {
  return `${guestUid}.${epoch}`;
}

/** Output that was already under way when the vCPUs stopped has arrived after this time. */
const SETTLED_MS = 300;
/** Long enough for a running guest to print something. */
const STILL_MS = 1500;
