import { FakeClock } from "@innkeeper/core/testing";
import { expect, it } from "vitest";
import { DirtyRate } from "./dirty-rate.js";
import type { QmpClient } from "./qmp-client.js";

const MIB = 1024 ** 2;

/** A monitor that answers as told and remembers what it was asked. */
class FakeMonitor {
  readonly asked: string[] = [];
  rate: { readonly status: string; readonly "dirty-rate"?: number } = { status: "unstarted" };
  isSilent = false;
  memoryMib = 256;

  execute(command: string): Promise<unknown> {
    this.asked.push(command);
    if (this.isSilent) return new Promise(() => undefined);
    const answers: Readonly<Record<string, unknown>> = {
      "query-dirty-rate": this.rate,
      "query-memory-size-summary": { "base-memory": this.memoryMib * MIB },
      "calc-dirty-rate": {},
    };
    return Promise.resolve(answers[command]);
  }
}

function bench() {
  const monitor = new FakeMonitor();
  const clock = new FakeClock();
  // The class under test calls this one method only.
  const qmp = monitor as unknown as QmpClient;
  return { monitor, clock, rate: new DirtyRate({ qmp, clock }) };
}

async function settled(rate: DirtyRate): Promise<number | undefined> {
  const told = rate.look();
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  return told;
}

it("measures when it is looked at, tells it the next time, and not again for a while", async () => {
  const { monitor, clock, rate } = bench();
  expect(await settled(rate)).toBeUndefined();
  expect(monitor.asked).toContain("calc-dirty-rate");
  monitor.rate = { status: "measured", "dirty-rate": 7 };
  await settled(rate);
  expect(await settled(rate)).toBe(7 * MIB);
  const measured = () => monitor.asked.filter((each) => each === "calc-dirty-rate").length;
  expect(measured()).toBe(1);
  await clock.advance(20_000);
  await settled(rate);
  expect(measured()).toBe(2);
});

it("keeps what it knows while QEMU measures", async () => {
  const { monitor, rate } = bench();
  monitor.rate = { status: "measured", "dirty-rate": 3 };
  await settled(rate);
  monitor.rate = { status: "measuring" };
  await settled(rate);
  expect(await settled(rate)).toBe(3 * MIB);
});

it("waits for no QEMU that is silent, and asks it once (D1)", async () => {
  const { monitor, rate } = bench();
  monitor.isSilent = true;
  expect(await settled(rate)).toBeUndefined();
  expect(await settled(rate)).toBeUndefined();
  expect(monitor.asked).toEqual(["query-dirty-rate"]);
});

it("does not measure what QEMU would not look at", async () => {
  const { monitor, rate } = bench();
  monitor.memoryMib = 127;
  await settled(rate);
  expect(monitor.asked).not.toContain("calc-dirty-rate");
});
