/**
 * The device capacity that is left when a node is filled by a small future, averaged over some
 * futures drawn from the arrivals so far. Unlike `unusable-loss.ts` it sees that processors or
 * memory run out before the devices do, and which remainders other shapes fill.
 */
import { DEVICES_PER_NODE_MAX, type DeviceState } from "./device-request.js";
import type { DeviceShapes } from "./device-shapes.js";
import type { NodeLoss } from "./node-loss.js";

const FUTURES = 4;
const ARRIVALS_EACH = 32;

/** Numbers of each arrival that stand side by side. */
const FIELDS = 5;

/** Arrivals that ask for devices: processors, memory, models, devices, and of each device. */
type Future = Int32Array;

export class StrandedLoss implements NodeLoss {
  readonly #futures: readonly Future[];
  readonly #room = new Room();

  /** The same arrivals give the same futures. */
  constructor(shapes: DeviceShapes) {
    this.#futures = drawFutures(shapes);
  }

  of(state: DeviceState, free: number): number {
    let left = 0;
    for (const future of this.#futures) left += this.#room.leftAfter(future, state, free);
    return this.#futures.length === 0 ? 0 : left / this.#futures.length;
  }
}

function drawFutures(shapes: DeviceShapes): readonly Future[] {
  const random = splitMix32(shapes.arrivalCount);
  const drawn = shuffled(evenly(shapes, FUTURES * ARRIVALS_EACH, random), random);
  return Array.from({ length: drawn.length === 0 ? 0 : FUTURES }, (_, index) =>
    futureOf(shapes, drawn.subarray(index * ARRIVALS_EACH, (index + 1) * ARRIVALS_EACH)),
  );
}

/** A node that is filled. */
class Room {
  readonly #free = new Int32Array(DEVICES_PER_NODE_MAX);
  #devices = 0;

  /** What is left of `free`, each arrival on the device where it leaves least. */
  leftAfter(future: Future, state: DeviceState, free: number): number {
    this.#devices = state.deviceCount;
    for (let device = 0; device < this.#devices; device += 1) {
      this.#free[device] = state.freeMilli[device] as number;
    }
    let { cpuMillis, memoryMib } = state;
    let left = free;
    for (let at = 0; at < future.length && left > 0; at += FIELDS) {
      const cpuAfter = cpuMillis - (future[at] as number);
      const memoryAfter = memoryMib - (future[at + 1] as number);
      if (cpuAfter < 0 || memoryAfter < 0) continue;
      const taken = ((future[at + 2] as number) & state.model) === 0 ? 0 : this.#take(future, at);
      if (taken === 0) continue;
      cpuMillis = cpuAfter;
      memoryMib = memoryAfter;
      left -= taken;
    }
    return left;
  }

  #take(future: Future, at: number): number {
    const count = future[at + 3] as number;
    const need = future[at + 4] as number;
    return count === 1 ? this.#takeOne(need) : this.#takeMany(need, count);
  }

  #takeOne(need: number): number {
    let best = -1;
    let least = Number.MAX_SAFE_INTEGER;
    for (let device = 0; device < this.#devices; device += 1) {
      const has = this.#free[device] as number;
      if (has < need || has >= least) continue;
      best = device;
      least = has;
    }
    if (best < 0) return 0;
    this.#free[best] = least - need;
    return need;
  }

  #takeMany(need: number, count: number): number {
    let fitting = 0;
    for (let device = 0; device < this.#devices; device += 1) {
      if ((this.#free[device] as number) >= need) fitting += 1;
    }
    if (fitting < count) return 0;
    for (let device = 0, taken = 0; taken < count; device += 1) {
      if ((this.#free[device] as number) < need) continue;
      this.#free[device] = (this.#free[device] as number) - need;
      taken += 1;
    }
    return need * count;
  }
}

function futureOf(shapes: DeviceShapes, drawn: Int32Array): Future {
  const { cpuMillis, memoryMib, models, deviceCount, deviceMilli } = shapes;
  const columns = [cpuMillis, memoryMib, models, deviceCount, deviceMilli];
  const fields = [...drawn].flatMap((shape) => columns.map((column) => column[shape] ?? 0));
  return Int32Array.from(fields);
}

/**
 * Systematic sampling, so that few draws stand for all: each shape as often as its share, rounded
 * up or down.
 */
function evenly(shapes: DeviceShapes, count: number, random: () => number): Int32Array {
  const weights = shapes.arrivals.map((each, shape) => (shapes.deviceCount[shape] ? each : 0));
  const total = weights.reduce((sum, each) => sum + each, 0);
  const drawn = new Int32Array(total === 0 ? 0 : count);
  const step = total / count;
  let next = step * random();
  let [passed, filled] = [0, 0];
  weights.forEach((weight, shape) => {
    passed += weight;
    for (; next < passed && filled < drawn.length; next += step) {
      drawn[filled] = shape;
      filled += 1;
    }
  });
  return drawn.subarray(0, filled);
}

function shuffled(items: Int32Array, random: () => number): Int32Array {
  for (let last = items.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    const kept = items[last] as number;
    items[last] = items[other] as number;
    items[other] = kept;
  }
  return items;
}

/** SplitMix32, as a number from 0 to 1, without 1. */
function splitMix32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}
