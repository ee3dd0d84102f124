/**
 * What one seed decides before anything runs: topology, load, and which faults happen how often.
 */
import type { Resources } from "@innkeeper/core";
import { Prng } from "@innkeeper/core/testing";
import type { NetworkRates } from "./network.js";

export const NODE_IDS = ["n1", "n2", "n3"] as const;
/** `crew` stands below `team`, whose quota counts for both. */
export const PROJECT_IDS = ["default", "team", "crew"] as const;

export interface Scenario {
  readonly seed: number;
  readonly controllerIds: readonly string[];
  readonly capacity: ReadonlyMap<string, Resources>;
  /** How long faults happen and commands come. */
  readonly busyMs: number;
  readonly commandEveryMs: number;
  readonly network: NetworkRates;
  /** Mean time between faults of each kind; undefined = this kind never happens. */
  readonly faults: Readonly<Record<FaultKind, number | undefined>>;
  /** How long a commit takes to reach the controllers' mirrors. */
  readonly mirrorLagMs: number;
  readonly launchFailsChance: number;
  readonly migrationFailsChance: number;
  readonly resizeFailsChance: number;
  readonly endsItselfChance: number;
  readonly ignoresShutdownChance: number;
}

export const FAULT_KINDS = [
  "controllerCrash",
  "agentCrash",
  "partition",
  "guestDeath",
  "clockJump",
  "leaseLoss",
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Each kind of trouble is absent from some runs, so that others are seen alone. */
const PRESENT_CHANCE = 0.6;

export function drawScenario(seed: number): Scenario {
  const prng = new Prng(seed);
  const sometimes = (most: number): number =>
    prng.chance(PRESENT_CHANCE) ? prng.fraction() * most : 0;
  const every = (): number | undefined =>
    prng.chance(PRESENT_CHANCE) ? prng.integer(3_000, 20_000) : undefined;
  const delayMsMin = prng.integer(0, 5);
  return {
    seed,
    controllerIds: prng.chance(0.5) ? ["c1"] : ["c1", "c2"],
    capacity: new Map(NODE_IDS.map((id) => [id, drawCapacity(prng)])),
    busyMs: prng.integer(15_000, 45_000),
    commandEveryMs: prng.integer(50, 800),
    network: {
      lossChance: sometimes(0.1),
      duplicateChance: sometimes(0.1),
      delayMsMin,
      delayMsMax: delayMsMin + prng.pick([0, 5, 50, 400]),
    },
    faults: {
      controllerCrash: every(),
      agentCrash: every(),
      partition: every(),
      guestDeath: every(),
      clockJump: every(),
      leaseLoss: every(),
    },
    mirrorLagMs: prng.pick([0, 0, 5, 100, 1_000]),
    launchFailsChance: sometimes(0.3),
    migrationFailsChance: sometimes(0.5),
    endsItselfChance: sometimes(0.5),
    ignoresShutdownChance: sometimes(0.5),
    resizeFailsChance: sometimes(0.5),
  };
}

function drawCapacity(prng: Prng): Resources {
  return {
    cpuMillis: 1000 * prng.integer(2, 6),
    memoryMib: 256 * prng.integer(3, 8),
    diskMib: 10_240,
  };
}
