/**
 * A real controller and simulated nodes inside the test's process, over real gRPC, so that a test
 * can look into the store and at every error that was logged.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import {
  createClient,
  type InnkeeperClient,
  importImage,
  readImageSource,
} from "@innkeeper/client";
import {
  loadControllerSettings,
  type RunningControllerProcess,
  startController,
} from "@innkeeper/controller";
import type { LogFields, Logger } from "@innkeeper/core";
import { loadAgentSettings, type RunningAgentProcess, startAgent } from "@innkeeper/node-agent";
import { vi } from "vitest";
import { PATIENCE } from "./programs.js";

const DESCRIPTORS = fileURLToPath(new URL("../../proto/gen/descriptors.binpb", import.meta.url));

const TINY = fileURLToPath(new URL("../../images/build/tiny/image.json", import.meta.url));

export class InProcessCluster {
  readonly directory = mkdtempSync(path.join(tmpdir(), "inn-test-"));
  /** Everything that was logged as an error. */
  readonly errors: string[] = [];
  readonly #log = errorsTo(this.errors);
  readonly #agents: RunningAgentProcess[] = [];
  #controller: RunningControllerProcess | undefined;
  #client: InnkeeperClient | undefined;

  get controller(): RunningControllerProcess {
    if (this.#controller === undefined) throw new Error("the controller was not started");
    return this.#controller;
  }

  get client(): InnkeeperClient {
    if (this.#client === undefined) throw new Error("the controller was not started");
    return this.#client;
  }

  /** On the same data as the one before. */
  async startController(env: Readonly<Record<string, string>> = {}): Promise<void> {
    const settings = loadControllerSettings({
      INN_LISTEN: "127.0.0.1:0",
      INN_DATA: path.join(this.directory, "controller"),
      ...env,
    });
    this.#controller = await startController(settings, {
      log: this.#log,
      descriptors: readFileSync(DESCRIPTORS),
      onFatal: (error) => this.errors.push(error.message),
    });
    this.#client = createClient(this.#controller.address);
  }

  async startAgent(nodeId: string): Promise<RunningAgentProcess> {
    const settings = loadAgentSettings({
      INN_NODE_ID: nodeId,
      INN_CONTROLLER: this.controller.address,
      INN_LISTEN: "127.0.0.1:0",
      INN_DATA: path.join(this.directory, nodeId),
      INN_ENGINES: "sim",
      INN_CPU_MILLIS: "64000",
      INN_MEMORY_MIB: "65536",
      INN_HEARTBEAT_MS: "500",
    });
    const running = await startAgent(settings, {
      log: this.#log,
      hostShare: 1,
      blobs: undefined,
      probeKernel: "",
      probeDisk: "",
      probeRootfs: "",
      probeCacheFile: path.join(this.directory, "probe.json"),
    });
    this.#agents.push(running);
    await vi.waitFor(async () => {
      const { node } = await this.client.nodes.getNode({ nodeId });
      if (node?.abilities.length === 0) throw new Error("it has not joined");
    }, PATIENCE);
    return running;
  }

  /** The image `tiny`, as set-up built it; also under another name, in need of more memory. */
  async importTiny(id = "tiny", memoryMibMin = 8): Promise<void> {
    const source = await readImageSource(TINY, id);
    await importImage(this.client, { ...source, manifest: { ...source.manifest, memoryMibMin } });
  }

  async stopController(): Promise<void> {
    this.#client?.close();
    await this.#controller?.stop();
    this.#controller = undefined;
  }

  async dispose(): Promise<void> {
    for (const agent of this.#agents) await agent.stop();
    await this.stopController();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A logger that keeps errors and says nothing. */
function errorsTo(errors: string[]): Logger {
  const ignore = (): void => undefined;
  const logger: Logger = {
    debug: ignore,
    info: ignore,
    warn: ignore,
    error: (fields: LogFields, sentence: string) => {
      const { error } = fields;
      errors.push(`${sentence}: ${error instanceof Error ? error.stack : JSON.stringify(fields)}`);
    },
    child: () => logger,
  };
  return logger;
}
