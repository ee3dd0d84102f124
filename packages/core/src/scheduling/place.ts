/**
 * Placement: a pure question. The same input gives the same decision (I8), and the decision
 * explains itself. Scores favour the node that stays emptiest (spread), then the mode with the
 * least emulation.
 */
import type { ModeAbility } from "../domain/mode.js";
import { allocatable } from "../domain/node.js";
import {
  CANDIDATES_MAX,
  type PlacementDecision,
  REJECTIONS_MAX,
  type Rejection,
} from "../domain/placement.js";
import { addResources, RESOURCE_KINDS } from "../domain/resources.js";
import {
  MODE_PREFERENCE,
  type NodeView,
  type PlacementRequest,
  rejections,
  usableAbilities,
} from "./filters.js";

export interface PlacementInput {
  /** Store revision of the snapshot. */
  readonly revision: number;
  /** Breaks ties between equal nodes. */
  readonly seed: number;
  readonly nodes: readonly NodeView[];
}

export type PlacementResult =
  | { readonly isPlaced: true; readonly decision: PlacementDecision }
  | { readonly isPlaced: false; readonly rejections: readonly Rejection[] };

const FIT_WEIGHT = 0.8;
const MODE_WEIGHT = 0.2;

interface Candidate {
  readonly view: NodeView;
  readonly ability: ModeAbility;
  readonly score: number;
  readonly tieBreak: number;
}

export function place(request: PlacementRequest, input: PlacementInput): PlacementResult {
  const rejected: Rejection[] = [];
  const candidates: Candidate[] = [];
  for (const view of input.nodes) {
    const reasons = rejections(request, view);
    if (reasons.length > 0) rejected.push(...reasons);
    else candidates.push(bestOn(request, view, input.seed));
  }
  candidates.sort(byScore);
  const best = candidates[0];
  if (best === undefined) return { isPlaced: false, rejections: rejected.slice(0, REJECTIONS_MAX) };
  return { isPlaced: true, decision: decide(request, { best, candidates, rejected, input }) };
}

function bestOn(request: PlacementRequest, view: NodeView, seed: number): Candidate {
  const ability = usableAbilities(request, view.node)[0] as ModeAbility;
  const score =
    FIT_WEIGHT * freeShareAfter(request, view) + MODE_WEIGHT * MODE_PREFERENCE[ability.mode];
  return { view, ability, score, tieBreak: tieBreak(view.node.id, seed) };
}

/** Share of the scarcest resource that would still be free, 0 to 1. */
function freeShareAfter(request: PlacementRequest, { node, allocated }: NodeView): number {
  const total = allocatable(node);
  const taken = addResources(allocated, request.resources);
  const shares = RESOURCE_KINDS.filter((kind) => total[kind] > 0).map(
    (kind) => (total[kind] - taken[kind]) / total[kind],
  );
  return shares.length === 0 ? 0 : Math.min(...shares);
}

function decide(
  request: PlacementRequest,
  found: { best: Candidate; candidates: Candidate[]; rejected: Rejection[]; input: PlacementInput },
): PlacementDecision {
  const { best, candidates, rejected, input } = found;
  return {
    nodeId: best.view.node.id,
    engine: best.ability.engine,
    mode: best.ability.mode,
    revision: input.revision,
    seed: input.seed,
    message: explain(request, found),
    candidates: candidates.slice(0, CANDIDATES_MAX).map(({ view, ability, score }) => ({
      nodeId: view.node.id,
      mode: ability.mode,
      score: Math.round(score * 10_000) / 10_000,
    })),
    rejections: rejected.slice(0, REJECTIONS_MAX),
  };
}

function explain(
  request: PlacementRequest,
  { best, candidates }: { best: Candidate; candidates: Candidate[] },
): string {
  const node = best.view.node.id;
  const why = request.mode === "auto" ? "least emulation offered" : "as asked";
  const percent = Math.round(freeShareAfter(request, best.view) * 100);
  const free = `${percent} % of its scarcest resource stays free`;
  const others = candidates.length - 1;
  const rank = others === 0 ? "the only node that fits" : `best of ${candidates.length} that fit`;
  return `${best.ability.mode} (${why}) on ${node}: ${rank}, ${free}`;
}

function byScore(a: Candidate, b: Candidate): number {
  return b.score - a.score || a.tieBreak - b.tieBreak || (a.view.node.id < b.view.node.id ? -1 : 1);
}

/** FNV-1a over the node id, mixed with the seed: spreads equal nodes without a random source. */
function tieBreak(nodeId: string, seed: number): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let index = 0; index < nodeId.length; index += 1) {
    hash = Math.imul(hash ^ nodeId.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 12)) >>> 0;
}
