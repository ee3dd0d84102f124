/** Filters over what a node is labelled with: label expressions and taints. */
import type { Labels } from "../domain/names.js";
import type { NodeRecord } from "../domain/node.js";
import type { Rejection } from "../domain/placement.js";
import {
  type LabelRequirement,
  type PlacementRules,
  TAINT_PREFIX,
} from "../domain/placement-rules.js";

const INTEGER = /^-?\d{1,15}$/;

export function meets({ key, operator, values }: LabelRequirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case "in":
      return value !== undefined && values.includes(value);
    case "notin":
      return value === undefined || !values.includes(value);
    case "exists":
      return value !== undefined;
    case "gt":
      return value !== undefined && INTEGER.test(value) && Number(value) > Number(values[0]);
  }
}

/** Taints of the node that the guest does not tolerate, as `name` or `name=value`. */
export function untolerated(tolerations: readonly string[], labels: Labels): string[] {
  return Object.entries(labels)
    .filter(([key]) => key.startsWith(TAINT_PREFIX))
    .map(([key, value]) => ({ name: key.slice(TAINT_PREFIX.length), value }))
    .filter(
      ({ name, value }) => ![name, `${name}=${value}`].some((one) => tolerations.includes(one)),
    )
    .map(({ name, value }) => (value === "" ? name : `${name}=${value}`));
}

export function areLabelsWanted(rules: PlacementRules, labels: Labels): boolean {
  return (
    rules.where.every((each) => meets(each, labels)) &&
    untolerated(rules.tolerations, labels).length === 0
  );
}

export function labelRejections(rules: PlacementRules, { id, labels }: NodeRecord): Rejection[] {
  const unmet = rules.where
    .filter((each) => !meets(each, labels))
    .map((each) => ({
      filter: "labels" as const,
      message: `${told(each)} is not met${had(each, labels)}`,
    }));
  const tainted = untolerated(rules.tolerations, labels).map((taint) => ({
    filter: "taints" as const,
    message: `the guest does not tolerate ${taint}`,
  }));
  return [...unmet, ...tainted].map((found) => ({
    nodeId: id,
    ...found,
    need: undefined,
    have: undefined,
  }));
}

/** As it is written: `zone in (a,b)`. */
export function told({ key, operator, values }: LabelRequirement): string {
  if (operator === "exists") return `${key} exists`;
  return operator === "gt" ? `${key} gt ${values[0]}` : `${key} ${operator} (${values.join(",")})`;
}

function had({ key }: LabelRequirement, labels: Labels): string {
  return Object.hasOwn(labels, key) ? `: it is "${labels[key]}"` : ": the node has no such label";
}
