/**
 * Why a container ended: what the holder noted of its first process, and what the kernel counted.
 */
import { constants } from "node:os";
import type { CopyExit, ExitReason } from "@innkeeper/core";

/** As the holder notes it. */
export interface ProcessEnd {
  readonly code: number;
  /** 0 = it ended by itself. */
  readonly signal: number;
}

export interface EndedContainer {
  /** Undefined when the holder was ended before it could note anything. */
  readonly end: ProcessEnd | undefined;
  readonly oomKills: number;
  readonly isDestroyed: boolean;
}

export function exitOf(ended: EndedContainer): CopyExit {
  const reason = reasonOf(ended);
  return { reason, message: sentenceOf(reason, ended) };
}

/** Undefined for anything but the holder's own words. */
export function parseEnd(text: string): ProcessEnd | undefined {
  try {
    const { code, signal } = JSON.parse(text) as Partial<ProcessEnd>;
    return { code: Number(code), signal: Number(signal) };
  } catch {
    return undefined;
  }
}

/** The first process of a namespace can be ended by SIGKILL only from outside, or by the kernel. */
function reasonOf({ end, oomKills, isDestroyed }: EndedContainer): ExitReason {
  if (isDestroyed) return "destroyed";
  if (end === undefined) return "killed";
  if (end.signal === constants.signals.SIGKILL) return oomKills > 0 ? "out-of-memory" : "killed";
  return end.signal === 0 && end.code === 0 ? "guest-shutdown" : "guest-exit";
}

function sentenceOf(reason: ExitReason, { end, oomKills }: EndedContainer): string {
  if (reason === "destroyed") return "the copy was destroyed";
  if (end === undefined) return "the container and its holder were killed";
  if (reason === "guest-shutdown") return "the guest's first process ended";
  if (reason === "out-of-memory") return "the guest took more memory than it has";
  const often = oomKills === 1 ? "once" : `${oomKills} times`;
  const hint = oomKills > 0 ? `; it had run out of memory ${often}` : "";
  const how = end.signal === 0 ? `with exit code ${end.code}` : `by ${nameOf(end.signal)}`;
  return `the guest's first process ended ${how}${hint}`;
}

function nameOf(signal: number): string {
  const known = Object.entries(constants.signals).find(([, number]) => number === signal);
  return known?.[0] ?? `signal ${signal}`;
}
