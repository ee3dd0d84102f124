/**
 * How long things take on a simulated host, and what goes wrong there. Everything is deterministic:
 * chance is the caller's.
 */
import type { Clock, CopyExit, CopyLaunch, CopyRef } from "@innkeeper/core";
import type { SimLife } from "./sim-guest.js";
import type { SimStorage } from "./sim-storage.js";

export interface SimLatencies {
  readonly launchMs: number;
  /** From the request until the guest has powered off, in running time. */
  readonly shutdownMs: number;
  readonly destroyMs: number;
  /** Until a guest has given memory back. */
  readonly resizeMs: number;
  readonly migrationMsPerGib: number;
  /** How often a sending copy tells its progress. */
  readonly progressEveryMs: number;
  /** How often the engine looks for what happened behind its back; E6 asks for at most 1000. */
  readonly pollMs: number;
}

/** What a guest does by itself. */
export interface SimFate {
  /** Running time after which it ends; undefined = never. */
  readonly endsAfterMs?: number | undefined;
  readonly endsWith?: CopyExit;
  readonly ignoresShutdown?: boolean;
}

export interface SimFaults {
  readonly launchFails: (launch: CopyLaunch) => boolean;
  /** Asked once for each migration that is sent. */
  readonly migrationFails: (ref: CopyRef) => boolean;
  /** Asked each time a guest is to give memory back: it does not. */
  readonly resizeFails: (ref: CopyRef) => boolean;
  /** Asked once for each guest that boots. */
  readonly fateOf: (launch: CopyLaunch) => SimFate;
}

export interface SimEngineOptions {
  /** Where the guests of this host are kept; names the host for other simulated hosts. */
  readonly stateDirectory: string;
  readonly clock: Clock;
  /** Default: the file system. */
  readonly storage?: SimStorage;
  readonly latencies?: Partial<SimLatencies>;
  readonly faults?: Partial<SimFaults>;
}

export const SIM_LATENCIES: SimLatencies = {
  launchMs: 150,
  shutdownMs: 300,
  destroyMs: 20,
  resizeMs: 100,
  migrationMsPerGib: 2000,
  progressEveryMs: 250,
  pollMs: 250,
};

export const NO_SIM_FAULTS: SimFaults = {
  launchFails: () => false,
  migrationFails: () => false,
  resizeFails: () => false,
  fateOf: () => ({}),
};

const POWERED_OFF: CopyExit = {
  reason: "guest-shutdown",
  message: "the simulated guest powered off",
};
const BEATS_PER_SECOND = 10;
const BEATS_PER_SECOND_MAX = 1000;

/**
 * A guest that boots when it is first run. Like the tiny image it understands `beat=N` (beats a
 * second) and `exit=N` (powers off after beat N) on its kernel command line.
 */
export function newLife(launch: CopyLaunch, fate: SimFate): SimLife {
  const { commandLine } = launch.boot;
  const asked = numberOnCommandLine(commandLine, "beat") ?? BEATS_PER_SECOND;
  const beatEveryMs = 1000 / Math.min(Math.max(asked, 1), BEATS_PER_SECOND_MAX);
  const exitBeat = numberOnCommandLine(commandLine, "exit");
  const powersOffAfterMs = exitBeat === undefined ? undefined : exitBeat * beatEveryMs;
  return {
    ranForMs: 0,
    runningSinceMs: undefined,
    endsAfterMs: fate.endsAfterMs ?? powersOffAfterMs,
    endsWith: fate.endsWith ?? POWERED_OFF,
    ignoresShutdown: fate.ignoresShutdown ?? false,
    beatEveryMs,
  };
}

/** What the guest makes of a request to power off. */
export function askedToPowerOff(life: SimLife, endsAfterMs: number): SimLife {
  if (life.ignoresShutdown) return life;
  const endsSooner = life.endsAfterMs !== undefined && life.endsAfterMs <= endsAfterMs;
  return endsSooner ? life : { ...life, endsAfterMs, endsWith: POWERED_OFF };
}

function numberOnCommandLine(commandLine: string, name: string): number | undefined {
  const [, digits] = new RegExp(`(?:^|\\s)${name}=(\\d{1,9})(?:\\s|$)`).exec(commandLine) ?? [];
  return digits === undefined ? undefined : Number(digits);
}
