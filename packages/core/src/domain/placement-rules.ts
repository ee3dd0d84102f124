/**
 * What a guest's owner asks of the nodes it may run on: labels of the node, taints it endures, and
 * how it stands to other guests. Rules bind the guest that states them; hard ones always hold, soft
 * ones as long as some node can keep them.
 */
import type { Labels } from "./names.js";

export const LABEL_OPERATORS = ["in", "notin", "exists", "gt"] as const;
export type LabelOperator = (typeof LABEL_OPERATORS)[number];

/**
 * `in`: the label is one of the values. `notin`: it is none of them, or absent. `exists`: it is
 * there.
 * `gt`: it is an integer greater than the one value.
 */
export interface LabelRequirement {
  readonly key: string;
  readonly operator: LabelOperator;
  readonly values: readonly string[];
}

/**
 * `apart`: no such guest in the same place. `near`: at least one. `spread`: no place has more than
 * `maxSkew` such guests above the place that has fewest.
 */
export const GROUP_RULE_KINDS = ["apart", "near", "spread"] as const;
export type GroupRuleKind = (typeof GROUP_RULE_KINDS)[number];

export interface GroupRule {
  readonly kind: GroupRuleKind;
  /** Guests of the same project with this label. */
  readonly guestLabel: { readonly key: string; readonly value: string };
  /** Label of the nodes whose value is the place, or {@link TOPOLOGY_NODE}. */
  readonly topology: string;
  /** Of `spread`, at least 1; else 0. */
  readonly maxSkew: number;
  readonly isHard: boolean;
}

/** `spread`: the emptiest node. `pack`: the fullest. `balanced`: empty, and used evenly. */
export const PLACEMENT_POLICIES = ["spread", "pack", "balanced"] as const;
export type PlacementPolicy = (typeof PLACEMENT_POLICIES)[number];

export interface PlacementRules {
  /** All must hold. */
  readonly where: readonly LabelRequirement[];
  /** Names of taints, or name=value. */
  readonly tolerations: readonly string[];
  readonly groups: readonly GroupRule[];
  /** Undefined = as its project says, or those above it, or the cluster. */
  readonly policy?: PlacementPolicy;
}

export const NO_RULES: PlacementRules = { where: [], tolerations: [], groups: [] };

/** The topology in which each node is a place of its own. */
export const TOPOLOGY_NODE = "node";

/** A label `taint/NAME` keeps every guest away that does not tolerate NAME or NAME=VALUE. */
export const TAINT_PREFIX = "taint/";

/** A guest on a node, as rules of other guests see it. */
export interface GroupMember {
  readonly guestUid: string;
  readonly projectId: string;
  readonly labels: Labels;
}
