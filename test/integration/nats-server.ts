/** A real nats-server with JetStream as a child process, on a port and a directory of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { NatsLink, type NatsOptions } from "@innkeeper/core/platform/nats";
import { silentLogger } from "@innkeeper/core/testing";
import { expect, vi } from "vitest";

const READY = "Server is ready";
const READY_MS_MAX = 20_000;
const PROGRAM = "nats-server";

export class NatsServer {
  readonly #links: NatsLink[] = [];
  #child: ChildProcess | undefined;

  private constructor(
    readonly port: number,
    readonly directory: string,
  ) {}

  /** @param config goes into the configuration file beside the address and the storage */
  static async start(config = ""): Promise<NatsServer> {
    const directory = mkdtempSync(path.join(tmpdir(), "inn-nats-"));
    const server = new NatsServer(await freePort(), directory);
    server.configure(config);
    await server.run();
    return server;
  }

  /** In force at the next `run`. */
  configure(config: string): void {
    const storage = JSON.stringify(path.join(this.directory, "jetstream"));
    const address = `listen: "127.0.0.1:${this.port}"`;
    const text = `${address}\njetstream { store_dir: ${storage} }\n${config}\n`;
    writeFileSync(this.#configFile(), text);
  }

  async run(): Promise<void> {
    const child = spawn(PROGRAM, ["-c", this.#configFile()], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child = child;
    await ready(child);
  }

  /** Ends it by the signal and waits until it is gone. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGCONT");
    child.kill(signal);
    await ended;
  }

  /** Silent, but there: neither answers nor closes. */
  freeze(): void {
    this.#child?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child?.kill("SIGCONT");
  }

  link(options: Partial<NatsOptions> = {}): NatsLink {
    const link = NatsLink.open({ ...this.options(), ...options }, silentLogger);
    this.#links.push(link);
    return link;
  }

  options(): NatsOptions {
    return {
      servers: [`127.0.0.1:${this.port}`],
      name: "test",
      credentials: undefined,
      tls: undefined,
      connectTimeoutMs: 2_000,
      reconnectMs: 50,
      pingMs: 500,
    };
  }

  /** Closes the links and ends the server. */
  async end(): Promise<void> {
    await Promise.all(this.#links.map((link) => link.close()));
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #configFile(): string {
    return path.join(this.directory, "nats.conf");
  }
}

async function ready(child: ChildProcess): Promise<void> {
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    if (!said.includes(READY)) said += chunk.toString();
  });
  child.once("error", (error) => {
    said += String(error);
  });
  await vi.waitFor(() => expect(said).toContain(READY), { timeout: READY_MS_MAX, interval: 5 });
}

/** A port that nobody listens on yet. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
