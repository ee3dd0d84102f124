/**
 * A simulated guest as a function of time: what is stored changes only by commands, and what has
 * happened since then (it powered off, its stream arrived) follows from the clock. So guests
 * outlive every process and need none to run. Pure.
 *
 * M1 `seenAt` of a later moment never contradicts `seenAt` of an earlier one, unless a command came
 *    between.
 * M2 A guest ages only while its vCPUs run, on whichever host they do.
 * M3 Only the source writes a stream, only the target's own engine writes the target.
 */
import type { CopyExit, CopyRef, CopyRunState, Mode } from "@innkeeper/core";

export const SIM_SCHEMA_VERSION = 1;

/** What the guest itself knows; travels with a migration. */
export interface SimLife {
  readonly ranForMs: number;
  /**
   * When its vCPUs last began to run; undefined while they stand still. May lie ahead, while it
   * starts.
   */
  readonly runningSinceMs: number | undefined;
  /** Running time at which it ends by itself. */
  readonly endsAfterMs: number | undefined;
  readonly endsWith: CopyExit;
  readonly ignoresShutdown: boolean;
  readonly beatEveryMs: number;
}

export interface SimSending {
  readonly uri: string;
  readonly startedAtMs: number;
  readonly endsAtMs: number;
  readonly totalBytes: number;
  /** The stream breaks at its end instead of arriving. */
  readonly isBreaking: boolean;
}

/** One copy, as its engine stores it. */
export interface SimGuest extends CopyRef {
  readonly schemaVersion: typeof SIM_SCHEMA_VERSION;
  readonly mode: Mode;
  readonly vcpuCount: number;
  /** What it may use of the host's CPUs. */
  readonly cpuMillis: number;
  /** What it was launched with. */
  readonly memoryMib: number;
  /** What it may use of that. */
  readonly usableMib: number;
  readonly run: CopyRunState;
  readonly life: SimLife;
  readonly exit: CopyExit | undefined;
  readonly sending: SimSending | undefined;
  readonly isListening: boolean;
  /** Beats before this running time were printed by an earlier copy. */
  readonly consoleFromMs: number;
}

/** What arrives at a target, as the source stores it there. */
export interface SimStream {
  readonly schemaVersion: typeof SIM_SCHEMA_VERSION;
  readonly endsAtMs: number;
  readonly isBroken: boolean;
  /** The guest as it is when the stream ends. */
  readonly life: SimLife;
  /** Memory that the guest has given back stays given back. */
  readonly usableMib: number;
}

export function ranForAt(life: SimLife, nowMs: number): number {
  if (life.runningSinceMs === undefined) return life.ranForMs;
  return life.ranForMs + Math.max(0, nowMs - life.runningSinceMs);
}

/** Life goes on from now. */
export function started(life: SimLife, nowMs: number): SimLife {
  return life.runningSinceMs === undefined ? { ...life, runningSinceMs: nowMs } : life;
}

/** Life stands still from now. */
export function stopped(life: SimLife, nowMs: number): SimLife {
  return { ...life, ranForMs: ranForAt(life, nowMs), runningSinceMs: undefined };
}

export function ended(guest: SimGuest, exit: CopyExit, nowMs: number): SimGuest {
  const life = stopped(guest.life, nowMs);
  return { ...guest, run: "ended", exit, life, sending: undefined };
}

/** When the guest ends by itself if nothing else happens. */
function endAtMs({ life }: SimGuest): number | undefined {
  if (life.runningSinceMs === undefined || life.endsAfterMs === undefined) return undefined;
  return life.runningSinceMs + Math.max(0, life.endsAfterMs - life.ranForMs);
}

/** The next moment at which something happens by itself. */
export function nextChangeAtMs(guest: SimGuest, stream: SimStream | undefined): number | undefined {
  if (guest.run === "incoming") return stream?.endsAtMs;
  const moments = [endAtMs(guest), guest.sending?.endsAtMs].filter((at) => at !== undefined);
  return moments.length === 0 ? undefined : Math.min(...moments);
}

/** The guest with all that has happened to it by now. */
export function seenAt(guest: SimGuest, stream: SimStream | undefined, nowMs: number): SimGuest {
  const atMs = nextChangeAtMs(guest, stream);
  if (atMs === undefined || atMs > nowMs) return guest;
  if (guest.run === "incoming" && stream !== undefined) return received(guest, stream);
  if (atMs === endAtMs(guest)) return ended(guest, guest.life.endsWith, atMs);
  const next = guest.sending?.isBreaking ? { ...guest, sending: undefined } : sent(guest, atMs);
  return seenAt(next, stream, nowMs);
}

function received(guest: SimGuest, { isBroken, life, usableMib, endsAtMs }: SimStream): SimGuest {
  if (isBroken) return ended(guest, STREAM_BROKE, endsAtMs);
  return { ...guest, run: "received", life, usableMib, consoleFromMs: life.ranForMs };
}

function sent(guest: SimGuest, atMs: number): SimGuest {
  return { ...guest, run: "sent", life: stopped(guest.life, atMs), sending: undefined };
}

/** What the target of a sending guest will see, as things are now. */
export function streamOf(guest: SimGuest): SimStream | undefined {
  const { sending } = guest;
  if (sending === undefined) return undefined;
  const endMs = endAtMs(guest);
  const endsFirst = endMs !== undefined && endMs <= sending.endsAtMs;
  const endsAtMs = endsFirst ? endMs : sending.endsAtMs;
  const isBroken = endsFirst || sending.isBreaking;
  const life = stopped(guest.life, endsAtMs);
  const { usableMib } = guest;
  return { schemaVersion: SIM_SCHEMA_VERSION, endsAtMs, isBroken, life, usableMib };
}

export const STREAM_BROKE: CopyExit = {
  reason: "incoming-failed",
  message: "the migration stream ended before the whole guest had arrived",
};
