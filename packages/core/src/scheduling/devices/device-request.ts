/**
 * What a guest asks of a node's devices (GPUs): whole ones, or a share of a single one. Requests of
 * one shape are one to the packer.
 */
import { assert } from "../../domain/assert.js";

/** A whole device, in thousandths. */
export const WHOLE_DEVICE_MILLI = 1000;
/** One node has at most so many. */
export const DEVICES_PER_NODE_MAX = 16;

export interface DeviceRequest {
  readonly cpuMillis: number;
  readonly memoryMib: number;
  /** 0 = none. */
  readonly deviceCount: number;
  /** Of each device; less than a whole only for one device. */
  readonly deviceMilli: number;
  /** Models that will do; empty = any. */
  readonly deviceModels: readonly string[];
}

export interface DeviceNode {
  readonly id: string;
  readonly cpuMillis: number;
  readonly memoryMib: number;
  readonly deviceCount: number;
  /** Of all its devices. */
  readonly deviceModel: string;
}

/** What a node has free. */
export interface DeviceState {
  cpuMillis: number;
  memoryMib: number;
  /** Bits of its model. */
  model: number;
  deviceCount: number;
  /** Of each device, in thousandths. */
  readonly freeMilli: Int32Array;
}

/** What it takes of devices in all, in thousandths. */
export function deviceMilliOf({ deviceCount, deviceMilli }: DeviceRequest): number {
  return deviceCount * deviceMilli;
}

export function assertRequest(request: DeviceRequest): void {
  const { deviceCount, deviceMilli } = request;
  const isShare = deviceMilli < WHOLE_DEVICE_MILLI;
  assert(Number.isInteger(deviceCount) && deviceCount >= 0, "devices are counted");
  assert(deviceCount === 0 || deviceMilli > 0, "a device is taken at least in part");
  assert(deviceMilli <= WHOLE_DEVICE_MILLI, "of one device there are 1000 thousandths");
  assert(!isShare || deviceCount <= 1, "a share is of one device");
}

/** Equal for requests that are alike in everything that counts. */
export function shapeKey(request: DeviceRequest): string {
  const { cpuMillis, memoryMib, deviceCount, deviceMilli, deviceModels } = request;
  const models = [...deviceModels].sort().join("|");
  return [cpuMillis, memoryMib, deviceCount, deviceMilli, models].join(" ");
}
