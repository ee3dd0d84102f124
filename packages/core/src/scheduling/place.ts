/**
 * Placement: a pure question. The same input gives the same decision (I8), and the decision
 * explains itself. This is the plain way to answer it, node by node, object by object: `Placer`
 * gives the same answers from its table and is tested against it.
 */
import { allocatable } from "../domain/node.js";
import {
  CANDIDATES_MAX,
  type PlacementDecision,
  REJECTIONS_MAX,
  type Rejection,
} from "../domain/placement.js";
import type { PlacementPolicy } from "../domain/placement-rules.js";
import { addResources, RESOURCE_KINDS } from "../domain/resources.js";
import {
  abilitiesIgnoringNeeds,
  type NodeView,
  type PlacementRequest,
  rejections,
  usableAbilities,
} from "./filters.js";
import {
  countAnew,
  type GroupCounts,
  groupRejections,
  type PlacedMember,
  violationsOn,
} from "./group-rules.js";
import { negotiationText } from "./needs.js";
import { type OfferedAbility, preferenceOf } from "./offers.js";
import { fitOf, ringPlace, ringStart, scoreOf, tieBreak } from "./scorers.js";

/** What a decision depends on besides the request and the nodes. */
export interface PlacementContext {
  /** Store revision of the snapshot. */
  readonly revision: number;
  /** Breaks ties between equal nodes. */
  readonly seed: number;
  readonly policy: PlacementPolicy;
}

export interface PlacementInput extends PlacementContext {
  readonly nodes: readonly NodeView[];
  /** Guests that are on nodes, for the rules between guests. */
  readonly members: readonly PlacedMember[];
}

export type PlacementResult =
  | { readonly isPlaced: true; readonly decision: PlacementDecision }
  | { readonly isPlaced: false; readonly rejections: readonly Rejection[] };

export interface Candidate {
  readonly view: NodeView;
  readonly ability: OfferedAbility;
  /** Soft rules that are not kept there: fewer is better, whatever the score. */
  readonly violations: number;
  /** How well it fits by the policy, 0 to 1. */
  readonly fit: number;
  readonly score: number;
  readonly tieBreak: number;
}

/**
 * What was found: `best` is the first of the candidates, of which there may be more than are
 * listed.
 */
export interface Finding {
  readonly candidates: readonly Candidate[];
  /** Undefined = they were not counted. */
  readonly candidateCount: number | undefined;
  readonly rejected: readonly Rejection[];
}

export function place(request: PlacementRequest, input: PlacementInput): PlacementResult {
  const rejected: Rejection[] = [];
  const candidates: Candidate[] = [];
  const nodes = input.nodes.map(({ node }) => node);
  const asked = { request, counts: countAnew(request, nodes, input.members) };
  for (const view of input.nodes) {
    const reasons = allRejections(asked, view);
    if (reasons.length > 0) rejected.push(...reasons);
    else candidates.push(candidateOn(view, asked, input));
  }
  candidates.sort(byScore);
  const finding = { candidates, candidateCount: candidates.length, rejected };
  return resultOf(finding, request, input);
}

/** A request with the counts that its rules look at. */
export interface AskedRequest {
  readonly request: PlacementRequest;
  readonly counts: GroupCounts;
}

/** Every reason why the node cannot take the guest, rules between guests included. */
export function allRejections({ request, counts }: AskedRequest, view: NodeView): Rejection[] {
  return [
    ...rejections(request, view),
    ...groupRejections(request.rules.groups, view.node, counts),
  ];
}

/** The node as a candidate. It must be able to take the guest. */
export function candidateOn(
  view: NodeView,
  { request, counts }: AskedRequest,
  { policy, seed }: PlacementContext,
): Candidate {
  const ability = usableAbilities(request, view.node)[0] as OfferedAbility;
  const { low, high } = freeSharesAfter(request, view);
  const fit = fitOf(policy, low, high);
  const score = scoreOf(fit, preferenceOf(ability));
  const violations = violationsOn(request.rules.groups, view.node, counts);
  return {
    view,
    ability,
    violations,
    fit,
    score,
    tieBreak: tieBreak(ringPlace(view.node.id), ringStart(seed)),
  };
}

export function resultOf(
  finding: Finding,
  request: PlacementRequest,
  context: PlacementContext,
): PlacementResult {
  const { candidates } = finding;
  const [best] = candidates;
  const rejected = finding.rejected.slice(0, REJECTIONS_MAX);
  if (best === undefined) return { isPlaced: false, rejections: rejected };
  const decision = {
    nodeId: best.view.node.id,
    engine: best.ability.engine,
    mode: best.ability.mode,
    revision: context.revision,
    seed: context.seed,
    policy: context.policy,
    message: explain(request, best, finding.candidateCount) + policyText(context.policy),
    candidates: candidates.slice(0, CANDIDATES_MAX).map(({ view, ability, score }) => ({
      nodeId: view.node.id,
      mode: ability.mode,
      score: Math.round(score * 10_000) / 10_000,
    })),
    rejections: rejected,
  };
  return { isPlaced: true, decision };
}

/** Shares of the scarcest and of the most plentiful resource that would still be free. */
function freeSharesAfter(
  request: PlacementRequest,
  { node, allocated }: NodeView,
): { low: number; high: number } {
  const total = allocatable(node);
  const taken = addResources(allocated, request.resources);
  const shares = RESOURCE_KINDS.filter((kind) => total[kind] > 0).map(
    (kind) => (total[kind] - taken[kind]) / total[kind],
  );
  if (shares.length === 0) return { low: 0, high: 0 };
  return { low: Math.min(...shares), high: Math.max(...shares) };
}

function explain(request: PlacementRequest, best: Candidate, candidateCount?: number): string {
  const node = best.view.node.id;
  const why = request.mode === "auto" ? "least emulation offered" : "as asked";
  const others = abilitiesIgnoringNeeds(request, best.view.node).filter(
    (each) => each.mode !== best.ability.mode,
  );
  const start = { nodeId: node, template: request.template };
  const negotiated = negotiationText(request.needs, best.ability, { others, ...start });
  const said = negotiated === "" ? "" : `; ${negotiated}`;
  const percent = Math.round(freeSharesAfter(request, best.view).low * 100);
  const free = `${percent} % of its scarcest resource stays free`;
  const isOnly = candidateCount === 1;
  const rank = isOnly ? "the only node that fits" : `best of ${candidateCount ?? "all"} that fit`;
  return `${best.ability.mode} (${why}) on ${node}: ${rank}, ${free}${said}`;
}

function policyText(policy: PlacementPolicy): string {
  return policy === "spread" ? "" : `; by policy ${policy}`;
}

function byScore(a: Candidate, b: Candidate): number {
  if (a.violations !== b.violations) return a.violations - b.violations;
  return b.score - a.score || a.tieBreak - b.tieBreak || (a.view.node.id < b.view.node.id ? -1 : 1);
}
