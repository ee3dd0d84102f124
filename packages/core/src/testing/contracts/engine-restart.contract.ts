/** The part of the engine contract about agents that end and come back while guests go on (E1). */
import { expect, it } from "vitest";
import type { EngineCopy } from "../../ports/engine.js";
import type { EngineBench } from "./engine-harness.js";

export function engineRestartContract(bench: () => EngineBench): void {
  it("finds a running guest again, which never stopped", async () => {
    const copy = await bench().launch();
    await bench().waitForBeat(copy, 1);
    const beat = await bench().lastBeat(copy);
    const adopted = await adoptAfterRestart(bench(), copy);
    expect(await adopted?.runState()).toBe("running");
    expect(await bench().lastBeat(adopted as EngineCopy)).toBeGreaterThanOrEqual(beat);
    await bench().waitForBeat(adopted as EngineCopy, beat + 2);
  });

  it("leaves the guests alone when it is closed", async () => {
    const copy = await bench().launch();
    await bench().harness.settle(bench().engine.close());
    expect(await bench().harness.leftovers()).not.toEqual([]);
    const engine = bench().open();
    expect(await engine.list()).toEqual([copy.ref]);
    const adopted = await bench().adopt(engine, copy.ref);
    await bench().destroy(adopted as EngineCopy);
    expect(await bench().harness.leftovers()).toEqual([]);
  });

  it("finds a paused guest paused", async () => {
    const copy = await bench().launch();
    await bench().harness.settle(copy.pause());
    const adopted = await adoptAfterRestart(bench(), copy);
    expect(await adopted?.runState()).toBe("paused");
    await bench().harness.settle((adopted as EngineCopy).resume());
    expect(await adopted?.runState()).toBe("running");
  });

  it("sees the end of an adopted copy within a second, and leaves nothing (E6)", async () => {
    const { harness } = bench();
    const copy = await bench().launch();
    const adopted = await adoptAfterRestart(bench(), copy);
    let reason = "";
    void adopted?.ended.then((exit) => {
      reason = exit.reason;
    });
    await harness.killGuest(copy.ref);
    await harness.waitUntil("the end", async () => reason !== "", { ms: 1000 });
    expect(reason).toBe("killed");
    expect(await harness.leftovers()).toEqual([]);
  });

  it("sees that an adopted copy powers off when asked to", async () => {
    const copy = await bench().launch();
    await bench().waitForBeat(copy, 1);
    const adopted = (await adoptAfterRestart(bench(), copy)) as EngineCopy;
    await bench().harness.settle(adopted.requestShutdown());
    const exit = await bench().harness.settle(adopted.ended);
    expect(exit).toMatchObject({ reason: "guest-shutdown" });
    expect(await bench().harness.leftovers()).toEqual([]);
  });

  it("tells how a copy ended that ended unwatched, or knows nothing of it", async () => {
    const { harness } = bench();
    const copy = await bench().launch();
    await harness.settle(bench().engine.close());
    await harness.killGuest(copy.ref);
    const engine = bench().open();
    const adopted = await bench().adopt(engine, copy.ref);
    if (adopted !== undefined) {
      expect(await adopted.runState()).toBe("ended");
      expect(await harness.settle(adopted.ended)).toMatchObject({ reason: "killed" });
    }
    expect(await engine.list()).toEqual([]);
    expect(await harness.leftovers()).toEqual([]);
  });

  it("knows nothing of a copy that never was", async () => {
    const { guestUid, epoch } = bench().harness.launchOf("lasting");
    expect(await bench().adopt(bench().engine, { guestUid, epoch })).toBeUndefined();
  });

  it("knows nothing of another epoch of a guest that runs (E2)", async () => {
    const copy = await bench().launch();
    const other = { ...copy.ref, epoch: copy.ref.epoch + 1 };
    expect(await bench().adopt(bench().engine, other)).toBeUndefined();
    expect(await copy.runState()).toBe("running");
  });
}

async function adoptAfterRestart(
  bench: EngineBench,
  copy: EngineCopy,
): Promise<EngineCopy | undefined> {
  return await bench.adopt(await bench.restart(bench.engine), copy.ref);
}
