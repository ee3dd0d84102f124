/**
 * Commands in a guest by its agent, which gives what they print when they have ended, and not
 * before.
 */
import {
  type Clock,
  commandNotStarted,
  DomainError,
  EXEC_OUTPUT_BYTES_MAX,
  type ExecOutput,
  type ExecRequest,
  execBrokenOff,
  execTimedOut,
} from "@innkeeper/core";
import type { AgentCommands, GuestAgent } from "./guest-agent.js";

/** Pauses between looks whether the command has ended: short at first. */
const POLL_MS_MIN = 10;
const POLL_MS_MAX = 200;
/** Size of the pieces in which output is passed on. */
const PIECE_BYTES = 64 * 1024;

type Status = AgentCommands["guest-exec-status"]["answer"];

/** See `EngineCopy.exec`. */
export async function* execByAgent(
  { agent, clock }: { readonly agent: GuestAgent; readonly clock: Clock },
  request: ExecRequest,
  signal: AbortSignal,
): AsyncGenerator<ExecOutput> {
  const endsAtMs = clock.monotonicMs() + request.timeoutMs;
  const pid = await start(agent, request);
  let status: Status | undefined;
  try {
    for (let pauseMs = POLL_MS_MIN; status?.exited !== true; ) {
      if (signal.aborted) throw execBrokenOff();
      const leftMs = endsAtMs - clock.monotonicMs();
      if (leftMs <= 0) throw execTimedOut(request.timeoutMs);
      await pause(clock, Math.min(pauseMs, leftMs), signal);
      pauseMs = Math.min(2 * pauseMs, POLL_MS_MAX);
      status = await agent.execute("guest-exec-status", { pid });
    }
  } finally {
    if (status?.exited !== true) await end(agent, pid);
  }
  yield* outputsOf(status);
}

async function start(agent: GuestAgent, { words, input }: ExecRequest): Promise<number> {
  const [path = "", ...arg] = words;
  const inputData = Buffer.from(input).toString("base64");
  try {
    const { pid } = await agent.execute("guest-exec", {
      path,
      arg,
      ...(input.length > 0 ? { "input-data": inputData } : {}),
      "capture-output": true,
    });
    if (!Number.isSafeInteger(pid)) throw commandNotStarted(path, "the agent names no process");
    return pid;
  } catch (error) {
    const isRefused = error instanceof DomainError && error.reason === "GUEST_AGENT_REFUSED";
    throw isRefused ? commandNotStarted(path, error.metadata["why"] ?? "") : error;
  }
}

/** As far as that is possible: a guest whose agent is gone has nobody who would do it. */
async function end(agent: GuestAgent, pid: number): Promise<void> {
  const script = 'kill -KILL "$0"';
  const kill = { path: "/bin/sh", arg: ["-c", script, String(pid)], "capture-output": false };
  await agent.execute("guest-exec", kill).catch(() => undefined);
}

function* outputsOf(status: Status): Generator<ExecOutput> {
  const [out, err] = [bytesOf(status["out-data"]), bytesOf(status["err-data"])];
  yield* piecesOf("stdout", out.subarray(0, EXEC_OUTPUT_BYTES_MAX));
  yield* piecesOf("stderr", err.subarray(0, EXEC_OUTPUT_BYTES_MAX));
  const isCut = status["out-truncated"] === true || status["err-truncated"] === true;
  const isTooMuch = Math.max(out.length, err.length) > EXEC_OUTPUT_BYTES_MAX;
  yield { kind: "exit", code: codeOf(status), isCut: isCut || isTooMuch };
}

function* piecesOf(kind: "stdout" | "stderr", bytes: Buffer): Generator<ExecOutput> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    yield { kind, bytes: bytes.subarray(at, at + PIECE_BYTES) };
  }
}

/** The guest may say anything. */
function codeOf({ exitcode, signal }: Status): number {
  const code = exitcode ?? 128 + Number(signal ?? 0);
  return Number.isInteger(code) && code >= 0 && code <= 255 ? code : 255;
}

function bytesOf(data: unknown): Buffer {
  return typeof data === "string" ? Buffer.from(data, "base64") : Buffer.alloc(0);
}

function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.schedule(delayMs, done);
    signal.addEventListener("abort", done, { once: true });
    function done(): void {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}
