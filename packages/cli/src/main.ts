#!/usr/bin/env node
/** `inn`: parses, runs, and turns every error into a sentence and an exit code. */
import { createClient } from "@innkeeper/client";
import { DomainError, toDomainError } from "@innkeeper/core";
import { CommanderError } from "commander";
import type { CliContext, LocalContext } from "./cli-context.js";
import { EXIT, exitCodeOf } from "./exit-codes.js";
import { createTerminal } from "./output/terminal.js";
import { buildProgram, type GlobalOptions } from "./program.js";

async function main(): Promise<void> {
  const abort = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => abort.abort());
  }
  process.stdout.on("error", () => process.exit(EXIT.done));
  let run: (() => Promise<void>) | undefined;
  const program = buildProgram(process.env, {
    remote: (command) => {
      run = () => runRemote(command, program.opts<GlobalOptions>(), abort.signal);
    },
    local: (command) => {
      run = () => runLocal(command, localContext(program.opts<GlobalOptions>(), abort.signal));
    },
  });
  try {
    await program.parseAsync(process.argv);
    await run?.();
  } catch (error) {
    process.exitCode = report(error);
  }
}

/** What a failure left half started must not keep the process alive. */
async function runLocal(
  command: (context: LocalContext) => Promise<void>,
  context: LocalContext,
): Promise<void> {
  try {
    await command(context);
  } catch (error) {
    process.exit(report(error));
  }
}

async function runRemote(
  command: (context: CliContext) => Promise<void>,
  options: GlobalOptions,
  signal: AbortSignal,
): Promise<void> {
  const client = createClient(options.endpoint);
  try {
    await command({
      ...localContext(options, signal),
      client,
      projectId: options.project,
      requestId: options.requestId,
      isWaiting: options.wait,
      nowMs: () => Date.now(),
      input: process.stdin,
    });
  } finally {
    client.close();
  }
}

function localContext(options: GlobalOptions, signal: AbortSignal): LocalContext {
  return {
    terminal: createTerminal(options.output, { out: process.stdout, err: process.stderr }),
    signal,
    env: process.env,
    setExitCode: (code) => {
      process.exitCode = code;
    },
  };
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  const domain = toDomainError(error);
  const isBug = !(error instanceof DomainError);
  const detail = isBug && error instanceof Error ? `\n${error.stack ?? error.message}` : "";
  process.stderr.write(`inn: ${domain.message} [${domain.reason}]${detail}\n`);
  return exitCodeOf(domain.kind);
}

await main();
