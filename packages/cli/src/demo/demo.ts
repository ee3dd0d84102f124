/**
 * `inn demo`: the main job on real guests, told as a story. Everything it makes is gone afterwards,
 * also when it fails.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createClient } from "@innkeeper/client";
import { DomainError } from "@innkeeper/core";
import type { LocalContext } from "../cli-context.js";
import { EXIT } from "../exit-codes.js";
import { ClusterProcesses } from "./cluster-processes.js";
import { consoleLines, guestMoves, guestsPlaced, imagesKnown, nodesUp } from "./first-steps.js";
import { agentDies, allRemoved } from "./last-steps.js";
import { fitsNowhere, overQuota } from "./refusals.js";
import type { Stage } from "./stage.js";
import { DemoFailure, Story } from "./story.js";

export interface DemoOptions {
  readonly json?: boolean;
  readonly keepLogs?: boolean;
}

export async function runDemo(context: LocalContext, options: DemoOptions): Promise<void> {
  const { terminal, env, setExitCode } = context;
  const story = new Story((text) => terminal.write(text));
  const directory = await mkdtemp(path.join(tmpdir(), "inn-demo-"));
  const processes = new ClusterProcesses({ directory, searchPath: env["PATH"] ?? "" });
  terminal.write("Innkeeper demo: a controller, three node agents, real guests on this host.\n");
  const failure = await failureOf(() => tell(story, processes));
  if (failure !== undefined) {
    terminal.write(`\nfailed: ${failure}\n${processes.lastLogLines()}\n`);
    setExitCode(EXIT.failed);
  }
  await processes.endEverything();
  if (options.keepLogs === true) terminal.write(`logs are kept in ${directory}\n`);
  else await rm(directory, { recursive: true, force: true });
  if (options.json === true) terminal.write(`${JSON.stringify(summary(story, failure))}\n`);
}

async function failureOf(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof DemoFailure || error instanceof DomainError) return error.message;
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

async function tell(story: Story, processes: ClusterProcesses): Promise<void> {
  const controller = await processes.startController();
  const client = createClient(controller.address);
  const stage: Stage = { story, client, processes, controller, agents: new Map() };
  try {
    await nodesUp(stage);
    await imagesKnown(stage);
    await guestsPlaced(stage);
    await consoleLines(stage);
    await guestMoves(stage);
    await overQuota(stage);
    await fitsNowhere(stage);
    await agentDies(stage);
    await allRemoved(stage);
  } finally {
    client.close();
  }
  const seconds = (Number(story.figures["totalMs"]) / 1000).toFixed(1);
  story.say(`\nEverything did what it says, in ${seconds} s.`);
}

function summary(story: Story, failure: string | undefined): Record<string, unknown> {
  const ok = failure === undefined;
  return { demo: "innkeeper", ok, ...(ok ? {} : { failure }), ...story.figures };
}
