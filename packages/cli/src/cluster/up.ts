/**
 * `inn up`: a whole cluster in one process on the embedded store. Guests outlive it; the next `inn
 * up` adopts them.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import {
  createClient,
  type InnkeeperClient,
  importImage,
  readImageSource,
} from "@innkeeper/client";
import { loadControllerSettings, startController } from "@innkeeper/controller";
import { createLogger, LOG_LEVELS } from "@innkeeper/core/platform";
import { parseOneOf } from "@innkeeper/core/wire";
import { loadAgentSettings, startAgent } from "@innkeeper/node-agent";
import type { LocalContext } from "../cli-context.js";
import { parseCount } from "../parse-options.js";
import { installedFile } from "./installed-files.js";

export interface UpOptions {
  readonly data: string;
  readonly listen: string;
  readonly nodes: string;
  readonly engines: string;
  readonly log: string;
}

export async function runUp(context: LocalContext, options: UpOptions): Promise<void> {
  const { terminal, signal } = context;
  const log = createLogger({
    level: parseOneOf("--log", options.log, LOG_LEVELS),
    destination: process.stderr,
  });
  const env = { INN_DATA: options.data, INN_LISTEN: options.listen };
  const descriptors = await readFile(installedFile("proto", "gen", "descriptors.binpb"));
  const started = Date.now();
  const controller = await startController(loadControllerSettings(env), {
    log: log.child({ component: "controller" }),
    descriptors,
  });
  terminal.note(
    `controller listens on ${controller.address}, data in ${path.resolve(options.data)}`,
  );
  const client = createClient(controller.address);
  await importStandardImages(client, terminal);
  const count = parseCount("--nodes", options.nodes);
  const names = Array.from({ length: count }, (_, index) => `n${index + 1}`);
  const agents = await Promise.all(
    names.map((nodeId) =>
      startAgent(
        loadAgentSettings({
          INN_NODE_ID: nodeId,
          INN_CONTROLLER: controller.address,
          INN_LISTEN: "127.0.0.1:0",
          INN_DATA: path.join(options.data, "nodes", nodeId),
          INN_ENGINES: options.engines,
          INN_RESERVE_MEMORY_MIB: "256",
        }),
        {
          log: log.child({ component: "agent", nodeId }),
          hostShare: count,
          blobs: controller.controller.blobs,
          probeKernel: installedFile("images", "build", "tiny", "tiny.elf"),
          probeCacheFile: path.join(options.data, "acceleration.json"),
        },
      ),
    ),
  );
  for (const { agent } of agents) {
    const { id, abilities, problems } = agent.introduction;
    const modes = abilities.map((each) => `${each.mode} (${each.engine}, ${each.acceleration})`);
    const adopted = agent.adoptedCount > 0 ? `, ${agent.adoptedCount} guests adopted` : "";
    terminal.note(`node ${id}: ${modes.join(", ") || "cannot run guests"}${adopted}`);
    for (const problem of problems) terminal.note(`  ${problem}`);
  }
  terminal.note(`up in ${Date.now() - started} ms; try: inn guest create a --image linux`);
  await untilAborted(signal);
  terminal.note("stopping; guests go on running");
  client.close();
  await Promise.all(agents.map((each) => each.stop()));
  await controller.stop();
}

/** The images that set-up built, under their own names. Present ones are left as they are. */
export async function importStandardImages(
  client: InnkeeperClient,
  terminal: LocalContext["terminal"],
): Promise<void> {
  for (const name of ["linux", "tiny"]) {
    const source = await readImageSource(installedFile("images", "build", name, "image.json"));
    const image = await importImage(client, source);
    terminal.note(`image ${name}: sha256 ${image?.digest.slice(0, 16) ?? ""}`);
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
