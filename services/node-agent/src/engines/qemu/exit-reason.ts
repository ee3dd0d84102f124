/**
 * Why a QEMU process ended: what it traced itself comes first, so the reason is known even if no
 * agent was watching.
 */
import type { CopyExit, ExitReason } from "@innkeeper/core";
import type { QmpEvent } from "./qmp-protocol.js";

/** QEMU's ShutdownCause (qapi/run-state.json, 7.2) as traced by `qemu_system_shutdown_request`. */
const CAUSES: Readonly<Record<string, ExitReason>> = {
  "1": "engine-error",
  "2": "destroyed",
  "4": "killed",
  "6": "guest-shutdown",
  "7": "guest-reset",
  "8": "guest-panic",
};

const CAUSE = /^qemu_system_shutdown_request reason=([0-9]+)/gm;
/** What QEMU says after SIGTERM, which it does not trace. */
const SIGNALLED = /terminating on signal [0-9]+/;
const TRACE = /^qemu_system_shutdown_request /;
const MESSAGE_LENGTH_MAX = 300;

const SENTENCES: Readonly<Record<ExitReason, string>> = {
  "guest-shutdown": "the guest powered itself off",
  "guest-reset": "the guest reset itself",
  "guest-panic": "the guest's kernel panicked",
  "guest-exit": "the guest's first process failed",
  "out-of-memory": "it took more memory than it may",
  "boot-timeout": "the guest did not come up",
  destroyed: "the copy was destroyed",
  killed: "the hypervisor process was killed",
  "engine-error": "the hypervisor failed",
  "incoming-failed": "the migration did not arrive whole",
};

export interface ProcessEnd {
  readonly code: number | undefined;
  readonly signal: string | undefined;
}

export interface EndedProcess {
  /** Standard error of the process. */
  readonly errors: string;
  /** Known only to the process that started it. */
  readonly end: ProcessEnd | undefined;
  readonly isDestroyed: boolean;
  /** It was waiting for or receiving a migration. */
  readonly isIncoming: boolean;
  /** The end of its console. */
  readonly lastWords?: string | undefined;
  /** We ended it because it could not go on, which this sentence tells. */
  readonly broken?: string | undefined;
  /** How often the kernel has ended it for taking more memory than it may. */
  readonly oomKills?: number;
}

/** QEMU's run states in which the guest can never go on by itself. */
const BROKEN: Readonly<Record<string, string>> = {
  "internal-error": "its virtual CPU cannot go on",
  "io-error": "its disk failed",
  "guest-panicked": "its kernel panicked",
};

/** Why a guest that stands still cannot go on; undefined when it only stands still. */
export function brokenBy(status: string, ioError: QmpEvent | undefined): string | undefined {
  const why = BROKEN[status];
  if (why === undefined || status !== "io-error" || ioError === undefined) return why;
  if (isWantOfRoom(status, ioError)) return undefined;
  return `${why}: ${String(ioError.data?.["operation"])}: ${String(ioError.data?.["reason"])}`;
}

/** It goes on when there is room again. */
export function isWantOfRoom(status: string, ioError: QmpEvent | undefined): boolean {
  return status === "io-error" && ioError?.data?.["nospace"] === true;
}

export function exitOf(process: EndedProcess): CopyExit {
  const reason = reasonOf(process);
  if (reason === "engine-error" && process.broken !== undefined) {
    return { reason, message: `the guest was ended: ${process.broken}` };
  }
  const panic = reason === "guest-panic" ? panicIn(process.lastWords) : "";
  const details = [panic, howItEnded(process.end), lastError(process.errors)]
    .filter(Boolean)
    .join("; ");
  const message = details === "" ? SENTENCES[reason] : `${SENTENCES[reason]} (${details})`;
  return { reason, message: message.slice(0, MESSAGE_LENGTH_MAX) };
}

/** The cause that QEMU itself traced, if it did. */
export function tracedReason(errors: string): ExitReason | undefined {
  const cause = [...errors.matchAll(CAUSE)].at(-1)?.[1];
  if (cause !== undefined) return CAUSES[cause];
  return SIGNALLED.test(errors) ? "killed" : undefined;
}

/** What Linux prints last of all, also where nothing but the console can tell of it. */
const PANIC = /Kernel panic - not syncing: ([\x20-\x7e]{1,200})/g;

function panicIn(lastWords = ""): string {
  return [...lastWords.matchAll(PANIC)].at(-1)?.[1]?.trim() ?? "";
}

/** A kernel that panics and is told to reset is seen to reset; its last words say why. */
function reasonOf(process: EndedProcess): ExitReason {
  const reason = seenReason(process);
  const hasPanicked = reason === "guest-reset" && panicIn(process.lastWords) !== "";
  return hasPanicked ? "guest-panic" : reason;
}

function seenReason(ended: EndedProcess): ExitReason {
  const { errors, end, isDestroyed, isIncoming, broken, oomKills = 0 } = ended;
  if (isDestroyed) return "destroyed";
  if (oomKills > 0) return "out-of-memory";
  if (broken !== undefined) return "engine-error";
  const traced = tracedReason(errors);
  if (traced !== undefined) return traced;
  if (end?.signal !== undefined) return "killed";
  // With -no-reboot a reset ends QEMU in order, without a trace.
  if (end?.code === 0) return "guest-reset";
  if (isIncoming) return "incoming-failed";
  return end?.code === undefined ? "killed" : "engine-error";
}

function howItEnded(end: ProcessEnd | undefined): string {
  if (end?.signal !== undefined) return `by ${end.signal}`;
  return end?.code === undefined || end.code === 0 ? "" : `exit code ${end.code}`;
}

/** The last line that is not our own trace. */
export function lastError(errors: string): string {
  const lines = errors.split("\n").filter((line) => line !== "" && !TRACE.test(line));
  return lines.at(-1)?.trim() ?? "";
}
