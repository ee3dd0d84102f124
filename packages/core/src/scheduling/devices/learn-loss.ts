/** The loss that the packer goes by, as learned from the requests so far. */
import type { DeviceShapes } from "./device-shapes.js";
import type { NodeLoss } from "./node-loss.js";
import { StrandedLoss } from "./stranded-loss.js";
import { UnusableLoss } from "./unusable-loss.js";

/**
 * The sum of two views: the one keeps whole devices together for those who need many, the other
 * sees what runs out first.
 */
export function learnLoss(shapes: DeviceShapes): NodeLoss {
  const [unusable, stranded] = [new UnusableLoss(shapes), new StrandedLoss(shapes)];
  return { of: (state, free) => unusable.of(state, free) + stranded.of(state, free) };
}
