/**
 * Placement decisions on one core: the table with its tournaments against a plain loop over
 * objects, on the same cluster in its steady state. Time is the CPU time of this process, because
 * other work may share the machine; the latency of one decision is time on the clock.
 *
 * Every decision of the plain loop is compared with the table's: one that differs fails the
 * benchmark.
 */
import { compareCosts, costOf, type VictimCost } from "@innkeeper/core";
import {
  type Decision,
  type Guest,
  NOWHERE,
  SCENARIOS,
  type Scenario,
  SimulatedCluster,
  type Turn,
} from "./placement-cluster.js";
import { PlainLoop } from "./placement-plain.js";
import { againstBaseline, type Bench, type BenchResult } from "./report.js";
import { median, quantile, rounded } from "./statistics.js";

const SIZES = [100, 1000, 10_000, 50_000];
const ROUNDS = 5;
const DECISIONS_PER_ROUND = 40_000;
/** Each looks at all nodes: thousands of times slower. */
const PREEMPTIONS_PER_ROUND = 800;
/** Requests are drawn in so small lots that they are at hand when they are decided, as in life. */
const DECISIONS_PER_LOT = 800;
const DECISIONS_TIMED = 20_000;
const BASELINE_CPU_MS = 500;
const BASELINE_DECISIONS_MAX = 5000;

export const placement: Bench = {
  name: "placement",
  about: "decisions per second of CPU at 20 guests per node, against a loop over objects",
  async run(say) {
    const only = /^--only=(\w+)$/.exec(process.argv[3] ?? "")?.[1];
    const scenarios = SCENARIOS.filter((each) => only === undefined || each === only);
    return await Promise.resolve(
      scenarios.flatMap((scenario) => SIZES.flatMap((nodes) => measure(scenario, nodes, say))),
    );
  },
};

function measure(
  scenario: Scenario,
  nodes: number,
  say: (line: string) => void,
): readonly BenchResult[] {
  const name = `${scenario}@${nodes}`;
  say(`${name}: fills the cluster`);
  const cluster = new SimulatedCluster(nodes, scenario);
  runRound(cluster);
  const rates = Array.from({ length: ROUNDS }, () => runRound(cluster));
  const latenciesUs = cluster
    .draw(cluster.preempts ? PREEMPTIONS_PER_ROUND : DECISIONS_TIMED)
    .flatMap((gang) => timedUs(cluster, gang));
  const rssMib = rounded(process.memoryUsage.rss() / 2 ** 20, 0);
  const baseline = runBaseline(cluster);
  say(`${name}: ${Math.round(cluster.placedShare * 1000) / 10} % of the guests are placed`);
  return [
    againstBaseline({ name, value: Math.round(median(rates)), unit: "decisions/s", baseline }),
    { name: `${name}:p50`, value: rounded(quantile(latenciesUs, 0.5), 2), unit: "µs" },
    { name: `${name}:p99`, value: rounded(quantile(latenciesUs, 0.99), 2), unit: "µs" },
    { name: `${name}:rss`, value: rssMib, unit: "MiB" },
  ];
}

/** A guest leaves, another comes, is decided and put: all of it counts; drawing them does not. */
function runRound(cluster: SimulatedCluster): number {
  let spentMs = 0;
  const decisions = cluster.preempts ? PREEMPTIONS_PER_ROUND : DECISIONS_PER_ROUND;
  for (let done = 0; done < decisions; done += DECISIONS_PER_LOT) {
    const turns = cluster.draw(DECISIONS_PER_LOT);
    const startedMs = cpuMs();
    for (const gang of turns) {
      for (const turn of gang) cluster.leave(turn);
      cluster.come(gang);
    }
    spentMs += cpuMs() - startedMs;
  }
  return (decisions * 1000) / spentMs;
}

/** Of each decision of the gang. */
function timedUs(cluster: SimulatedCluster, gang: readonly Turn[]): number[] {
  for (const turn of gang) cluster.leave(turn);
  return gang.map(({ guest, decision }) => {
    const startedMs = performance.now();
    const slot = cluster.choose(decision);
    const preemption = slot === NOWHERE && cluster.preempts ? cluster.preempt(decision) : undefined;
    const tookUs = (performance.now() - startedMs) * 1000;
    if (preemption === undefined) cluster.settle(guest, slot);
    else cluster.evict(guest, preemption);
    return tookUs;
  });
}

/** Decisions per second of the plain loop; each is checked. */
function runBaseline(cluster: SimulatedCluster): number {
  const plain = new PlainLoop(cluster);
  let [count, spentMs] = [0, 0];
  for (const gang of cluster.draw(BASELINE_DECISIONS_MAX)) {
    if (spentMs > BASELINE_CPU_MS) break;
    for (const turn of gang) cluster.leave(turn);
    for (const turn of gang) {
      spentMs += decideAlike(cluster, plain, turn);
      count += 1;
    }
  }
  return rounded((count * 1000) / spentMs);
}

/** @returns what the plain loop took, in ms of CPU */
function decideAlike(cluster: SimulatedCluster, plain: PlainLoop, turn: Turn): number {
  const { guest, decision } = turn;
  const startedMs = cpuMs();
  const slot = plain.choose(decision);
  const forced = slot === NOWHERE && cluster.preempts ? plain.preempt(decision) : undefined;
  const tookMs = cpuMs() - startedMs;
  if (slot !== cluster.choose(decision)) throw new Error("the table and the plain loop differ");
  if (forced === undefined) cluster.settle(guest, slot);
  else evictAlike(cluster, guest, { decision, forced });
  return tookMs;
}

/** Fails the benchmark unless the table finds victims that cost the same, at the same node. */
function evictAlike(
  cluster: SimulatedCluster,
  guest: Guest,
  { decision, forced }: { decision: Decision; forced: { slot: number; cost: VictimCost } },
): void {
  const found = cluster.preempt(decision);
  const isSame =
    found?.slot === forced.slot && compareCosts(costOf(found.victims), forced.cost) === 0;
  if (!isSame) throw new Error("the table and the plain loop make others leave");
  cluster.evict(guest, found);
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
