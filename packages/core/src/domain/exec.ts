/** Commands that are run inside guests. */
import { DomainError, precondition } from "./errors.js";

export interface ExecRequest {
  /** Program and arguments; no shell parses them. */
  readonly words: readonly string[];
  /** What it reads on standard input before that ends. */
  readonly input: Uint8Array;
  readonly timeoutMs: number;
}

/** A command that was ended by a signal has code 128 and the signal's number, as in a shell. */
export type ExecOutput =
  | { readonly kind: "stdout" | "stderr"; readonly bytes: Uint8Array }
  | {
      readonly kind: "exit";
      readonly code: number;
      /** It printed more than {@link EXEC_OUTPUT_BYTES_MAX}, which was thrown away. */
      readonly isCut: boolean;
    };

/** More than this of one command is not passed on. */
export const EXEC_OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
/** Of one guest at a time. */
export const EXECS_MAX = 8;

export function noGuestAgent(guest: string): DomainError {
  const message = `the image of guest "${guest}" has no guest agent that could run a command`;
  return precondition("NO_GUEST_AGENT", message, { guest });
}

export function commandNotStarted(program: string, why: string): DomainError {
  return precondition("COMMAND_NOT_STARTED", `${program} cannot be run: ${why}`, { program, why });
}

export function execTimedOut(timeoutMs: number): DomainError {
  const message = `the command did not end within ${timeoutMs} ms and was ended`;
  const metadata = { timeoutMs: String(timeoutMs) };
  return new DomainError({ kind: "timeout", reason: "EXEC_TIMED_OUT", message, metadata });
}

/** Nobody hears it: who asked has gone. */
export function execBrokenOff(): DomainError {
  const message = "the command was ended: who asked for it has gone";
  return new DomainError({ kind: "cancelled", reason: "EXEC_BROKEN_OFF", message, metadata: {} });
}
