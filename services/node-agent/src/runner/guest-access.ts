/**
 * What people do with a guest that runs here: read its console, run commands in it. Nothing of it
 * is desired state, so nothing is journaled.
 */
import {
  type ConsoleChunk,
  DomainError,
  type EngineCopy,
  EXECS_MAX,
  type ExecOutput,
  type ExecRequest,
  precondition,
  unavailable,
} from "@innkeeper/core";

export interface GuestCopies {
  readonly present: EngineCopy | undefined;
  /** The one before it, for its console only. */
  readonly former: EngineCopy | undefined;
}

/** @throws `unavailable` when there is no copy to read from. */
export async function readConsoleOf(
  { present, former }: GuestCopies,
  offset: number,
  bytesMax: number,
): Promise<ConsoleChunk> {
  const copy = present ?? former;
  if (copy === undefined) throw unavailable("console", "the guest has no copy here now");
  return await copy.readConsole(offset, bytesMax);
}

const execCounts = new WeakMap<EngineCopy, number>();

/** See `AgentClient.exec`. */
export async function* execIn(
  { present: copy }: GuestCopies,
  request: ExecRequest,
  signal: AbortSignal,
): AsyncGenerator<ExecOutput> {
  const run = (await copy?.runState()) ?? "ended";
  if (copy === undefined || run !== "running") throw notRunning(run);
  const count = execCounts.get(copy) ?? 0;
  if (count >= EXECS_MAX) throw busy();
  execCounts.set(copy, count + 1);
  try {
    yield* copy.exec(request, signal);
  } finally {
    execCounts.set(copy, (execCounts.get(copy) ?? 1) - 1);
  }
}

function notRunning(run: string) {
  const message = `the guest is ${run} here: commands run in a running guest only`;
  return precondition("NOT_RUNNING", message, { run });
}

function busy() {
  const message = `${EXECS_MAX} commands run in the guest already`;
  const metadata = { max: String(EXECS_MAX) };
  return new DomainError({ kind: "capacity", reason: "EXEC_BUSY", message, metadata });
}
