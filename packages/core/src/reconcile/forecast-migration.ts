/**
 * How a live migration will go, from what the guest writes and what the link carries: the rounds
 * of a pre-copy played through with the same rule that the sender follows. Pure.
 *
 * F1 It ends: after a bounded number of rounds.
 * F2 A guest that writes more never moves faster, and a faster link never makes it slower.
 */
import type { MigrationProgress } from "../domain/copy.js";
import type { ForecastBasis, MigrationForecast } from "../domain/migration-forecast.js";
import type { Operation } from "../domain/operation.js";
import {
  beginConvergence,
  type Convergence,
  type ConvergencePolicy,
  nextConvergence,
} from "./convergence.js";

const ROUNDS_MAX = 200;
/** The sender looks at QEMU no less often. */
const ROUND_MS_MIN = 1;
/** How QEMU slows a guest down: a step, at most each second, after rounds that shrink by half. */
const SLOWDOWN_STEP_PERCENT = 10;
const SLOWDOWN_EVERY_MS = 2_000;
/** Before anything has been moved: a link of 1 Gbit/s. */
const ASSUMED = { bytesPerSecond: 125_000_000, overheadMs: 300 };
const SAMPLES_MAX = 5;

export type ForecastFigures = Pick<
  MigrationForecast,
  "willConverge" | "rounds" | "totalMs" | "downtimeMs" | "transferBytes"
>;

interface Play {
  readonly leftBytes: number;
  readonly elapsedMs: number;
  readonly transferBytes: number;
  readonly rounds: number;
  readonly slowdownPercent: number;
  readonly convergence: Convergence;
}

export function forecastMigration(
  basis: ForecastBasis,
  policy: ConvergencePolicy,
): ForecastFigures {
  let play: Play = {
    leftBytes: basis.memoryBytes,
    elapsedMs: 0,
    transferBytes: 0,
    rounds: 0,
    slowdownPercent: 0,
    convergence: beginConvergence(policy),
  };
  while (play.rounds === 0 || (!fits(play, basis) && play.rounds < ROUNDS_MAX)) {
    play = nextRound(play, basis, policy);
  }
  const willConverge = fits(play, basis);
  const lastMs = willConverge ? sendMs(play.leftBytes, basis) : 0;
  return {
    willConverge,
    rounds: play.rounds,
    totalMs: Math.round(basis.overheadMs + play.elapsedMs + lastMs),
    downtimeMs: Math.ceil(lastMs),
    transferBytes: Math.round(play.transferBytes + (willConverge ? play.leftBytes : 0)),
  };
}

function fits({ leftBytes, convergence }: Play, basis: ForecastBasis): boolean {
  return sendMs(leftBytes, basis) <= convergence.downtimeLimitMs;
}

function sendMs(bytes: number, { bytesPerSecond }: ForecastBasis): number {
  return (bytes * 1000) / bytesPerSecond;
}

/** All that is left is sent, while the guest writes. */
function nextRound(play: Play, basis: ForecastBasis, policy: ConvergencePolicy): Play {
  const { memoryBytes, dirtyBytesPerSecond = 0 } = basis;
  const roundMs = Math.max(sendMs(play.leftBytes, basis), ROUND_MS_MIN);
  const elapsedMs = play.elapsedMs + roundMs;
  const writes = dirtyBytesPerSecond * (1 - play.slowdownPercent / 100);
  const leftBytes = Math.min(memoryBytes, (writes * roundMs) / 1000);
  const rounds = play.rounds + 1;
  const transferBytes = play.transferBytes + play.leftBytes;
  const progress = progressOf({ leftBytes, elapsedMs, rounds });
  return {
    leftBytes,
    elapsedMs,
    transferBytes,
    rounds,
    slowdownPercent: slowdownAfter(elapsedMs, leftBytes > play.leftBytes / 2, policy),
    convergence: nextConvergence(play.convergence, progress, policy),
  };
}

function progressOf(at: {
  readonly leftBytes: number;
  readonly elapsedMs: number;
  readonly rounds: number;
}): MigrationProgress {
  const { leftBytes: remainingBytes, elapsedMs, rounds } = at;
  const none = { transferredBytes: 0, totalBytes: 0, engineDowntimeMs: undefined };
  return { ...none, remainingBytes, elapsedMs, rounds };
}

function slowdownAfter(
  elapsedMs: number,
  isSlow: boolean,
  { slowdownPercentMax }: ConvergencePolicy,
): number {
  const steps = isSlow ? Math.floor(elapsedMs / SLOWDOWN_EVERY_MS) : 0;
  return Math.min(steps * SLOWDOWN_STEP_PERCENT, slowdownPercentMax);
}

/** What links carry, from the newest migrations that have ended: of this pair, else of any. */
export function linkFrom(
  ended: readonly Operation[],
  pair: { readonly sourceNodeId: string; readonly targetNodeId: string },
): Pick<ForecastBasis, "bytesPerSecond" | "overheadMs" | "samples"> {
  const moved = ended.filter(isUsable).sort((a, b) => b.updatedAtMs - a.updatedAtMs);
  const ofPair = moved.filter(
    ({ forecast }) =>
      forecast?.sourceNodeId === pair.sourceNodeId && forecast.targetNodeId === pair.targetNodeId,
  );
  const chosen = (ofPair.length > 0 ? ofPair : moved).slice(0, SAMPLES_MAX);
  if (chosen.length === 0) return { ...ASSUMED, samples: 0 };
  return {
    bytesPerSecond: middle(chosen.map(rateOf)),
    overheadMs: middle(chosen.map(overheadOf)),
    samples: chosen.length,
  };
}

function isUsable({ kind, state, migration }: Operation): boolean {
  const { transferredBytes = 0, elapsedMs = 0 } = migration ?? {};
  return kind === "migrate" && state === "succeeded" && transferredBytes > 0 && elapsedMs > 0;
}

function rateOf({ migration }: Operation): number {
  const { transferredBytes = 0, elapsedMs = 0 } = migration ?? {};
  return Math.max(1, Math.round((transferredBytes * 1000) / Math.max(1, elapsedMs)));
}

/** Without the time in which it waited for its turn. */
function overheadOf({ createdAtMs, updatedAtMs, migration, forecast }: Operation): number {
  const totalMs = forecast?.actualTotalMs ?? updatedAtMs - createdAtMs;
  return Math.max(0, totalMs - (migration?.elapsedMs ?? 0));
}

function middle(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** The operation with how long it took, beside what was expected. */
export function withActual(operation: Operation, actualTotalMs: number): Operation {
  const { forecast } = operation;
  return forecast === undefined
    ? operation
    : { ...operation, forecast: { ...forecast, actualTotalMs } };
}
