#!/usr/bin/env node
/** `inn-controller`: reads the environment, starts, stops at SIGTERM. */
import { readFile } from "node:fs/promises";
import { createLogger } from "@innkeeper/core/platform";
import { loadControllerSettings } from "./config.js";
import { startController } from "./start-controller.js";

const DESCRIPTORS = new URL("../proto/gen/descriptors.binpb", import.meta.url);

async function main(): Promise<void> {
  const settings = loadControllerSettings(process.env);
  const { controllerId, logLevel } = settings;
  const log = createLogger({ level: logLevel, destination: process.stderr }).child({
    controllerId,
  });
  const running = await startController(settings, {
    log,
    descriptors: await readFile(DESCRIPTORS),
  });
  process.stdout.write(`${JSON.stringify({ address: running.address })}\n`);
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
  process.stderr.write(
    `inn-controller: ${error instanceof Error ? error.message : String(error)}\n`,
  );
  process.exitCode = 1;
});
