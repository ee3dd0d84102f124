/**
 * What a node's state costs the cluster: device capacity that is there and will not be used, in
 * thousandths of a device. The packer puts each request where this grows least.
 */
import type { DeviceState } from "./device-request.js";

/** As learned once; it does not learn further. */
export interface NodeLoss {
  /** @param free what all devices of the node have free, above 0 */
  of(state: DeviceState, free: number): number;
}

export function lossOf(loss: NodeLoss, state: DeviceState): number {
  let free = 0;
  for (let device = 0; device < state.deviceCount; device += 1) {
    free += state.freeMilli[device] as number;
  }
  return free === 0 ? 0 : loss.of(state, free);
}
