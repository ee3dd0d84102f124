/**
 * Placement: the decision "guest G on node N in mode M" with its reasons, and the reasons when
 * nothing fits.
 */
import type { EngineName, Mode } from "./mode.js";
import type { PlacementPolicy } from "./placement-rules.js";

/**
 * What kept one node from taking the guest. `need` and `have` are set where the filter compares
 * numbers.
 */
export interface Rejection {
  readonly nodeId: string;
  readonly filter: PlacementFilter;
  readonly message: string;
  readonly need: number | undefined;
  readonly have: number | undefined;
}

export const PLACEMENT_FILTERS = [
  "readiness",
  "cordon",
  "node",
  "mode",
  "own-kernel",
  "live-migration",
  "start-within",
  "cpuMillis",
  "memoryMib",
  "diskMib",
  "port",
  "bridge",
  "labels",
  "taints",
  "apart",
  "near",
  "spread",
] as const;
export type PlacementFilter = (typeof PLACEMENT_FILTERS)[number];

export interface ScoredCandidate {
  readonly nodeId: string;
  readonly mode: Mode;
  /** 0 (worst) to 1 (best). */
  readonly score: number;
}

/** Stored with the guest: enough to explain and to repeat the decision. */
export interface PlacementDecision {
  readonly nodeId: string;
  readonly engine: EngineName;
  readonly mode: Mode;
  /** Store revision of the snapshot it was made from. */
  readonly revision: number;
  readonly seed: number;
  /** Nodes that were ready by their records, but had not been heard. */
  readonly unheardNodeIds?: readonly string[];
  /** Undefined = `spread`, as in all decisions of old. */
  readonly policy?: PlacementPolicy;
  /** One sentence for people: why there, why this way. */
  readonly message: string;
  /** The best candidates, best first, at most {@link CANDIDATES_MAX}. */
  readonly candidates: readonly ScoredCandidate[];
  readonly rejections: readonly Rejection[];
}

export const CANDIDATES_MAX = 5;
/** Rejections kept with a decision; the rest is only counted in its message. */
export const REJECTIONS_MAX = 50;
