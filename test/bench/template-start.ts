/**
 * Guests of the small Linux that begin from a template, against the same guests booted, the two in
 * turn in one cluster: from the request until the first word of a program in the guest, and until
 * RUNNING.
 */
import { readFileSync } from "node:fs";
import type { InnkeeperClient } from "@innkeeper/client";
import { MODE_TO_PROTO } from "@innkeeper/core/wire";
import { Guest } from "@innkeeper/proto/innkeeper/v1/guest";
import { finished } from "../../packages/cli/src/demo/guests.js";
import type { QemuMode } from "../../services/node-agent/src/engines/qemu/modes.js";
import { consoleOf } from "./bare-qemu.js";
import { againstBaseline, type BenchResult } from "./report.js";
import { median, rounded } from "./statistics.js";
import { until } from "./until.js";

const ROUNDS = 11;
const RESOURCES = { cpuMillis: 1000, memoryMib: 256, diskMib: 0 };
/** The first word: of a template's guest that it knows who it is, else of the first program. */
const FIRST_WORD = /innkeeper-guest: (identity taken|up )/;

export interface TemplateCluster {
  readonly client: InnkeeperClient;
  readonly agentDirectory: string;
}

interface Times {
  readonly firstWordMs: number;
  readonly runningMs: number;
}

export async function measureTemplates(
  cluster: TemplateCluster,
  mode: QemuMode,
): Promise<BenchResult[]> {
  await makeTemplate(cluster, mode);
  const [quick, booted]: [Times[], Times[]] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    booted.push(await start(cluster, aGuest(mode, `cold-${round}`)));
    quick.push(await start(cluster, quickGuest(mode, `quick-${round}`)));
  }
  const row = (name: string, key: keyof Times): BenchResult => {
    const [value, baseline] = [quick, booted].map((all) => rounded(median(all.map((t) => t[key]))));
    return againstBaseline({ name, value: value ?? 0, unit: "ms", baseline: baseline ?? 0 });
  };
  return [
    row(`template-start-ms:${mode}`, "firstWordMs"),
    row(`template-running-ms:${mode}`, "runningMs"),
    { name: `template-launch-ms:${mode}`, value: await launchMs(cluster, mode), unit: "ms" },
  ];
}

/** What the node measured from the engine's launch on, and rounded up. */
async function launchMs({ client }: TemplateCluster, mode: QemuMode): Promise<number> {
  const { node } = await client.nodes.getNode({ nodeId: "n1" });
  const found = node?.templates.find((each) => each.mode === MODE_TO_PROTO[mode]);
  return found?.startMs ?? 0;
}

async function makeTemplate(cluster: TemplateCluster, mode: QemuMode): Promise<void> {
  await start(cluster, quickGuest(mode, "first"));
  await until(async () => (await launchMs(cluster, mode)) > 0, "a template");
}

async function start({ client, agentDirectory }: TemplateCluster, guest: Guest): Promise<Times> {
  const startedMs = performance.now();
  const { operation } = await client.guests.createGuest({ guest, requestId: "" });
  const file = consoleOf(agentDirectory, operation?.guestUid ?? "");
  const spoken = until(() => FIRST_WORD.test(textOf(file)), "the first word").then(
    () => performance.now() - startedMs,
  );
  await finished(client, operation);
  const runningMs = performance.now() - startedMs;
  const firstWordMs = await spoken;
  const { id: guestId } = guest;
  const { operation: deleting } = await client.guests.deleteGuest({
    projectId: "",
    guestId,
    requestId: "",
  });
  await finished(client, deleting);
  return { firstWordMs, runningMs };
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return "";
  }
}

function aGuest(mode: QemuMode, id: string, more: object = {}): Guest {
  const spec = { imageId: "linux", mode: MODE_TO_PROTO[mode], resources: RESOURCES, ...more };
  return Guest.fromPartial({ id, spec });
}

function quickGuest(mode: QemuMode, id: string): Guest {
  return aGuest(mode, id, { needs: { startWithin: { seconds: 10, nanos: 0 } } });
}
