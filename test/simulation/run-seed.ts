/**
 * Runs one seed from an empty cluster to its end: a busy time with faults, then a quiet one in
 * which all must become well.
 */

import { type Guest, kindOf } from "@innkeeper/core";
import { type Checker, Violation } from "./checkers/checker.js";
import { CONVERGES_WITHIN_MS, whatDiffers } from "./checkers/convergence.js";
import { durableMutations } from "./checkers/durable-mutations.js";
import { evictions } from "./checkers/evictions.js";
import { fencing } from "./checkers/fencing.js";
import { heldPorts } from "./checkers/held-ports.js";
import { nodeCapacity } from "./checkers/node-capacity.js";
import { oneRunningCopy } from "./checkers/one-running-copy.js";
import { ownedCopies } from "./checkers/owned-copies.js";
import { projectUsage } from "./checkers/project-usage.js";
import { truthfulOperations } from "./checkers/truthful-operations.js";
import { Cluster, type ClusterOptions } from "./cluster.js";
import { Faults } from "./faults.js";
import type { ObservedCommit } from "./records.js";
import { drawScenario } from "./scenario.js";
import { Workload } from "./workload.js";

export interface SeedResult {
  readonly seed: number;
  readonly hash: string;
  readonly eventCount: number;
  readonly virtualMs: number;
  /** What went wrong, if anything did. */
  readonly failure: Error | undefined;
}

/** The one command that repeats a run. */
export function repeatCommand(seed: number): string {
  return `npm run sim -- --seed ${seed} --trace`;
}

export async function runSeed(seed: number, options: ClusterOptions = {}): Promise<SeedResult> {
  const cluster = new Cluster(drawScenario(seed), options);
  const watch = new CrashWatch();
  let failure: Error | undefined;
  try {
    await runToTheEnd(cluster, watch);
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error));
  } finally {
    watch.stop();
  }
  const virtualMs = cluster.clock.monotonicMs();
  if (failure !== undefined) cluster.trace.add(failure.message);
  const { eventCount } = cluster.trace;
  return { seed, hash: cluster.trace.digest(), eventCount, virtualMs, failure };
}

async function runToTheEnd(cluster: Cluster, watch: CrashWatch): Promise<void> {
  const durable = durableMutations(cluster);
  const checkers: readonly Checker[] = [
    oneRunningCopy(cluster),
    nodeCapacity(cluster),
    heldPorts(cluster),
    projectUsage(cluster),
    evictions(cluster),
    ownedCopies(cluster),
    fencing(cluster),
    durable,
    truthfulOperations(cluster),
  ];
  const check = (): void => {
    watch.check();
    cluster.records.follow((commit) => {
      cluster.trace.add(describeCommit(commit));
      for (const checker of checkers) checker.onCommit?.(commit);
    });
    for (const checker of checkers) checker.onEvent?.();
  };
  const workload = new Workload(cluster, (ack) => {
    watch.guard(() => {
      check();
      durable.acknowledged(ack);
    });
  });
  const faults = new Faults(cluster);
  await cluster.start();
  workload.start();
  faults.start();
  const isBusyOver = endsAfter(cluster, cluster.scenario.busyMs, check);
  await cluster.clock.runUntil(isBusyOver, 2 * cluster.scenario.busyMs);
  faults.stop();
  workload.stop();
  cluster.stopFaults();
  await converge(cluster, check);
}

function describeCommit({ revision, changes }: ObservedCommit): string {
  const said = changes.map(({ key, value }) => {
    if (value === undefined) return `${key} gone`;
    if (kindOf(key) === "guest") return `${key} ${describeGuest(value as Guest)}`;
    return "state" in value ? `${key} ${value.state}` : key;
  });
  return `commit ${revision}: ${said.join(", ")}`;
}

function describeGuest({ intent, generation, spec, status }: Guest): string {
  const { phase, placement, migration, observedGeneration } = status;
  const where = placement ? `${placement.nodeId}.${placement.epoch}` : "nowhere";
  const moving = migration ? ` ${migration.step} to ${migration.target.nodeId}` : "";
  const counts = `intent ${intent} generation ${observedGeneration}/${generation}`;
  return `${phase} (wanted ${spec.desired}) ${where}${moving} ${counts}`;
}

/** A condition that holds once the time is over, and checks at every event until then. */
function endsAfter(cluster: Cluster, durationMs: number, check: () => void): () => boolean {
  const endMs = cluster.clock.monotonicMs() + durationMs;
  cluster.clock.schedule(durationMs, () => undefined);
  return () => {
    check();
    return cluster.clock.monotonicMs() >= endMs;
  };
}

/** I7: all is as wanted in time, and stays so. */
async function converge(cluster: Cluster, check: () => void): Promise<void> {
  const isTimeOver = endsAfter(cluster, CONVERGES_WITHIN_MS, check);
  let differences: readonly string[] = [];
  let isWell = false;
  await cluster.clock.runUntil(() => {
    const isOver = isTimeOver();
    differences = whatDiffers(cluster);
    isWell = differences.length === 0;
    return isOver || isWell;
  }, 2 * CONVERGES_WITHIN_MS);
  if (isWell) return;
  const seconds = CONVERGES_WITHIN_MS / 1000;
  throw new Violation("I7", `${seconds} s after the last fault: ${differences.join("; ")}`);
}

/** Whatever ends a real process with a stack trace fails the run. */
class CrashWatch {
  #crash: Error | undefined;
  readonly #note = (error: unknown): void => {
    this.#crash ??= error instanceof Error ? error : new Error(String(error));
  };

  constructor() {
    process.on("uncaughtException", this.#note);
    process.on("unhandledRejection", this.#note);
  }

  /** Keeps what is thrown for the next `check`: the caller is a simulated process. */
  guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#note(error);
    }
  }

  check(): void {
    if (this.#crash !== undefined) throw this.#crash;
  }

  stop(): void {
    process.off("uncaughtException", this.#note);
    process.off("unhandledRejection", this.#note);
  }
}
