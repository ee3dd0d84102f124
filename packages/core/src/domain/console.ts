/** Writing to guests' consoles: one at a time. */
import { conflict, type DomainError, precondition } from "./errors.js";

export interface ConsoleWriter {
  readonly guestUid: string;
  /** Who writes, as others are told. */
  readonly holder: string;
  /** Take it from whoever has it now. */
  readonly isForced: boolean;
}

export interface ConsoleGrant {
  /** The guest has a terminal there; otherwise a pipe, which echoes nothing. */
  readonly isTerminal: boolean;
}

export const CONSOLE_HISTORY_BYTES_MAX = 1024 * 1024;
export const CONSOLE_HOLDER_LENGTH_MAX = 128;

export function consoleHeld(holder: string): DomainError {
  const message = `${holder} writes to this console; read only, or take it by force`;
  return precondition("CONSOLE_HELD", message, { holder });
}

export function consoleTaken(holder: string): DomainError {
  return conflict("CONSOLE_TAKEN", `${holder} took this console`, { holder });
}

export function noConsoleInput(guestUid: string): DomainError {
  const message = "this copy takes no input: it was launched by an earlier version";
  return precondition("NO_CONSOLE_INPUT", message, { guestUid });
}
