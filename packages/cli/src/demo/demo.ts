/**
 * `inn demo`: the main job on real guests, told as a story. On a cluster of its own, which is gone
 * afterwards, or with `--endpoint` on one that runs, where it removes what it made and leaves out
 * what would touch anything else. Also when it fails.
 */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createClient } from "@innkeeper/client";
import { DomainError } from "@innkeeper/core";
import type { LocalContext } from "../cli-context.js";
import { EXIT } from "../exit-codes.js";
import { ClusterProcesses } from "./cluster-processes.js";
import { consoleLines, guestMoves, guestsPlaced, imagesKnown, nodesUp } from "./first-steps.js";
import { agentDies, allRemoved, removeMade } from "./last-steps.js";
import { fitsNowhere, overQuota } from "./refusals.js";
import type { OwnCluster, Stage } from "./stage.js";
import { DemoFailure, Story } from "./story.js";

export interface DemoOptions {
  readonly json?: boolean;
  readonly keepLogs?: boolean;
  /** Of a controller of a running cluster; undefined = start one. */
  readonly endpoint: string | undefined;
}

export async function runDemo(context: LocalContext, options: DemoOptions): Promise<void> {
  const { terminal, setExitCode } = context;
  const story = new Story((text) => terminal.write(text));
  const failure =
    options.endpoint === undefined
      ? await demoOfOwnCluster(story, context, options)
      : await demoOfRunningCluster(story, context, options.endpoint);
  if (failure !== undefined) setExitCode(EXIT.failed);
  if (options.json === true) terminal.write(`${JSON.stringify(summary(story, failure))}\n`);
}

async function demoOfOwnCluster(
  story: Story,
  { terminal, env }: LocalContext,
  { keepLogs }: DemoOptions,
): Promise<string | undefined> {
  const directory = await mkdtemp(path.join(tmpdir(), "inn-demo-"));
  const processes = new ClusterProcesses({ directory, searchPath: env["PATH"] ?? "" });
  terminal.write("Innkeeper demo: a controller, three node agents, real guests on this host.\n");
  const failure = await failureOf(async () => {
    const controller = await processes.startController();
    const own = { processes, controller, agents: new Map() };
    await withStage({ story, endpoint: controller.address, own, prefix: "" }, tell);
  });
  if (failure !== undefined) {
    terminal.write(`\nfailed: ${failure}\n${processes.lastLogLines()}\n`);
  }
  await processes.endEverything();
  if (keepLogs === true) terminal.write(`logs are kept in ${directory}\n`);
  else await rm(directory, { recursive: true, force: true });
  return failure;
}

async function demoOfRunningCluster(
  story: Story,
  { terminal }: LocalContext,
  endpoint: string,
): Promise<string | undefined> {
  terminal.write(`Innkeeper demo: real guests on the cluster at ${endpoint}.\n`);
  const prefix = `demo-${randomUUID().slice(0, 4)}-`;
  const play = { story, endpoint, own: undefined, prefix };
  const failure = await failureOf(() =>
    withStage(play, async (stage) => {
      try {
        await tell(stage);
      } catch (error) {
        const kept = await failureOf(() => removeMade(stage));
        if (kept !== undefined) terminal.write(`\nnot all could be removed: ${kept}\n`);
        throw error;
      }
    }),
  );
  if (failure !== undefined) terminal.write(`\nfailed: ${failure}\n`);
  return failure;
}

async function failureOf(work: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof DemoFailure || error instanceof DomainError) return error.message;
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

interface Play {
  readonly story: Story;
  readonly endpoint: string;
  readonly own: OwnCluster | undefined;
  readonly prefix: string;
}

async function withStage(
  { story, endpoint, own, prefix }: Play,
  work: (stage: Stage) => Promise<void>,
): Promise<void> {
  const client = createClient(endpoint);
  try {
    const made = { guests: new Set<string>(), images: new Set<string>() };
    await work({ story, client, own, prefix, made });
  } finally {
    client.close();
  }
}

async function tell(stage: Stage): Promise<void> {
  const { story, own } = stage;
  await nodesUp(stage);
  await imagesKnown(stage);
  await guestsPlaced(stage);
  await consoleLines(stage);
  await guestMoves(stage);
  if (own === undefined) story.leaveOut("the quota of a project", "projects cannot be removed");
  else await overQuota(stage);
  await fitsNowhere(stage);
  if (own === undefined) story.leaveOut("the death of an agent", "the agents are not the demo's");
  else await agentDies(stage, own);
  await allRemoved(stage);
  const seconds = (Number(story.figures["totalMs"]) / 1000).toFixed(1);
  story.say(`\nEverything did what it says, in ${seconds} s.`);
}

function summary(story: Story, failure: string | undefined): Record<string, unknown> {
  const ok = failure === undefined;
  return { demo: "innkeeper", ok, ...(ok ? {} : { failure }), ...story.figures };
}
