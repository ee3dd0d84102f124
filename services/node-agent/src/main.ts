#!/usr/bin/env node
/**
 * `inn-agent`: reads the environment, adopts, joins, stops at SIGTERM. Guests go on running without
 * it.
 */
import path from "node:path";
import { fileURLToPath } from "node:url";
import { createLogger } from "@innkeeper/core/platform";
import { loadAgentSettings } from "./config.js";
import { startAgent } from "./start-agent.js";

const TINY_KERNEL = fileURLToPath(new URL("../images/build/tiny/tiny.elf", import.meta.url));

async function main(): Promise<void> {
  const settings = loadAgentSettings(process.env);
  const { nodeId, logLevel, probeKernel, dataDirectory } = settings;
  const log = createLogger({ level: logLevel, destination: process.stderr }).child({ nodeId });
  const running = await startAgent(settings, {
    log,
    hostShare: 1,
    blobs: undefined,
    probeKernel: probeKernel || TINY_KERNEL,
    probeCacheFile: path.join(dataDirectory, "acceleration.json"),
  });
  const { adoptedCount } = running.agent;
  process.stdout.write(`${JSON.stringify({ address: running.address, adoptedCount })}\n`);
  const stop = (): void => {
    running.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ error }, "the shutdown failed");
        process.exit(1);
      },
    );
  };
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
}

main().catch((error: unknown) => {
  process.stderr.write(`inn-agent: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
