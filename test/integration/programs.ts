/**
 * The built programs (`dist/*.js`, see scripts/build.mjs) as child processes below one scratch
 * directory. Ports are chosen by the system. Guests outlive their agents, so the end also ends
 * every process whose command line or working directory is below the scratch directory.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { vi } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const START_TIMEOUT_MS = 60_000;

export interface Started {
  readonly address: string;
  readonly pid: number;
  /** What it said on standard output: one JSON value. */
  readonly told: Readonly<Record<string, unknown>>;
  readonly child: ChildProcess;
}

export interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Begun {
  readonly child: ChildProcess;
  /** What it has said so far. */
  readonly out: () => string;
  readonly err: () => string;
  readonly ended: () => Promise<void>;
}

type Env = Readonly<Record<string, string>>;

export class Programs {
  readonly directory = mkdtempSync(path.join(tmpdir(), "inn-test-"));

  /** @param prefix what starts each program, such as another network */
  constructor(private readonly prefix: readonly string[] = []) {}

  readonly #running = new Set<ChildProcess>();

  /** `inn up` on a data directory of this name. */
  async up(data: string, options: readonly string[] = []): Promise<Started> {
    const dataPath = path.join(this.directory, data);
    const args = ["up", "--data", dataPath, "--listen", "127.0.0.1:0", "-o", "json", ...options];
    return await this.#start("inn", args, {});
  }

  async controller(env: Env = {}): Promise<Started> {
    return await this.#start("inn-controller", [], {
      INN_LISTEN: "127.0.0.1:0",
      INN_DATA: path.join(this.directory, "controller"),
      ...env,
    });
  }

  async agent(nodeId: string, controller: string, env: Env = {}): Promise<Started> {
    return await this.#start("inn-agent", [], {
      INN_NODE_ID: nodeId,
      INN_CONTROLLER: controller,
      INN_LISTEN: "127.0.0.1:0",
      INN_DATA: path.join(this.directory, nodeId),
      INN_ENGINES: "sim",
      INN_CPU_MILLIS: "64000",
      INN_MEMORY_MIB: "65536",
      INN_HEARTBEAT_MS: "500",
      ...env,
    });
  }

  /** Runs `inn` to its end. */
  async inn(endpoint: string, ...args: readonly string[]): Promise<Finished> {
    const child = this.#spawn("inn", args, { env: { INN_ENDPOINT: endpoint } });
    const [out, err] = [textOf(child.stdout), textOf(child.stderr)];
    await ended(child);
    return { code: child.exitCode, out: out(), err: err() };
  }

  /** The same, with something to read. */
  async innFed(endpoint: string, input: string, ...args: readonly string[]): Promise<Finished> {
    const child = this.#spawn("inn", args, { env: { INN_ENDPOINT: endpoint }, input: "pipe" });
    const [out, err] = [textOf(child.stdout), textOf(child.stderr)];
    child.stdin?.end(input);
    await ended(child);
    return { code: child.exitCode, out: out(), err: err() };
  }

  /** Starts `inn` and does not wait for its end. */
  innLater(endpoint: string, ...args: readonly string[]): Begun {
    const child = this.#spawn("inn", args, { env: { INN_ENDPOINT: endpoint } });
    const [out, err] = [textOf(child.stdout), textOf(child.stderr)];
    return { child, out, err, ended: () => ended(child) };
  }

  /** `kill -9`, and wait for the end. */
  async kill({ child }: Started): Promise<void> {
    child.kill("SIGKILL");
    await ended(child);
  }

  /** Asks to stop. @returns the exit code. */
  async stop({ child }: Started): Promise<number | null> {
    child.kill("SIGTERM");
    await ended(child);
    return child.exitCode;
  }

  /** Hypervisor processes below the scratch directory. */
  guestPids(): number[] {
    return this.leftovers().filter((pid) => commandLineOf(pid).startsWith("qemu-system"));
  }

  /** The process of the guest with this uid. */
  guestPid(uid: string): number {
    const found = this.guestPids().filter((pid) => commandLineOf(pid).includes(uid));
    const [pid] = found;
    if (pid === undefined || found.length !== 1) throw new Error(`${found.length} of ${uid}`);
    return pid;
  }

  /** Those of one guest, or with its epoch of one copy of it. */
  qemuOf(copy: string): number[] {
    return this.guestPids().filter((pid) => commandLineOf(pid).includes(copy));
  }

  /** Every process that names the scratch directory or works in it. */
  leftovers(): number[] {
    return readdirSync("/proc")
      .filter((name) => /^[0-9]+$/.test(name))
      .map(Number)
      .filter((pid) => pid !== process.pid && this.#isBelow(pid));
  }

  /** Ends everything, also after a failure, and removes every file. */
  async dispose(): Promise<void> {
    for (const child of this.#running) child.kill("SIGKILL");
    await Promise.all([...this.#running].map((child) => ended(child)));
    for (const pid of this.leftovers()) process.kill(pid, "SIGKILL");
    await vi.waitFor(() => {
      if (this.leftovers().length > 0) throw new Error("processes are left");
    });
    rmSync(this.directory, { recursive: true, force: true });
  }

  #isBelow(pid: number): boolean {
    return commandLineOf(pid).includes(this.directory) || workOf(pid).includes(this.directory);
  }

  async #start(program: string, args: readonly string[], env: Env): Promise<Started> {
    const child = this.#spawn(program, args, { env });
    const [out, err] = [textOf(child.stdout), textOf(child.stderr)];
    const told = await vi.waitFor(
      () => {
        if (child.exitCode !== null) return {};
        return JSON.parse(out()) as Readonly<Record<string, unknown>>;
      },
      { timeout: START_TIMEOUT_MS, interval: 20 },
    );
    if (child.exitCode !== null) throw new Error(`${program} did not start:\n${err()}`);
    return { address: String(told["address"]), pid: child.pid ?? 0, told, child };
  }

  #spawn(
    program: string,
    args: readonly string[],
    { env, input = "ignore" }: { readonly env: Env; readonly input?: "ignore" | "pipe" },
  ): ChildProcess {
    const file = path.join(ROOT, "dist", `${program}.js`);
    const settings = Object.entries({ INN_LOG_LEVEL: "warn", INN_PROJECT: "", ...env });
    const pairs = settings.map(([name, value]) => `${name}=${value}`);
    const [starter = "env", ...before] = [...this.prefix, "env"];
    const child = spawn(starter, [...before, ...pairs, process.execPath, file, ...args], {
      cwd: this.directory,
      stdio: [input, "pipe", "pipe"],
    });
    this.#running.add(child);
    child.once("exit", () => this.#running.delete(child));
    return child;
  }
}

/** Collects what a stream says. */
function textOf(stream: NodeJS.ReadableStream | null): () => string {
  let text = "";
  stream?.on("data", (bytes: Buffer) => {
    text += bytes.toString();
  });
  return () => text;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await once(child, "close");
}

export const PATIENCE = { timeout: 30_000, interval: 20 };

function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

function workOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return "";
  }
}
