/** What every command gets: a client, a terminal, the global options. */
import type { InnkeeperClient } from "@innkeeper/client";
import type { Terminal } from "./output/terminal.js";

export interface CliContext {
  readonly client: InnkeeperClient;
  readonly terminal: Terminal;
  readonly projectId: string;
  readonly requestId: string;
  /** False with `--no-wait`: print the operation instead of waiting for its end. */
  readonly isWaiting: boolean;
  /** Aborts at Ctrl-C. */
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
  setExitCode(code: number): void;
}
