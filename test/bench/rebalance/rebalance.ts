/**
 * Plans of a rebalance: on 20 nodes with 212 equal guests against Ganeti's `hbal`, in moves and
 * time; on 1,000 nodes with 10,000 unequal guests against a plain loop that moves from the fullest
 * to the emptiest node.
 */
import { planRebalance, type RebalancePlan } from "@innkeeper/core";
import { againstBaseline, type Bench, type BenchResult } from "../report.js";
import { median, rounded } from "../statistics.js";
import { type Case, caseOf, equalGuests, unequalGuests } from "./case.js";
import { runHbal } from "./hbal.js";
import { movePlainly } from "./plain.js";

const ROUNDS = 5;
const OPTIONS = { movesMax: 100_000, gainMin: 1e-4, seed: 1 };
const LARGE = { nodes: 1000, guests: 10_000 };

export const rebalance: Bench = {
  name: "rebalance",
  about: "plans for 20 nodes against hbal, and for 1,000 nodes against a plain loop",
  run: (say) => Promise.resolve([...small(say), ...large(say)]),
};

interface Planned {
  readonly ms: number;
  readonly plan: RebalancePlan;
}

function planned({ placer, guests }: Case): Planned {
  const times: number[] = [];
  let plan: RebalancePlan = { imbalance: 0, moves: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    const startedMs = performance.now();
    plan = planRebalance(placer, guests, OPTIONS);
    times.push(performance.now() - startedMs);
  }
  return { ms: median(times), plan };
}

function small(say: (line: string) => void): BenchResult[] {
  const { ms, plan } = planned(caseOf(20, equalGuests()));
  const hbal = runHbal();
  if (hbal === undefined)
    say("hbal is not installed (Debian: ganeti-htools): no peer to compare with");
  const moves = { name: "moves:20x212", value: plan.moves.length, unit: "moves" };
  const time = { name: "plan-ms:20x212", value: rounded(ms), unit: "ms" };
  if (hbal === undefined) return [moves, time];
  return [
    againstBaseline({ ...moves, baseline: hbal.moves }),
    againstBaseline({ ...time, baseline: rounded(hbal.ms) }),
  ];
}

function large(say: (line: string) => void): BenchResult[] {
  const guests = unequalGuests(LARGE.nodes, LARGE.guests);
  const { ms, plan } = planned(caseOf(LARGE.nodes, guests));
  const after = plan.moves.at(-1)?.imbalance ?? plan.imbalance;
  const plain = movePlainly(LARGE.nodes, guests);
  say(`imbalance before: ${percent(plan.imbalance)} %`);
  const of = (name: string, unit: string, pair: { value: number; baseline: number }) =>
    againstBaseline({ name: `${name}:1000x10000`, unit, ...pair });
  return [
    of("plan-ms", "ms", { value: rounded(ms), baseline: rounded(plain.ms) }),
    of("moves", "moves", { value: plan.moves.length, baseline: plain.moves }),
    of("moves-to-same-balance", "moves", {
      value: movesUntil(plan, plain.imbalance),
      baseline: plain.moves,
    }),
    of("imbalance-after", "%", { value: percent(after), baseline: percent(plain.imbalance) }),
  ];
}

function movesUntil({ moves }: RebalancePlan, imbalance: number): number {
  return 1 + moves.findIndex((move) => move.imbalance <= imbalance);
}

function percent(share: number): number {
  return Math.round(share * 1_000_000) / 10_000;
}
