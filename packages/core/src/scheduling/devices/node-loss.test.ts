import { describe, expect, it } from "vitest";
import { DeviceModels } from "./device-models.js";
import { DEVICES_PER_NODE_MAX, type DeviceRequest, type DeviceState } from "./device-request.js";
import { DeviceShapes } from "./device-shapes.js";
import { learnLoss } from "./learn-loss.js";
import { lossOf } from "./node-loss.js";
import { StrandedLoss } from "./stranded-loss.js";
import { UnusableLoss } from "./unusable-loss.js";

const HALF = { cpuMillis: 1000, memoryMib: 1024, deviceCount: 1, deviceMilli: 500 };
const WHOLE = { cpuMillis: 8000, memoryMib: 1024, deviceCount: 1, deviceMilli: 1000 };
const PAIR = { cpuMillis: 8000, memoryMib: 1024, deviceCount: 2, deviceMilli: 1000 };

describe("what the next request cannot use", () => {
  it("is each shape's share times what it cannot use", () => {
    const loss = new UnusableLoss(arrivals([HALF, HALF, HALF, WHOLE]));
    // Three of four can use both devices, one can use the whole one only.
    expect(loss.of(free([1000, 600]), 1600)).toBeCloseTo(0.25 * 600);
    // 400 are of no use to anybody.
    expect(loss.of(free([1000, 400]), 1400)).toBeCloseTo(0.75 * 400 + 0.25 * 400);
  });

  it("is everything for a shape that does not fit: devices, processors, memory, model", () => {
    const pair = new UnusableLoss(arrivals([PAIR]));
    expect(pair.of(free([1000, 900]), 1900)).toBe(1900);
    expect(pair.of(free([1000, 1000]), 2000)).toBe(0);
    expect(pair.of(free([1000, 1000], { cpuMillis: 7999 }), 2000)).toBe(2000);
    expect(pair.of(free([1000, 1000], { memoryMib: 1023 }), 2000)).toBe(2000);
    const models = new DeviceModels();
    const other = models.bitsOf(["other"]);
    const bound = new UnusableLoss(arrivals([{ ...PAIR, deviceModels: ["mine"] }], models));
    expect(bound.of(free([1000, 1000], { model: other }), 2000)).toBe(2000);
    expect(bound.of(free([1000, 1000], { model: models.bitsOf(["mine"]) }), 2000)).toBe(0);
  });
});

describe("what a future leaves", () => {
  it("is nothing where the arrivals fill the devices", () => {
    expect(new StrandedLoss(arrivals([HALF])).of(free([1000, 500]), 1500)).toBe(0);
  });

  it("sees that processors run out before devices do", () => {
    const loss = new StrandedLoss(arrivals([WHOLE]));
    expect(loss.of(free([1000, 1000, 1000], { cpuMillis: 16_000 }), 3000)).toBe(1000);
  });

  it("leaves a remainder that no shape fills", () => {
    expect(new StrandedLoss(arrivals([HALF])).of(free([900, 500]), 1400)).toBe(400);
  });
});

it("is nothing before anything has come, and where nothing is free", () => {
  const loss = learnLoss(arrivals([]));
  expect(lossOf(loss, free([1000]))).toBe(0);
  expect(lossOf(learnLoss(arrivals([WHOLE])), free([0, 0]))).toBe(0);
});

function arrivals(
  requests: readonly (Omit<DeviceRequest, "deviceModels"> & Partial<DeviceRequest>)[],
  models = new DeviceModels(),
): DeviceShapes {
  const shapes = new DeviceShapes(models);
  for (const request of requests) shapes.arrive({ deviceModels: [], ...request });
  return shapes;
}

function free(milli: readonly number[], parts: Partial<DeviceState> = {}): DeviceState {
  const freeMilli = new Int32Array(DEVICES_PER_NODE_MAX);
  freeMilli.set(milli);
  const room = { cpuMillis: 64_000, memoryMib: 65_536, model: 1 };
  return { ...room, deviceCount: milli.length, freeMilli, ...parts };
}
