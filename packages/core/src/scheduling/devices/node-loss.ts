/**
 * What a node's state costs the cluster: device capacity that is there and will not be used, in
 * thousandths of a device. The packer puts each request where this grows least.
 */
import type { DeviceState } from "./device-request.js";
import type { DeviceShapes } from "./device-shapes.js";
import { StrandedLoss } from "./stranded-loss.js";
import { UnusableLoss } from "./unusable-loss.js";

/** As learned once; it does not learn further. */
export interface NodeLoss {
  /** @param free what all devices of the node have free, above 0 */
  of(state: DeviceState, free: number): number;
}

/**
 * The sum of two views: the one keeps whole devices together for those who need many, the other
 * sees what runs out first.
 */
export function learnLoss(shapes: DeviceShapes): NodeLoss {
  const [unusable, stranded] = [new UnusableLoss(shapes), new StrandedLoss(shapes)];
  return { of: (state, free) => unusable.of(state, free) + stranded.of(state, free) };
}

export function lossOf(loss: NodeLoss, state: DeviceState): number {
  let free = 0;
  for (let device = 0; device < state.deviceCount; device += 1) {
    free += state.freeMilli[device] as number;
  }
  return free === 0 ? 0 : loss.of(state, free);
}
