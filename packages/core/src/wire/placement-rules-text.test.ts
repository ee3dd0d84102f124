import { PlacementPolicy } from "@innkeeper/proto/innkeeper/v1/placement_policy";
import { describe, expect, it } from "vitest";
import { parsePlacementRules, placementRulesText } from "./placement-rules-text.js";

const NONE = { where: [], tolerations: [], groups: [], policy: PlacementPolicy.UNSPECIFIED };
const GOOD = {
  where: ["zone in (a,b)", "zone notin (c)", "ssd exists", "generation gt -2"],
  tolerations: ["gpu", "dedicated=batch"],
  groups: [
    "apart app=web by node",
    "soft near app=db by example.com/rack",
    "spread app=web by rack within 2",
  ],
  policy: PlacementPolicy.PACK,
};

describe("placement rules as text", () => {
  it("are shown as they were written", () => {
    expect(placementRulesText(parsePlacementRules("rules", GOOD))).toEqual(GOOD);
  });

  it("are read with any number of blanks, and a skew of 1 unless it is said", () => {
    const loose = {
      ...NONE,
      where: ["zone  in(a, b)"],
      groups: ["soft  spread app=web  by rack"],
    };
    expect(placementRulesText(parsePlacementRules("rules", loose))).toEqual({
      ...NONE,
      where: ["zone in (a,b)"],
      groups: ["soft spread app=web by rack within 1"],
    });
  });

  it.each([
    ["where", ["", "zone", "zone in", "zone in (a b)", "zone is (a)", "a b exists", "n gt x"]],
    ["tolerations", ["", "a b", "=x", "a=b c"]],
    ["groups", ["", "apart app by rack", "apart app=web", "apart app=web by rack within 1"]],
    ["groups", ["spread app=web by rack within 0", "far app=web by rack", "near a b=c by rack"]],
  ] as const)("name the bad one of %s", (kind, texts) => {
    for (const text of texts) {
      const field = `rules.${kind}[1]`;
      const rules = { ...NONE, [kind]: [GOOD[kind][0] as string, text] };
      expect(() => parsePlacementRules("rules", rules), text).toThrow(field);
    }
  });

  it("are at most 16 of each kind", () => {
    const where = new Array<string>(17).fill("ssd exists");
    expect(() => parsePlacementRules("rules", { ...NONE, where })).toThrow("at most 16");
  });
});
