/** What every engine must do with the resources of a copy that runs (ports/engine.ts). */
import { expect, it } from "vitest";
import type { EngineBench } from "./engine-harness.js";

const MILLIS_PER_VCPU = 1000;

export function engineResourcesContract(bench: () => EngineBench): void {
  it("takes what it was launched with, again and again", async () => {
    const { harness } = bench();
    const launch = harness.launchOf("lasting");
    const copy = await bench().launch(launch);
    const { cpuMillis, memoryMib } = launch;
    await harness.settle(copy.setResources({ cpuMillis, memoryMib }));
    await harness.settle(copy.setResources({ cpuMillis, memoryMib }));
    expect(await harness.settle(copy.runState())).toBe("running");
  });

  it("goes on with a smaller share of CPU time, and with the whole one again", async () => {
    const { harness } = bench();
    const launch = harness.launchOf("lasting");
    const copy = await bench().launch(launch);
    const { cpuMillis, memoryMib } = launch;
    for (const share of [cpuMillis / 2, cpuMillis]) {
      await harness.settle(copy.setResources({ cpuMillis: share, memoryMib }));
      await bench().waitForBeat(copy, (await bench().lastBeat(copy)) + 1);
    }
  });

  it("refuses more than it was launched with, and goes on", async () => {
    const { harness } = bench();
    const launch = harness.launchOf("lasting");
    const copy = await bench().launch(launch);
    const { cpuMillis, memoryMib, vcpuCount } = launch;
    const tooMuch = [
      { cpuMillis, memoryMib: memoryMib + 1 },
      { cpuMillis: vcpuCount * MILLIS_PER_VCPU + 1, memoryMib },
    ];
    for (const resources of tooMuch) {
      await expect(harness.settle(copy.setResources(resources))).rejects.toMatchObject({
        kind: "precondition",
        reason: "NO_LIVE_RESIZE",
      });
    }
    await bench().waitForBeat(copy, (await bench().lastBeat(copy)) + 1);
  });

  it("counts what it takes: CPU time that only grows, and memory", async () => {
    const { harness } = bench();
    const copy = await bench().launch();
    const cpuMs = async (): Promise<number> => (await harness.settle(copy.usage()))?.cpuMs ?? 0;
    await harness.waitUntil("CPU time", async () => (await cpuMs()) > 0);
    const before = await cpuMs();
    await harness.waitUntil("more CPU time", async () => (await cpuMs()) > before);
    expect((await harness.settle(copy.usage()))?.memoryMib).toBeGreaterThan(0);
  });

  it("counts nothing once the copy has ended", async () => {
    const { harness } = bench();
    const copy = await bench().launch();
    await bench().destroy(copy);
    expect(await harness.settle(copy.usage())).toBeUndefined();
  });
}
