/**
 * Rules between guests: which counts of guests in a place a rule allows. How the counts are kept is
 * not said here: the plain loop counts anew, the table keeps counters.
 *
 * A node without the label of a topology is in the place "".
 */
import type { NodeRecord } from "../domain/node.js";
import type { Rejection } from "../domain/placement.js";
import { type GroupMember, type GroupRule, TOPOLOGY_NODE } from "../domain/placement-rules.js";

/** Counts of a rule's guests. The guest that is placed is never counted. */
export interface GroupCounts {
  /** In the place of the node. */
  inPlaceOf(rule: GroupRule, node: NodeRecord): number;
  /**
   * In the place that has fewest, of the places with a node that takes guests now; 0 when there is
   * none.
   */
  fewest(rule: GroupRule): number;
}

export interface AllowedCounts {
  readonly least: number;
  readonly most: number;
}

export interface PlacedMember extends GroupMember {
  readonly nodeId: string;
}

/** How many of the rule's guests a place may have already. */
export function allowedCounts(rule: GroupRule, fewest: number): AllowedCounts {
  if (rule.kind === "apart") return { least: 0, most: 0 };
  if (rule.kind === "near") return { least: 1, most: Number.POSITIVE_INFINITY };
  return { least: 0, most: fewest + rule.maxSkew - 1 };
}

export function placeOf(topology: string, { id, labels }: NodeRecord): string {
  if (topology === TOPOLOGY_NODE) return id;
  return Object.hasOwn(labels, topology) ? (labels[topology] as string) : "";
}

export function keepsRule(rule: GroupRule, node: NodeRecord, counts: GroupCounts): boolean {
  const { least, most } = allowedCounts(rule, counts.fewest(rule));
  const count = counts.inPlaceOf(rule, node);
  return count >= least && count <= most;
}

/** Soft rules that the node does not keep. */
export function violationsOn(
  rules: readonly GroupRule[],
  node: NodeRecord,
  counts: GroupCounts,
): number {
  return rules.filter((rule) => !rule.isHard && !keepsRule(rule, node, counts)).length;
}

export function groupRejections(
  rules: readonly GroupRule[],
  node: NodeRecord,
  counts: GroupCounts,
): Rejection[] {
  return rules
    .filter((rule) => rule.isHard && !keepsRule(rule, node, counts))
    .map((rule) => {
      const { most, least } = allowedCounts(rule, counts.fewest(rule));
      const have = counts.inPlaceOf(rule, node);
      const need = rule.kind === "near" ? least : most;
      return {
        nodeId: node.id,
        filter: rule.kind,
        message: brokenRule(rule, node, have),
        need,
        have,
      };
    });
}

/** As it is written: `app=web/rack`. */
export function toldRule({ guestLabel, topology }: GroupRule): string {
  return `${guestLabel.key}=${guestLabel.value}/${topology}`;
}

function brokenRule(rule: GroupRule, node: NodeRecord, have: number): string {
  const { key, value } = rule.guestLabel;
  const where =
    rule.topology === TOPOLOGY_NODE
      ? "there"
      : `in ${rule.topology} "${placeOf(rule.topology, node)}"`;
  const guests = have === 1 ? "guest" : "guests";
  if (rule.kind === "near") return `no guest with ${key}=${value} is ${where}`;
  return `${have} ${guests} with ${key}=${value} ${have === 1 ? "is" : "are"} ${where}`;
}

/** Counts anew: for the plain loop. */
export function countAnew(
  request: { readonly guestUid: string; readonly projectId: string },
  nodes: readonly NodeRecord[],
  members: readonly PlacedMember[],
): GroupCounts {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const count = ({ guestLabel, topology }: GroupRule, place: string): number =>
    members.filter(({ nodeId, projectId, guestUid, labels }) => {
      const node = byId.get(nodeId);
      if (node === undefined || placeOf(topology, node) !== place) return false;
      if (projectId !== request.projectId || guestUid === request.guestUid) return false;
      return Object.hasOwn(labels, guestLabel.key) && labels[guestLabel.key] === guestLabel.value;
    }).length;
  const open = nodes.filter((node) => node.state === "ready" && !node.isCordoned);
  return {
    inPlaceOf: (rule, node) => count(rule, placeOf(rule.topology, node)),
    fewest: (rule) => {
      const places = new Set(open.map((node) => placeOf(rule.topology, node)));
      return places.size === 0 ? 0 : Math.min(...[...places].map((place) => count(rule, place)));
    },
  };
}
