/** `--policy`: which of the nodes that fit is best. */
import { invalidField, PLACEMENT_POLICIES } from "@innkeeper/core";
import { PLACEMENT_POLICY_TO_PROTO } from "@innkeeper/core/wire";
import { PlacementPolicy } from "@innkeeper/proto/innkeeper/v1/placement_policy";

/** Not given = as the project says, or the cluster. */
export function parsePolicyOption(text: string | undefined): PlacementPolicy {
  if (text === undefined) return PlacementPolicy.UNSPECIFIED;
  const policy = PLACEMENT_POLICIES.find((each) => each === text);
  if (policy === undefined) throw invalidField("--policy", text, PLACEMENT_POLICIES.join(", "));
  return PLACEMENT_POLICY_TO_PROTO[policy];
}

export function policyText(proto: PlacementPolicy): string {
  return PLACEMENT_POLICIES.find((each) => PLACEMENT_POLICY_TO_PROTO[each] === proto) ?? "-";
}
