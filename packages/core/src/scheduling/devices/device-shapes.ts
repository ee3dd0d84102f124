/** Every shape of request that was seen, as columns, with how often it came. */

import type { DeviceModels } from "./device-models.js";
import { type DeviceRequest, shapeKey } from "./device-request.js";

export type ShapeColumns = Readonly<
  Record<"cpuMillis" | "memoryMib" | "deviceCount" | "deviceMilli" | "models", Int32Array>
>;

export class DeviceShapes {
  readonly #numbers = new Map<string, number>();
  readonly cpuMillis: number[] = [];
  readonly memoryMib: number[] = [];
  readonly deviceCount: number[] = [];
  readonly deviceMilli: number[] = [];
  /** Bits of the models that will do. */
  readonly models: number[] = [];
  readonly arrivals: number[] = [];
  arrivalCount = 0;

  constructor(readonly known: DeviceModels) {}

  /** As they are now, in arrays that are fast to read. */
  columns(): ShapeColumns {
    return {
      cpuMillis: Int32Array.from(this.cpuMillis),
      memoryMib: Int32Array.from(this.memoryMib),
      deviceCount: Int32Array.from(this.deviceCount),
      deviceMilli: Int32Array.from(this.deviceMilli),
      models: Int32Array.from(this.models),
    };
  }

  get length(): number {
    return this.arrivals.length;
  }

  /** Counts an arrival and gives the number of its shape. */
  arrive(request: DeviceRequest): number {
    const key = shapeKey(request);
    const shape = this.#numbers.get(key) ?? this.#add(key, request);
    this.arrivals[shape] = (this.arrivals[shape] ?? 0) + 1;
    this.arrivalCount += 1;
    return shape;
  }

  #add(key: string, request: DeviceRequest): number {
    const shape = this.length;
    this.#numbers.set(key, shape);
    this.cpuMillis.push(request.cpuMillis);
    this.memoryMib.push(request.memoryMib);
    this.deviceCount.push(request.deviceCount);
    this.deviceMilli.push(request.deviceMilli);
    this.models.push(this.known.bitsOf(request.deviceModels));
    this.arrivals.push(0);
    return shape;
  }
}
