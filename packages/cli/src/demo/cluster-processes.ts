/**
 * The demo's cluster: one controller and three node agents, each a process of its own, all below
 * one directory.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { installedFile } from "../cluster/installed-files.js";
import { DemoFailure, must } from "./story.js";

const START_TIMEOUT_MS = 60_000;
const LOG_LINES_SHOWN = 10;
/** QEMU of a virtual machine, the holder of a container. */
const GUEST_PROCESS = /^(qemu-system|innkeeper-holder)/;
/** What containers of one image share stays for the next one. */
const UNPACKED_IMAGES = "images";

export interface StartedProcess {
  readonly address: string;
  readonly adoptedCount: number;
  readonly child: ChildProcess;
}

export class ClusterProcesses {
  readonly #running = new Set<ChildProcess>();

  readonly directory: string;
  readonly #searchPath: string;

  /** `searchPath` is the PATH on which the agents find QEMU. */
  constructor({ directory, searchPath }: { directory: string; searchPath: string }) {
    this.directory = directory;
    this.#searchPath = searchPath;
  }

  /** `settings` are environment variables that replace the demo's own. */
  async startController(settings: Readonly<Record<string, string>> = {}): Promise<StartedProcess> {
    return await this.#start("inn-controller", {
      INN_LISTEN: "127.0.0.1:0",
      INN_DATA: path.join(this.directory, "controller"),
      ...settings,
    });
  }

  /** The same for an agent. */
  async startAgent(
    nodeId: string,
    controller: string,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<StartedProcess> {
    return await this.#start("inn-agent", {
      INN_NODE_ID: nodeId,
      INN_CONTROLLER: controller,
      INN_LISTEN: "127.0.0.1:0",
      INN_DATA: path.join(this.directory, nodeId),
      INN_CPU_MILLIS: "2000",
      INN_MEMORY_MIB: "2048",
      INN_RESERVE_MEMORY_MIB: "256",
      INN_DISK_MIB: "1024",
      INN_ENGINES: "qemu,container",
      ...settings,
    });
  }

  /** `kill -9`, and wait for the end. */
  async kill({ child }: StartedProcess): Promise<void> {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }

  /** Asks every process to stop and waits; what does not obey is killed. */
  async stopAll(): Promise<void> {
    await Promise.all([...this.#running].map((child) => stop(child)));
  }

  /** Ends the cluster and, after a failure, also the guests that would outlive it. */
  async endEverything(): Promise<void> {
    await this.stopAll();
    // A container is a child of its holder, whose command line names us.
    const left = this.leftovers();
    for (const pid of [...left.flatMap(childrenOf), ...left]) killIfThere(pid);
  }

  /** Processes on this host, other than ours, that name our directory or work below it. */
  leftovers(): number[] {
    return processesNaming(this.directory);
  }

  /** Hypervisor processes of one node, by id. */
  guestProcesses(nodeId: string): number[] {
    return this.allGuestProcesses().filter((pid) => isAbout(pid, this.#of(nodeId)));
  }

  allGuestProcesses(): number[] {
    return this.leftovers().filter((pid) => GUEST_PROCESS.test(commandLineOf(pid)));
  }

  /** What is left in the directories where nodes keep their guests. */
  guestFiles(): string[] {
    const nodes = readdirSync(this.directory).flatMap((name) =>
      ["guests", "containers"].map((kind) => `${this.#of(name)}${kind}`),
    );
    const names = nodes.filter((each) => existsSync(each)).flatMap((each) => readdirSync(each));
    return names.filter((name) => name !== UNPACKED_IMAGES);
  }

  /** The newest lines of all logs, to explain a failure. */
  lastLogLines(): string {
    const logs = readdirSync(this.directory).filter((name) => name.endsWith(".log"));
    const tails = logs.map((name) => {
      const lines = readFileSync(path.join(this.directory, name), "utf8").trimEnd().split("\n");
      return [`--- ${name}`, ...lines.slice(-LOG_LINES_SHOWN)].join("\n");
    });
    return tails.join("\n");
  }

  #of(nodeId: string): string {
    return `${path.join(this.directory, nodeId)}/`;
  }

  async #start(program: string, env: Readonly<Record<string, string>>): Promise<StartedProcess> {
    const logFile = path.join(this.directory, `${program}-${env["INN_NODE_ID"] ?? "1"}.log`);
    const log = openSync(logFile, "a");
    const child = spawn(process.execPath, [installedFile("dist", `${program}.js`)], {
      env: { PATH: this.#searchPath, INN_LOG_LEVEL: "info", ...env },
      stdio: ["ignore", "pipe", log],
    });
    closeSync(log);
    this.#running.add(child);
    child.once("exit", () => this.#running.delete(child));
    const line = await firstLine(child);
    must(
      line !== undefined,
      `${program} did not start:\n${readFileSync(logFile, "utf8").slice(-2000)}`,
    );
    const { address, adoptedCount = 0 } = JSON.parse(line) as StartedProcess;
    return { address, adoptedCount, child };
  }
}

async function firstLine(child: ChildProcess): Promise<string | undefined> {
  if (child.stdout === null) throw new DemoFailure("a process has no standard output");
  const timeout = setTimeout(() => child.kill("SIGKILL"), START_TIMEOUT_MS);
  try {
    for await (const line of createInterface({ input: child.stdout })) return line;
    return undefined;
  } finally {
    clearTimeout(timeout);
    child.stdout.resume();
  }
}

async function stop(child: ChildProcess): Promise<void> {
  const force = setTimeout(() => child.kill("SIGKILL"), 5_000);
  child.kill("SIGTERM");
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  clearTimeout(force);
}

function processesNaming(text: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && isAbout(pid, text));
}

/** QEMU may run as a user who sees no path of ours: it works in the directory of its guest. */
function isAbout(pid: number, text: string): boolean {
  return commandLineOf(pid).includes(text) || workOf(pid).includes(text);
}

function workOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return "";
  }
}

function childrenOf(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    return children.split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended with its parent.
  }
}

function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}
