import { describe, expect, it } from "vitest";
import type { ModeAbility } from "../domain/mode.js";
import { type GuestNeeds, NO_NEEDS } from "../domain/needs.js";
import { NO_RULES } from "../domain/placement-rules.js";
import { NO_RESOURCES } from "../domain/resources.js";
import type { TemplateChoice, TemplateMachine } from "../domain/template.js";
import { aNode } from "../testing/builders.js";
import { forEachSeed, type Prng } from "../testing/prng.js";
import type { PlacementRequest } from "./filters.js";
import { unmetNeeds } from "./needs.js";
import { place } from "./place.js";

const [BASE] = aNode().abilities as [ModeAbility];
const SLOW: ModeAbility = { ...BASE, mode: "hybrid", startMs: 1300 };
const FAST: ModeAbility = { ...BASE, mode: "paravirt", startMs: 60, canLiveMigrate: false };
const UNMEASURED: ModeAbility = { ...BASE, mode: "paravirt", startMs: undefined };
const CONTAINER: ModeAbility = { ...BASE, mode: "container", startMs: 150 };

describe("unmetNeeds", () => {
  it("has none for a guest that needs nothing", () => {
    for (const ability of [SLOW, FAST, UNMEASURED, CONTAINER]) {
      expect(unmetNeeds(NO_NEEDS, ability)).toEqual([]);
    }
  });

  it("compares start times with numbers, to the last millisecond", () => {
    expect(unmetNeeds({ ...NO_NEEDS, startWithinMs: 1300 }, SLOW)).toEqual([]);
    expect(unmetNeeds({ ...NO_NEEDS, startWithinMs: 1299 }, SLOW)).toEqual([
      {
        filter: "start-within",
        message: "hybrid starts in 1300 ms measured, needs at most 1299 ms",
        need: 1299,
        have: 1300,
      },
    ]);
  });

  it("trusts no mode that was not measured", () => {
    const [unmet] = unmetNeeds({ ...NO_NEEDS, startWithinMs: 3_600_000 }, UNMEASURED);
    expect(unmet?.message).toMatch(/no measured start time/);
  });

  it("names every need that is not met", () => {
    const needs = { liveMigration: true, ownKernel: true, startWithinMs: 1 };
    const unmet = unmetNeeds(needs, { ...CONTAINER, canLiveMigrate: false });
    expect(unmet.map((each) => each.filter)).toEqual([
      "own-kernel",
      "live-migration",
      "start-within",
    ]);
  });
});

describe("a placement with needs", () => {
  it("explains what was chosen with the measured time, and what the needs refused", () => {
    expect(messageFor({ ...NO_NEEDS, startWithinMs: 1000 }, [SLOW, FAST])).toMatch(
      /^paravirt .*; starts in 60 ms measured; hybrid refused by start-within: hybrid starts/,
    );
    expect(messageFor({ ...NO_NEEDS, liveMigration: true }, [SLOW, FAST])).toMatch(
      /^hybrid .*starts in 1300 ms measured; paravirt refused by live-migration/,
    );
  });

  it("says what it begins from, how fast that was measured, and where", () => {
    const needs = { ...NO_NEEDS, startWithinMs: 200 };
    const result = place(aRequest(needs, { machine: MACHINE }), withTemplate([SLOW, FAST]));
    expect(result.isPlaced && result.decision.message).toMatch(
      /^hybrid .* on n2: .*; starts in 120 ms measured, from a template on n2$/,
    );
  });

  it("says why a guest that asks for a quick start has to boot", () => {
    const needs = { ...NO_NEEDS, startWithinMs: 200 };
    const result = place(aRequest(needs, { why: "it is on a bridge" }), withTemplate([FAST]));
    expect(result.isPlaced && result.decision.message).toMatch(
      /starts in 60 ms measured; boots, from no template: it is on a bridge/,
    );
  });

  it("believes a template more than the figure of its mode", () => {
    const needs = { ...NO_NEEDS, startWithinMs: 100 };
    const nodes = withTemplate([{ ...SLOW, startMs: 60 }]);
    const on2 = { ...aRequest(needs, { machine: MACHINE }), nodeId: "n2" };
    const result = place(on2, nodes);
    expect(!result.isPlaced && result.rejections.at(-1)).toMatchObject({
      filter: "start-within",
      message: "hybrid starts in 120 ms measured, from a template, needs at most 100 ms",
    });
  });

  it("goes to a template though another node is emptier, and only of the same machine", () => {
    const needs = { ...NO_NEEDS, startWithinMs: 2000 };
    const inputs = withTemplate([SLOW], 900);
    const nodeOf = (machine: TemplateMachine): unknown => {
      const result = place(aRequest(needs, { machine }), inputs);
      return result.isPlaced && result.decision.nodeId;
    };
    expect(nodeOf(MACHINE)).toBe("n2");
    for (const other of [
      { imageDigest: "e" },
      { vcpuCount: 2 },
      { memoryMib: 512 },
      { diskMib: 1 },
      { dataDisks: [{ name: "a", sizeMib: 1 }] },
      { commandLine: "x" },
    ]) {
      expect(nodeOf({ ...MACHINE, ...other })).toBe("n1");
    }
  });

  it("rejects a node with the figures of each of its modes", () => {
    const needs = { ...NO_NEEDS, startWithinMs: 50 };
    const result = place(aRequest(needs), inputOf([SLOW, FAST]));
    expect(!result.isPlaced && result.rejections).toMatchObject([
      { nodeId: "n1", filter: "start-within", need: 50, have: 1300 },
      { nodeId: "n1", filter: "start-within", need: 50, have: 60 },
    ]);
  });

  it("never gives a guest a mode without what it needs, and finds one that has it", () => {
    forEachSeed(2000, (prng) => {
      const abilities = [SLOW, FAST, UNMEASURED].map((each) => randomly(prng, each));
      const needs = randomNeeds(prng);
      const result = place(aRequest(needs), inputOf(abilities));
      const isPossible = abilities.some((each) => unmetNeeds(needs, each).length === 0);
      expect(result.isPlaced).toBe(isPossible);
      if (!result.isPlaced) return;
      const { mode } = result.decision;
      const chosen = abilities.filter((each) => each.mode === mode);
      expect(chosen.some((each) => unmetNeeds(needs, each).length === 0)).toBe(true);
    });
  });
});

function messageFor(needs: GuestNeeds, abilities: readonly ModeAbility[]): string {
  const result = place(aRequest(needs), inputOf(abilities));
  return result.isPlaced ? result.decision.message : "not placed";
}

const MACHINE: TemplateMachine = {
  imageDigest: "d",
  vcpuCount: 1,
  memoryMib: 256,
  diskMib: 0,
  commandLine: "",
};

/** Two nodes, of which the second has a template for `hybrid`, and less room. */
function withTemplate(abilities: readonly ModeAbility[], taken = 0) {
  const template = { engine: BASE.engine, mode: "hybrid", ...MACHINE, startMs: 120 } as const;
  const nodes = [
    { node: aNode({ abilities: [...abilities] }), allocated: NO_RESOURCES },
    {
      node: aNode({ id: "n2", abilities: [...abilities], templates: [template] }),
      allocated: { ...NO_RESOURCES, memoryMib: taken },
    },
  ];
  return { revision: 1, seed: 1, policy: "spread", members: [], nodes } as const;
}

function inputOf(abilities: readonly ModeAbility[]) {
  const nodes = [{ node: aNode({ abilities: [...abilities] }), allocated: NO_RESOURCES }];
  return { revision: 1, seed: 1, policy: "spread", members: [], nodes } as const;
}

function aRequest(needs: GuestNeeds, template?: TemplateChoice): PlacementRequest {
  return {
    ...(template && { template }),
    guestUid: "g",
    projectId: "p",
    labels: {},
    rules: NO_RULES,
    resources: { cpuMillis: 1000, memoryMib: 256, diskMib: 0 },
    mode: "auto",
    imageKind: "linux",
    needs,
    nodeId: "",
    migratingFrom: undefined,
  };
}

function randomly(prng: Prng, ability: ModeAbility): ModeAbility {
  const startMs = prng.pick([undefined, 60, 1300]);
  return { ...ability, startMs, canLiveMigrate: prng.chance(0.5) };
}

function randomNeeds(prng: Prng): GuestNeeds {
  return {
    liveMigration: prng.chance(0.4),
    ownKernel: prng.chance(0.4),
    startWithinMs: prng.pick([undefined, 60, 1000, 2000]),
  };
}
