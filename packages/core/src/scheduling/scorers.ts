/**
 * Scores of a node that fits, 0 (worst) to 1 (best): how well the guest fits there by the policy,
 * and how little is emulated. The weights are here and nowhere else.
 *
 * P1 Every score is computed with the same operations in the same order wherever it is computed, so
 *    that two ways to look for the best node find the same one.
 */
import { fnv1a } from "../domain/fnv1a.js";
import type { PlacementPolicy } from "../domain/placement-rules.js";

export const FIT_WEIGHT = 0.8;
export const MODE_WEIGHT = 0.2;

/**
 * @param low share of the scarcest resource that would still be free, 0 to 1
 * @param high the same of the most plentiful one
 */
export function fitOf(policy: PlacementPolicy, low: number, high: number): number {
  if (policy === "spread") return low;
  if (policy === "pack") return 1 - low;
  return 0.5 * low + 0.5 * (1 - (high - low));
}

export function scoreOf(fit: number, modePreference: number): number {
  return FIT_WEIGHT * fit + MODE_WEIGHT * modePreference;
}

/** A place on a ring of 2^32 for each node: FNV-1a over its id, mixed. */
export function ringPlace(nodeId: string): number {
  return mixed(fnv1a(nodeId));
}

/** Where on the ring a seed begins. */
export function ringStart(seed: number): number {
  return mixed(seed ^ 0x9e3779b9);
}

/**
 * Of equal nodes the one wins that follows first on the ring: spread without a random source, and
 * found without asking every equal node.
 */
export function tieBreak(ring: number, start: number): number {
  return (ring - start) >>> 0;
}

function mixed(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
