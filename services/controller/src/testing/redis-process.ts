/**
 * Real `redis-server` processes for tests and benchmarks: each with its own directory and a free
 * port, ended by its id.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const START_TRIES_MAX = 5;

export interface RedisProcessOptions {
  /** Lines of redis.conf. */
  readonly settings?: readonly string[];
  readonly mode?: "server" | "sentinel";
  /** A line of the log that says it is up. */
  readonly upWhen?: RegExp;
}

export class RedisProcess {
  readonly directory: string;
  readonly port: number;
  readonly #options: RedisProcessOptions;
  #child: ChildProcess | undefined;

  private constructor(directory: string, port: number, options: RedisProcessOptions) {
    this.directory = directory;
    this.port = port;
    this.#options = options;
  }

  static async start(options: RedisProcessOptions = {}): Promise<RedisProcess> {
    for (let attempt = 1; ; attempt += 1) {
      const directory = await mkdtemp(join(tmpdir(), "innkeeper-redis-"));
      const redis = new RedisProcess(directory, await freePort(), options);
      try {
        await redis.startAgain();
        return redis;
      } catch (error) {
        await redis.remove();
        if (attempt === START_TRIES_MAX) throw error;
      }
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** With the same directory and port. */
  async startAgain(): Promise<void> {
    const {
      settings = [],
      mode = "server",
      upWhen = /Ready to accept connections/,
    } = this.#options;
    const file = join(this.directory, "redis.conf");
    const lines = [`dir ${this.directory}`, "bind 127.0.0.1", ...ownSettings(mode), ...settings];
    const hasPort = settings.some((line) => line.startsWith("port "));
    if (!hasPort) lines.push(`port ${this.port}`);
    await writeFile(file, `${lines.join("\n").replaceAll("$PORT", String(this.port))}\n`);
    const args = mode === "sentinel" ? [file, "--sentinel"] : [file];
    const child = spawn("redis-server", args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    await logged(child, mode === "sentinel" ? /\+monitor/ : upWhen);
  }

  /** As a power cut for the process. */
  async kill(signal: "SIGKILL" | "SIGSTOP" | "SIGCONT" = "SIGKILL"): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    if (signal === "SIGKILL") await exited;
  }

  async remove(): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }
}

function ownSettings(mode: "server" | "sentinel"): readonly string[] {
  return mode === "sentinel" ? [] : ['save ""', "protected-mode no"];
}

async function logged(child: ChildProcess, wanted: RegExp): Promise<void> {
  let log = "";
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on("data", (chunk: Buffer) => {
      if (wanted.test(log)) return;
      log += chunk.toString();
      if (wanted.test(log)) resolve();
    });
    child.once("error", reject);
    child.once("exit", () => {
      reject(new Error(`redis-server ended: ${log}`));
    });
  });
}

export async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listenAnywhere(server);
  server.close();
  await once(server, "close");
  return port;
}

export async function listenAnywhere(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("it listens on a port");
  return address.port;
}
