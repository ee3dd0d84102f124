/**
 * What commands get: a terminal and the environment; those that speak to a cluster also a client
 * and the global options.
 */
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
  readonly input: NodeJS.ReadStream;
  readonly setExitCode: (code: number) => void;
}

/** For commands that need no running cluster. */
export interface LocalContext {
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly setExitCode: (code: number) => void;
}
