/**
 * Whether a pre-copy comes to its end, and what is given up for that. An engine spends whatever
 * downtime it is allowed, so the limit begins low; it is doubled only when rounds stop making the
 * rest smaller, up to the policy's. When that does not help either, the migration is stalled. Pure.
 *
 * V1 The limit never falls and never exceeds the policy's.
 * V2 A migration whose rest still shrinks, by a tenth in a window, is never called stalled.
 */
import type { MigrationProgress } from "../domain/copy.js";
import { type DomainError, precondition } from "../domain/errors.js";
import type { MigrationPolicy } from "../domain/migration-policy.js";

export type ConvergencePolicy = Pick<MigrationPolicy, "downtimeMsMax" | "slowdownPercentMax">;

const DOWNTIME_MS_FIRST = 10;
/**
 * What is left is seen at chance moments of a round, so rounds are looked at in windows: of each,
 * the most that was seen counts.
 */
const WINDOW_ROUNDS = 2;
const WINDOW_MS = 400;
/** A window with more than this share of the best one before did not help. */
const SHRINKS_TO = 0.9;
/** Windows in vain before the end, at the highest limit and slowed down as far as may be. */
const STALL_WINDOWS = 5;
const STALL_MS = 5_000;

export interface Convergence {
  readonly downtimeLimitMs: number;
  /** Of the newest figures. */
  readonly rounds: number;
  /** The least that any window has had left at most. */
  readonly bestBytes: number;
  /** Since the rest shrank or the limit was raised. */
  readonly windowsInVain: number;
  readonly sinceMs: number;
  readonly window: RoundWindow;
}

interface RoundWindow {
  readonly rounds: number;
  readonly beganAtMs: number;
  readonly mostBytes: number;
}

export function beginConvergence({ downtimeMsMax }: ConvergencePolicy): Convergence {
  return {
    downtimeLimitMs: Math.min(DOWNTIME_MS_FIRST, downtimeMsMax),
    rounds: 0,
    bestBytes: Number.POSITIVE_INFINITY,
    windowsInVain: 0,
    sinceMs: 0,
    window: { rounds: 0, beganAtMs: 0, mostBytes: 0 },
  };
}

/**
 * What follows from the newest figures. A step whose `downtimeLimitMs` is higher than before wants
 * it to be set.
 */
export function nextConvergence(
  before: Convergence,
  { rounds = 0, remainingBytes, elapsedMs }: MigrationProgress,
  policy: ConvergencePolicy,
): Convergence {
  const { window } = before;
  const isFull =
    rounds - window.rounds >= WINDOW_ROUNDS && elapsedMs - window.beganAtMs >= WINDOW_MS;
  if (!isFull) {
    const mostBytes = Math.max(window.mostBytes, remainingBytes);
    return { ...before, rounds, window: { ...window, mostBytes } };
  }
  const begun = {
    ...before,
    rounds,
    window: { rounds, beganAtMs: elapsedMs, mostBytes: remainingBytes },
  };
  if (window.mostBytes < before.bestBytes * SHRINKS_TO) {
    return { ...begun, bestBytes: window.mostBytes, windowsInVain: 0, sinceMs: elapsedMs };
  }
  if (before.downtimeLimitMs >= policy.downtimeMsMax) {
    return { ...begun, windowsInVain: before.windowsInVain + 1 };
  }
  const downtimeLimitMs = Math.min(2 * before.downtimeLimitMs, policy.downtimeMsMax);
  return { ...begun, downtimeLimitMs, windowsInVain: 0, sinceMs: elapsedMs };
}

/** Why it will not come to its end; undefined as long as it may. */
export function whyStalled(
  now: Convergence,
  progress: MigrationProgress,
  policy: ConvergencePolicy,
): DomainError | undefined {
  const { slowdownPercent = 0, elapsedMs } = progress;
  const isAtMost =
    now.downtimeLimitMs >= policy.downtimeMsMax && slowdownPercent >= policy.slowdownPercentMax;
  if (!isAtMost || now.windowsInVain < STALL_WINDOWS) return undefined;
  return elapsedMs - now.sinceMs < STALL_MS ? undefined : stalled(now, progress);
}

function stalled(now: Convergence, progress: MigrationProgress): DomainError {
  const { dirtyBytesPerSecond = 0, bytesPerSecond = 0, slowdownPercent = 0 } = progress;
  const written = `${mib(dirtyBytesPerSecond)} MiB/s of pages`;
  const rates = `writes ${written}, ${mib(bytesPerSecond)} are sent`;
  const given = `slowed down by ${slowdownPercent} %, ${now.downtimeLimitMs} ms allowed`;
  const left = `${mib(now.bestBytes)} MiB left at best`;
  const message = `the guest ${rates}: ${left} after ${now.rounds} rounds (${given})`;
  return precondition("MIGRATION_STALLED", message, {
    dirtyBytesPerSecond: String(dirtyBytesPerSecond),
    bytesPerSecond: String(bytesPerSecond),
    remainingBytes: String(now.bestBytes),
    slowdownPercent: String(slowdownPercent),
    downtimeLimitMs: String(now.downtimeLimitMs),
    rounds: String(now.rounds),
  });
}

function mib(bytes: number): number {
  return Math.ceil(bytes / 1024 ** 2);
}
