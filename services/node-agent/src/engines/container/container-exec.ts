/**
 * Commands inside a container, by the runtime: they get the namespaces, control group, seccomp
 * profile and rights of the container's first process.
 *
 * X1 However it ends, no process of the command's group is left.
 * X2 What is not read is not fetched from the command: it waits, and takes no memory here.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { constants } from "node:os";
import type { Readable, Writable } from "node:stream";
import {
  type Clock,
  commandNotStarted,
  EXEC_OUTPUT_BYTES_MAX,
  type ExecOutput,
  type ExecRequest,
  execBrokenOff,
  execTimedOut,
} from "@innkeeper/core";
import type { ContainerDirectory } from "./container-directory.js";
import { HOLDER_FILES } from "./holder-script.js";
import { mergeOutput } from "./merge-output.js";
import type { Runtime } from "./runtimes.js";

/** How long what a command left in the background may go on printing into its output. */
const SILENCE_MS = 500;
/** What the runtime says of a command that it cannot start. */
const COMPLAINT_BYTES_MAX = 4096;
const START_POLL_MS = 2;

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

export interface ContainerExecContext {
  readonly directory: ContainerDirectory;
  readonly runtime: Runtime;
  readonly clock: Clock;
}

/** See `EngineCopy.exec`. */
export async function* execInContainer(
  { directory, runtime, clock }: ContainerExecContext,
  request: ExecRequest,
  signal: AbortSignal,
): AsyncGenerator<ExecOutput> {
  const command = new RunningCommand({ directory, runtime, clock }, request);
  const cancelTimer = clock.schedule(request.timeoutMs, () => command.end("timeout"));
  const onAbort = (): void => command.end("broken-off");
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    yield* command.outputs();
    yield await command.exit();
  } finally {
    cancelTimer();
    signal.removeEventListener("abort", onAbort);
    command.end("broken-off");
    await command.forget();
  }
}

class RunningCommand {
  readonly #child: Child;
  readonly #pidFile = `exec.${randomUUID()}`;
  readonly #exited: Promise<unknown>;
  #why: "timeout" | "broken-off" | undefined;
  #complaint = "";
  #isOver = false;
  #leftBytes = EXEC_OUTPUT_BYTES_MAX;

  constructor(
    private readonly context: ContainerExecContext,
    private readonly request: ExecRequest,
  ) {
    const { directory, runtime } = context;
    const state = ["--root", HOLDER_FILES.runtimeState];
    const exec = ["exec", "--pid-file", this.#pidFile, directory.name];
    this.#child = spawn(runtime, [...state, ...exec, ...request.words], {
      cwd: directory.path,
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#exited = once(this.#child, "exit").catch(() => undefined);
    void this.#exited.then(() => {
      this.#isOver = true;
    });
    this.#child.stdin.on("error", () => undefined);
    this.#child.stdin.end(request.input);
  }

  /** What it prints; what the runtime prints that cannot start it is kept apart. */
  async *outputs(): AsyncGenerator<ExecOutput> {
    const { stdout, stderr } = this.#child;
    const { clock } = this.context;
    const exited = this.#exited;
    for await (const output of mergeOutput({ stdout, stderr, exited, clock }, SILENCE_MS)) {
      // A command may print before the runtime has noted its process id.
      await this.#started();
      if (this.#hasStarted) yield* this.#bounded(output.kind, output.bytes);
      else if (this.#complaint.length < COMPLAINT_BYTES_MAX) {
        this.#complaint += Buffer.from(output.bytes).toString();
      }
    }
  }

  async exit(): Promise<ExecOutput> {
    await this.#exited;
    if (this.#why === "timeout") throw execTimedOut(this.request.timeoutMs);
    if (this.#why === "broken-off") throw execBrokenOff();
    if (!this.#hasStarted) throw commandNotStarted(this.request.words[0] ?? "", this.#lastWords());
    const { exitCode, signalCode } = this.#child;
    const code = exitCode ?? 128 + (signalCode ? constants.signals[signalCode] : 0);
    return { kind: "exit", code, isCut: this.#leftBytes < 0 };
  }

  /** Idempotent; a command that has ended is left alone. */
  end(why: "timeout" | "broken-off"): void {
    if (this.#isOver || this.#why !== undefined) return;
    this.#why = why;
    void this.#kill();
  }

  /** Resolves when it has ended and nothing of it is left. */
  async forget(): Promise<void> {
    await this.#exited;
    rmSync(this.#file, { force: true });
  }

  /** Not before it is known what to end: a runtime that is killed earlier leaves the command. */
  async #kill(): Promise<void> {
    await this.#started();
    const pid = this.#pid();
    if (this.#isOver) return;
    if (pid !== undefined && isIn(this.context.directory.name, pid)) killGroup(pid);
    this.#child.kill("SIGKILL");
  }

  /** Resolves when it runs, or never will. */
  async #started(): Promise<void> {
    while (!(this.#hasStarted || this.#isOver)) await pause(this.context.clock, START_POLL_MS);
  }

  get #file(): string {
    return this.context.directory.file(this.#pidFile);
  }

  /** The runtime notes the process id when the command runs. */
  get #hasStarted(): boolean {
    return existsSync(this.#file);
  }

  *#bounded(kind: "stdout" | "stderr", bytes: Uint8Array): Generator<ExecOutput> {
    const kept = bytes.subarray(0, Math.max(0, this.#leftBytes));
    this.#leftBytes -= bytes.length;
    if (kept.length > 0) yield { kind, bytes: kept };
  }

  #lastWords(): string {
    const said = this.#complaint.trim().split("\n").at(-1) ?? "";
    const [, quoted] = /msg="((?:[^"\\]|\\.)*)"/.exec(said) ?? [];
    const why = (quoted ?? said).replaceAll('\\"', '"').replace(/^.*start container process: /, "");
    return why || "the runtime did not start it";
  }

  #pid(): number | undefined {
    try {
      return Number(readFileSync(this.#file, "utf8")) || undefined;
    } catch {
      return undefined;
    }
  }
}

/** A process id that the system gave to somebody else is never touched. */
function isIn(name: string, pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(name);
  } catch {
    return false;
  }
}

/** The runtime makes each command the leader of a group. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It ended between the look and the kill.
  }
}

function pause(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.schedule(delayMs, resolve);
  });
}
