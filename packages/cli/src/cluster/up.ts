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
import {
  loadControllerSettings,
  type RunningControllerProcess,
  startController,
} from "@innkeeper/controller";
import type { Logger } from "@innkeeper/core";
import { createLogger, LOG_LEVELS } from "@innkeeper/core/platform";
import { parseOneOf } from "@innkeeper/core/wire";
import { loadAgentSettings, type RunningAgentProcess, startAgent } from "@innkeeper/node-agent";
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
  const agents = await startAgents(options, { controller, log });
  tellNodes(terminal, agents);
  terminal.note(`up in ${Date.now() - started} ms; try: inn guest create a --image linux`);
  await untilAborted(signal);
  terminal.note("stopping; guests go on running");
  client.close();
  await Promise.all(agents.map((each) => each.stop()));
  await controller.stop();
}

/** The first one finds out what this host can do; the others read its result. */
async function startAgents(
  options: UpOptions,
  parts: { readonly controller: RunningControllerProcess; readonly log: Logger },
): Promise<RunningAgentProcess[]> {
  const { controller, log } = parts;
  const count = parseCount("--nodes", options.nodes);
  const start = (nodeId: string): Promise<RunningAgentProcess> =>
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
    );
  const [first, ...others] = Array.from({ length: count }, (_, index) => `n${index + 1}`);
  if (first === undefined) return [];
  return [await start(first), ...(await Promise.all(others.map(start)))];
}

/** What is the same on every node is said once. */
function tellNodes(terminal: LocalContext["terminal"], agents: readonly RunningAgentProcess[]) {
  for (const { agent } of agents) {
    const { id, abilities } = agent.introduction;
    const modes = abilities.map((each) => `${each.mode} (${each.engine}, ${each.acceleration})`);
    const adopted = agent.adoptedCount > 0 ? `, ${agent.adoptedCount} guests adopted` : "";
    terminal.note(`node ${id}: ${modes.join(", ") || "cannot run guests"}${adopted}`);
  }
  const problems = new Set(agents.flatMap(({ agent }) => agent.introduction.problems));
  for (const problem of problems) terminal.note(`note: ${problem}`);
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
