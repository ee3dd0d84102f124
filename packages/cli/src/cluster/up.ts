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
import type { DomainError, Logger } from "@innkeeper/core";
import { createLogger, LOG_LEVELS } from "@innkeeper/core/platform";
import { parseInteger, parseOneOf } from "@innkeeper/core/wire";
import { type Agent, loadAgentSettings, startAgent } from "@innkeeper/node-agent";
import type { LocalContext } from "../cli-context.js";
import { parseCount } from "../parse-options.js";
import { installedFile } from "./installed-files.js";

export interface UpOptions {
  readonly data: string;
  readonly listen: string;
  readonly nodes: string;
  readonly engines: string;
  readonly bridge: string;
  readonly log: string;
}

const NODES = { min: 1, max: 16 };
const MACHINE_IMAGES = ["linux", "tiny"];
const CONTAINER_IMAGES = ["rootfs"];
const LISTEN_DEFAULT = "127.0.0.1:7400";

export async function runUp(context: LocalContext, options: UpOptions): Promise<void> {
  const log = createLogger({
    level: parseOneOf("--log", options.log, LOG_LEVELS),
    destination: process.stderr,
  });
  const nodes = parseInteger("--nodes", parseCount("--nodes", options.nodes), NODES);
  const ending: (() => Promise<void>)[] = [];
  try {
    const failure = new Failure();
    await start(context, { options, log, nodes, failure }, ending);
    await Promise.race([untilAborted(context.signal), failure.happened]);
    context.terminal.note("stopping; guests go on running");
  } finally {
    for (const end of ending.reverse()) await end();
  }
}

/** The store's disk has failed: what `inn up` holds can no longer be trusted. */
class Failure {
  fail: (error: DomainError) => void = () => undefined;
  readonly happened = new Promise<never>((_, reject) => {
    this.fail = reject;
  });
}

interface Start {
  readonly failure: Failure;
  readonly options: UpOptions;
  readonly log: Logger;
  readonly nodes: number;
}

/** What it started is ended by `ending`, last first, also when it fails half-way. */
async function start(
  { terminal }: LocalContext,
  { options, log, nodes, failure }: Start,
  ending: (() => Promise<void>)[],
): Promise<void> {
  const startedMs = performance.now();
  const env = { INN_DATA: options.data, INN_LISTEN: options.listen };
  const controller = await startController(loadControllerSettings(env), {
    log: log.child({ component: "controller" }),
    descriptors: await readFile(installedFile("proto", "gen", "descriptors.binpb")),
    onFatal: (error) => failure.fail(error),
  });
  ending.push(() => controller.stop());
  const { address } = controller;
  const dataDirectory = path.resolve(options.data);
  terminal.note(`controller listens on ${address}, data in ${dataDirectory}`);
  await importImages(address, terminal, MACHINE_IMAGES);
  const agents = await startAgents({ options, log, nodes, failure, controller }, ending);
  if (agents.some(offersContainers)) await importImages(address, terminal, CONTAINER_IMAGES);
  tellNodes(terminal, agents);
  const told = agents.map(({ introduction, adoptedCount }) => {
    const { id, abilities, problems } = introduction;
    return { id, adoptedCount, abilities, problems };
  });
  const upMs = Math.round(performance.now() - startedMs);
  const endpoint = address === LISTEN_DEFAULT ? "" : ` --endpoint ${address}`;
  const text = `up in ${upMs} ms; try: inn${endpoint} guest create a --image linux`;
  terminal.result(text, { address, dataDirectory, nodes: told, upMs });
}

/** The first one finds out what this host can do; the others read its result. */
async function startAgents(
  { options, log, nodes, controller }: Start & { readonly controller: RunningControllerProcess },
  ending: (() => Promise<void>)[],
): Promise<Agent[]> {
  const start = async (nodeId: string, index: number): Promise<Agent> => {
    const settings = loadAgentSettings({
      INN_NODE_ID: nodeId,
      INN_CONTROLLER: controller.address,
      INN_LISTEN: "127.0.0.1:0",
      INN_FORWARD_HOST: forwardHostOf(index),
      INN_BRIDGE: options.bridge,
      INN_DATA: path.join(options.data, "nodes", nodeId),
      INN_ENGINES: options.engines,
      INN_RESERVE_MEMORY_MIB: "256",
    });
    const running = await startAgent(settings, {
      log: log.child({ component: "agent", nodeId }),
      hostShare: nodes,
      blobs: controller.controller.blobs,
      probeKernel: installedFile("images", "build", "tiny", "tiny.elf"),
      probeDisk: installedFile("images", "build", "disk", "disk.raw"),
      probeRootfs: installedFile("images", "build", "rootfs", "rootfs.tar.gz"),
      probeCacheFile: path.join(options.data, "acceleration.json"),
    });
    ending.push(() => running.stop());
    return running.agent;
  };
  const [first = "", ...others] = Array.from({ length: nodes }, (_, index) => `n${index + 1}`);
  const rest = others.map((nodeId, index) => start(nodeId, index + 1));
  return [await start(first, 0), ...(await Promise.all(rest))];
}

/** Each node has the same ports on an address of its own. */
function forwardHostOf(index: number): string {
  return `127.0.${Math.floor(index / 250)}.${(index % 250) + 1}`;
}

/** What is the same on every node is said once. */
function tellNodes(terminal: LocalContext["terminal"], agents: readonly Agent[]): void {
  for (const { introduction, adoptedCount } of agents) {
    const { id, abilities } = introduction;
    const modes = abilities.map((each) => `${each.mode} (${each.engine}, ${each.acceleration})`);
    const guests = adoptedCount === 1 ? "1 guest" : `${adoptedCount} guests`;
    const adopted = adoptedCount > 0 ? `, ${guests} adopted` : "";
    terminal.note(`node ${id}: ${modes.join(", ") || "cannot run guests"}${adopted}`);
  }
  const problems = new Set(agents.flatMap(({ introduction }) => introduction.problems));
  for (const problem of problems) terminal.note(`note: ${problem}`);
}

function offersContainers({ introduction }: Agent): boolean {
  return introduction.abilities.some(({ mode }) => mode === "container");
}

async function importImages(
  address: string,
  terminal: LocalContext["terminal"],
  names: readonly string[],
): Promise<void> {
  const client = createClient(address);
  try {
    await importStandardImages(client, terminal, names);
  } finally {
    client.close();
  }
}

/** The images that set-up built, under their own names. Present ones are left as they are. */
export async function importStandardImages(
  client: InnkeeperClient,
  terminal: LocalContext["terminal"],
  names: readonly string[],
): Promise<void> {
  for (const name of names) {
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
