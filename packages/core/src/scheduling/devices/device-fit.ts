/** What the loss of one node is with a request on it, on the devices that are best for that. */
import { type DeviceRequest, type DeviceState, WHOLE_DEVICE_MILLI } from "./device-request.js";
import { lossOf, type NodeLoss } from "./node-loss.js";

export interface DeviceFit {
  /** Infinity when it does not fit. */
  loss: number;
  /** Of a share: the device. */
  device: number;
}

/** A node without devices goes first for who needs none: its processors have no other use. */
const NO_DEVICES_BONUS = 1e6;

/** A request, with the bits of the models that will do. */
export type AskedFor = DeviceRequest & { readonly models: number };

export function fitOn(state: DeviceState, request: AskedFor, loss: NodeLoss): DeviceFit {
  const fit = { loss: Number.POSITIVE_INFINITY, device: 0 };
  const { cpuMillis, memoryMib } = request;
  if (state.cpuMillis < cpuMillis || state.memoryMib < memoryMib) return fit;
  if (request.deviceCount > 0 && (request.models & state.model) === 0) return fit;
  state.cpuMillis -= cpuMillis;
  state.memoryMib -= memoryMib;
  if (request.deviceCount === 0) fit.loss = withoutDevices(state, loss);
  else if (request.deviceMilli === WHOLE_DEVICE_MILLI) fit.loss = whole(state, request, loss);
  else share({ state, loss, fit }, request.deviceMilli);
  state.cpuMillis += cpuMillis;
  state.memoryMib += memoryMib;
  return fit;
}

/** The first whole devices, fewer when there are not enough. */
export function wholeDevices({ deviceCount, freeMilli }: DeviceState, count: number): number[] {
  const devices: number[] = [];
  for (let device = 0; device < deviceCount && devices.length < count; device += 1) {
    if (freeMilli[device] === WHOLE_DEVICE_MILLI) devices.push(device);
  }
  return devices;
}

function withoutDevices(state: DeviceState, loss: NodeLoss): number {
  if (state.deviceCount > 0) return lossOf(loss, state);
  return state.cpuMillis / WHOLE_DEVICE_MILLI - NO_DEVICES_BONUS;
}

function whole(state: DeviceState, { deviceCount }: DeviceRequest, loss: NodeLoss): number {
  const devices = wholeDevices(state, deviceCount);
  if (devices.length < deviceCount) return Number.POSITIVE_INFINITY;
  for (const device of devices) state.freeMilli[device] = 0;
  const after = lossOf(loss, state);
  for (const device of devices) state.freeMilli[device] = WHOLE_DEVICE_MILLI;
  return after;
}

interface ShareOn {
  readonly state: DeviceState;
  readonly loss: NodeLoss;
  readonly fit: DeviceFit;
}

function share(on: ShareOn, need: number): void {
  const { state, loss, fit } = on;
  const { deviceCount, freeMilli } = state;
  for (let device = 0; device < deviceCount; device += 1) {
    const free = freeMilli[device] as number;
    // Devices that have the same free are the same.
    if (free < need || freeMilli.indexOf(free) < device) continue;
    freeMilli[device] = free - need;
    const after = lossOf(loss, state);
    freeMilli[device] = free;
    if (after >= fit.loss) continue;
    fit.loss = after;
    fit.device = device;
  }
}
