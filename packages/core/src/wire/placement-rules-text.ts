/**
 * Placement rules as people write them, on the wire and on the command line: `zone in (a,b)`,
 * `soft apart app=web by rack`.
 */
import { PlacementPolicy as ProtoPolicy } from "@innkeeper/proto/innkeeper/v1/placement_policy";
import { invalidField } from "../domain/errors.js";
import { parseLabels } from "../domain/names.js";
import type {
  GroupRule,
  GroupRuleKind,
  LabelOperator,
  LabelRequirement,
  PlacementPolicy,
  PlacementRules,
} from "../domain/placement-rules.js";
import { PLACEMENT_POLICY_TO_PROTO, parseEnum } from "./enums.js";

export interface PlacementRulesText {
  readonly where: readonly string[];
  readonly tolerations: readonly string[];
  readonly groups: readonly string[];
  readonly policy?: ProtoPolicy;
}

export const RULES_MAX = 16;
const VALUES_MAX = 64;
const SKEW_MAX = 1000;
const WHERE = /^(\S+) +(?:(in|notin) *\(([^()]*)\)|(exists)|(gt) +(-?\d{1,15}))$/;
const GROUP = /^(soft +)?(apart|near|spread) +([^\s=]+)=(\S*) +by +(\S+?)(?: +within +(\d{1,4}))?$/;

/** @throws `invalid` naming the first rule that is malformed, or that there are too many. */
export function parsePlacementRules(field: string, text: PlacementRulesText): PlacementRules {
  const policy = parsePolicy(`${field}.policy`, text.policy);
  return {
    ...(policy && { policy }),
    where: parseEach(`${field}.where`, text.where, parseRequirement),
    tolerations: parseEach(`${field}.tolerations`, text.tolerations, parseToleration),
    groups: parseEach(`${field}.groups`, text.groups, parseGroup),
  };
}

export function placementRulesText(rules: PlacementRules): {
  where: string[];
  tolerations: string[];
  groups: string[];
  policy: ProtoPolicy;
} {
  return {
    policy: policyToProto(rules.policy),
    where: rules.where.map(requirementText),
    tolerations: [...rules.tolerations],
    groups: rules.groups.map(groupText),
  };
}

/** Undefined when it is not set. @throws `invalid`. */
export function parsePolicy(
  field: string,
  proto = ProtoPolicy.UNSPECIFIED,
): PlacementPolicy | undefined {
  if (proto === ProtoPolicy.UNSPECIFIED) return undefined;
  return parseEnum(field, proto, PLACEMENT_POLICY_TO_PROTO);
}

export function policyToProto(policy: PlacementPolicy | undefined): ProtoPolicy {
  return policy === undefined ? ProtoPolicy.UNSPECIFIED : PLACEMENT_POLICY_TO_PROTO[policy];
}

function parseEach<T>(
  field: string,
  texts: readonly string[],
  parse: (field: string, text: string) => T,
): T[] {
  if (texts.length > RULES_MAX) {
    throw invalidField(field, `${texts.length} entries`, `at most ${RULES_MAX}`);
  }
  return texts.map((text, index) => parse(`${field}[${index}]`, text));
}

function parseRequirement(field: string, text: string): LabelRequirement {
  const found = WHERE.exec(text);
  if (found === null) {
    const forms = "KEY in (A,B), KEY notin (A,B), KEY exists, KEY gt NUMBER";
    throw invalidField(field, text, forms);
  }
  const [, key = "", set, list = "", exists, gt, bound = ""] = found;
  const operator = (set ?? exists ?? gt) as LabelOperator;
  const values = set === undefined ? [bound].filter((each) => each !== "") : list.split(",");
  const trimmed = values.map((value) => value.trim());
  if (trimmed.length > VALUES_MAX) throw invalidField(field, text, `at most ${VALUES_MAX} values`);
  parseLabels(field, { [key]: "" });
  if (set !== undefined) for (const value of trimmed) parseLabels(field, { [key]: value });
  return { key, operator, values: trimmed };
}

function parseToleration(field: string, text: string): string {
  const [name = "", value = ""] = text.split("=", 2);
  parseLabels(field, { [name]: value });
  return text;
}

function parseGroup(field: string, text: string): GroupRule {
  const found = GROUP.exec(text);
  const [, soft, kind, key = "", value = "", topology = "", within] = found ?? [];
  const isSpread = kind === "spread";
  const maxSkew = isSpread ? Number(within ?? 1) : 0;
  const isSkewFine = isSpread ? maxSkew >= 1 && maxSkew <= SKEW_MAX : within === undefined;
  if (found === null || !isSkewFine) {
    const forms = `[soft] apart|near|spread KEY=VALUE by LABEL, spread [within 1..${SKEW_MAX}]`;
    throw invalidField(field, text, forms);
  }
  parseLabels(field, { [key]: value });
  parseLabels(field, { [topology]: "" });
  const guestLabel = { key, value };
  const isHard = soft === undefined;
  return { kind: kind as GroupRuleKind, guestLabel, topology, maxSkew, isHard };
}

function requirementText({ key, operator, values }: LabelRequirement): string {
  if (operator === "exists") return `${key} exists`;
  return operator === "gt" ? `${key} gt ${values[0]}` : `${key} ${operator} (${values.join(",")})`;
}

function groupText({ kind, guestLabel, topology, maxSkew, isHard }: GroupRule): string {
  const { key, value } = guestLabel;
  const skew = kind === "spread" ? ` within ${maxSkew}` : "";
  return `${isHard ? "" : "soft "}${kind} ${key}=${value} by ${topology}${skew}`;
}
