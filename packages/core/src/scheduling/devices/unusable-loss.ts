/**
 * The device capacity that the next request cannot use, over all shapes by their share of the
 * arrivals so far. It is the fragmentation of Weng et al., "Beware of Fragmentation: Scheduling
 * GPU-Sharing Workloads with Fragmentation Gradient Descent", USENIX ATC 2023; the shares are
 * learned as requests come.
 */
import { DEVICES_PER_NODE_MAX, type DeviceState } from "./device-request.js";
import type { DeviceShapes, ShapeColumns } from "./device-shapes.js";
import type { NodeLoss } from "./node-loss.js";

/** So much of all arrivals is looked at; the rarest shapes cost time and say little. */
const USUAL_SHARE = 0.97;

export class UnusableLoss implements NodeLoss {
  readonly #shapes: ShapeColumns;
  /** Of shapes that ask for devices. */
  readonly #asking: Int32Array;
  /** Share of the arrivals of each of them. */
  readonly #shares: Float64Array;
  /** Of each of them, where its need of one device stands in `#needs`. */
  readonly #needOf: Int32Array;
  /** Each different need of one device, in thousandths, rising. */
  readonly #needs: Int32Array;
  readonly #unusable: Float64Array;
  readonly #fitting: Int32Array;
  readonly #free = new Int32Array(DEVICES_PER_NODE_MAX);

  constructor(shapes: DeviceShapes) {
    this.#shapes = shapes.columns();
    const asking = usual(shapes);
    const needs = [...new Set(asking.map((shape) => shapes.deviceMilli[shape] ?? 0))].sort(
      (left, right) => left - right,
    );
    this.#asking = Int32Array.from(asking);
    this.#shares = Float64Array.from(asking, (shape) => {
      return (shapes.arrivals[shape] ?? 0) / shapes.arrivalCount;
    });
    this.#needOf = Int32Array.from(asking, (shape) =>
      needs.indexOf(shapes.deviceMilli[shape] ?? 0),
    );
    this.#needs = Int32Array.from(needs);
    this.#unusable = new Float64Array(needs.length);
    this.#fitting = new Int32Array(needs.length);
  }

  of(state: DeviceState, free: number): number {
    this.#compareNeeds(state);
    const { cpuMillis, memoryMib, deviceCount, models } = this.#shapes;
    let loss = 0;
    for (let index = 0; index < this.#asking.length; index += 1) {
      const shape = this.#asking[index] as number;
      const need = this.#needOf[index] as number;
      const fits =
        (cpuMillis[shape] as number) <= state.cpuMillis &&
        (memoryMib[shape] as number) <= state.memoryMib &&
        (deviceCount[shape] as number) <= (this.#fitting[need] as number) &&
        ((models[shape] as number) & state.model) !== 0;
      loss += (this.#shares[index] as number) * (fits ? (this.#unusable[need] as number) : free);
    }
    return loss;
  }

  /** For each need of one device: how many have that much, and what the others have. */
  #compareNeeds({ deviceCount, freeMilli }: DeviceState): void {
    sortInto(this.#free, freeMilli, deviceCount);
    let [lacking, unusable] = [0, 0];
    for (let need = 0; need < this.#needs.length; need += 1) {
      const needed = this.#needs[need] as number;
      while (lacking < deviceCount && (this.#free[lacking] as number) < needed) {
        unusable += this.#free[lacking] as number;
        lacking += 1;
      }
      this.#fitting[need] = deviceCount - lacking;
      this.#unusable[need] = unusable;
    }
  }
}

/** By insertion: there are few. */
function sortInto(sorted: Int32Array, values: Int32Array, count: number): void {
  for (let index = 0; index < count; index += 1) {
    const value = values[index] as number;
    let at = index;
    for (; at > 0 && (sorted[at - 1] as number) > value; at -= 1) {
      sorted[at] = sorted[at - 1] as number;
    }
    sorted[at] = value;
  }
}

/** The shapes that ask for devices, the most frequent first, without the rarest. */
function usual({ length, arrivals, deviceCount }: DeviceShapes): readonly number[] {
  const all = Array.from({ length }, (_, shape) => shape);
  const asking = all.filter((shape) => deviceCount[shape] !== 0);
  asking.sort((left, right) => (arrivals[right] ?? 0) - (arrivals[left] ?? 0) || left - right);
  const total = asking.reduce((sum, shape) => sum + (arrivals[shape] ?? 0), 0);
  let passed = 0;
  const isUsual = (shape: number): boolean => {
    const isKept = passed < total * USUAL_SHARE;
    passed += arrivals[shape] ?? 0;
    return isKept;
  };
  return asking.filter(isUsual);
}
