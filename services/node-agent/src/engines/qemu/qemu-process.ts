/**
 * One QEMU process: started by this agent, or found again after a restart. A found process is ours
 * only if its command line says so, so a process id that the system gave to somebody else is never
 * touched.
 */
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { type Clock, type CopyUsage, unavailable } from "@innkeeper/core";
import { copyName } from "../copy-name.js";
import type { CopyDirectory } from "./copy-directory.js";
import type { ProcessEnd } from "./exit-reason.js";
import { processUsage } from "./process-usage.js";

/** Pause between looks at a process that is about to be gone. */
const POLL_MS = 2;

interface Life {
  isAlive(): boolean;
  /** How it ended; undefined while it runs, and for a process that another one started. */
  end(): ProcessEnd | undefined;
}

export class QemuProcess {
  private constructor(
    readonly pid: number,
    private readonly life: Life,
    private readonly clock: Clock,
  ) {}

  /**
   * In a session of its own, so that it outlives this process. @throws `unavailable` when it cannot
   * be started.
   */
  static async start(start: {
    /** The program and its arguments; it is or becomes QEMU. */
    readonly command: readonly string[];
    /** Directories and files to be open in it for reading, from descriptor 3 on. */
    readonly opened: readonly string[];
    readonly directory: CopyDirectory;
    readonly clock: Clock;
  }): Promise<QemuProcess> {
    const { command, opened: paths, directory, clock } = start;
    const [executable = "", ...args] = command;
    const errors = openSync(directory.file("errors"), "a", 0o600);
    const opened = [errors];
    try {
      for (const each of paths) opened.push(openSync(each, "r"));
      const stdio: StdioOptions = ["ignore", "ignore", ...opened];
      const child = spawn(executable, args, { cwd: directory.path, detached: true, stdio });
      const pid = await started(child, executable);
      child.unref();
      return new QemuProcess(pid, lifeOfChild(child), clock);
    } finally {
      for (const each of opened) closeSync(each);
    }
  }

  /** The process of a copy that an earlier agent started; undefined when there is none. */
  static async find(directory: CopyDirectory, clock: Clock): Promise<QemuProcess | undefined> {
    const name = copyName(directory.ref);
    const noted = await directory.pid();
    const pid = noted !== undefined && isNamed(noted, name) ? noted : scan(name);
    if (pid === undefined) return undefined;
    const life = { isAlive: () => isNamed(pid, name), end: () => undefined };
    return new QemuProcess(pid, life, clock);
  }

  /** As the system counts it; undefined when it is gone. */
  usage(): CopyUsage | undefined {
    return processUsage(this.pid);
  }

  get end(): ProcessEnd | undefined {
    return this.life.end();
  }

  kill(): void {
    if (!this.life.isAlive()) return;
    try {
      process.kill(this.pid, "SIGKILL");
    } catch {
      // It ended between the look and the kill.
    }
  }

  /** True as soon as the process is gone; false when it is still there after the time. */
  async isGoneWithin(timeoutMs: number): Promise<boolean> {
    const { clock } = this;
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    while (this.life.isAlive()) {
      if (clock.monotonicMs() >= deadlineMs) return false;
      await new Promise<void>((resolve) => {
        clock.schedule(POLL_MS, resolve);
      });
    }
    return true;
  }
}

function lifeOfChild(child: ChildProcess): Life {
  const end = (): ProcessEnd | undefined => {
    const { exitCode, signalCode } = child;
    if (exitCode === null && signalCode === null) return undefined;
    return { code: exitCode ?? undefined, signal: signalCode ?? undefined };
  };
  return { isAlive: () => end() === undefined, end };
}

function started(child: ChildProcess, executable: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", (error) => {
      reject(unavailable("engine", `${executable} cannot be started: ${error.message}`, error));
    });
    if (child.pid !== undefined) resolve(child.pid);
  });
}

/** A zombie has no command line left and counts as gone. */
function isNamed(pid: number, name: string): boolean {
  try {
    const args = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return args[args.indexOf("-name") + 1] === name;
  } catch {
    return false;
  }
}

/** For a process that was killed or left before it noted its id. */
function scan(name: string): number | undefined {
  const pids = readdirSync("/proc").filter((each) => /^[0-9]+$/.test(each));
  return pids.map(Number).find((pid) => isNamed(pid, name));
}
