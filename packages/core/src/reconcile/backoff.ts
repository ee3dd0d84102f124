/** Restart back-off: doubles from the minimum to the maximum, forgets after a long run. */
import type { RestartPolicy } from "../domain/guest.js";

/** Delay before restart number `restartsInARow` + 1. */
export function backoffMs(policy: RestartPolicy, restartsInARow: number): number {
  const doubled = policy.backoffMsMin * 2 ** Math.min(restartsInARow, 40);
  return Math.min(doubled, policy.backoffMsMax);
}

/** A run that lasted this long counts as healthy: earlier failures are forgotten. */
export function wasHealthyRun(policy: RestartPolicy, ranForMs: number): boolean {
  return ranForMs >= Math.max(policy.backoffMsMax, 1000);
}
