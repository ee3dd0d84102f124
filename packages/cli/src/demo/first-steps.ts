/** The demo's first half: nodes, images, guests, their consoles, a live move. */
import { importImage, readImageSource } from "@innkeeper/client";
import { MODE_TO_PROTO } from "@innkeeper/core/wire";
import type { Mode } from "@innkeeper/proto/innkeeper/v1/resources";
import { installedFile } from "../cluster/installed-files.js";
import { enumName, table } from "../output/table.js";
import { createOwn, finished, get, type NewGuest, nodeOf } from "./guests.js";
import { HeartbeatWatch } from "./heartbeat-watch.js";
import { guestName, type OwnCluster, type Stage } from "./stage.js";
import { must } from "./story.js";

const NODE_NAMES = ["n1", "n2", "n3"];
const BOOT_TIMEOUT_MS = 60_000;
/** The guest that moves beats often, so that a gap can be seen. */
const MOVER_BEAT_MS = 100;

const GUESTS: readonly NewGuest[] = [
  {
    id: "db",
    image: "linux",
    mode: "hybrid",
    memoryMib: 128,
    commandLine: `hostname=db beat_ms=${MOVER_BEAT_MS}`,
  },
  { id: "web", image: "linux", mode: "paravirt", memoryMib: 128, commandLine: "hostname=web" },
  { id: "job", image: "linux", mode: "auto", memoryMib: 128, commandLine: "hostname=job" },
  { id: "tick", image: "tiny", mode: "auto", memoryMib: 32, commandLine: "beat=5" },
];
/** Joins the others where a node offers containers. */
const CONTAINER: NewGuest = {
  id: "box",
  image: "rootfs",
  mode: "container",
  memoryMib: 32,
  commandLine: "hostname=box",
};

async function guestsOf({ client }: Stage): Promise<readonly NewGuest[]> {
  const { nodes } = await client.nodes.listNodes({ pageSize: 0, pageToken: "" });
  const modes = nodes.flatMap((node) => node.abilities.map((each) => each.mode));
  return modes.includes(MODE_TO_PROTO.container) ? [...GUESTS, CONTAINER] : GUESTS;
}

export async function nodesUp({ story, client, own }: Stage): Promise<void> {
  await story.step(own ? "Three nodes come up" : "The nodes that are there", async () => {
    const startedMs = performance.now();
    if (own !== undefined) await startNodes(own);
    const nodes = await untilNodes(client, own ? NODE_NAMES.length : 1);
    story.record({ nodesUpMs: Math.round(performance.now() - startedMs) });
    const rows = nodes.map((node) => [
      node.id,
      `${node.allocatable?.cpuMillis ?? 0}m CPU, ${node.allocatable?.memoryMib ?? 0} MiB to give`,
      node.abilities.map((each) => enumName(each.mode, "MODE_").toLowerCase()).join(" + "),
      `${node.abilities[0]?.engine ?? "none"} ${node.abilities[0]?.engineVersion ?? ""}`,
      node.abilities[0]?.acceleration ?? "none",
    ]);
    story.say(table(["NODE", "CAPACITY", "MODES", "ENGINE", "ACCELERATION"], rows));
    for (const problem of nodes[0]?.problems ?? []) story.say(`note: ${problem}`);
    must(
      own === undefined || nodes.every(({ abilities }) => offersBoth(abilities)),
      "every node offers hybrid and paravirt",
    );
  });
}

function offersBoth(abilities: readonly { readonly mode: Mode }[]): boolean {
  const modes = abilities.map(({ mode }) => mode);
  return [MODE_TO_PROTO.hybrid, MODE_TO_PROTO.paravirt].every((mode) => modes.includes(mode));
}

async function startNodes({ processes, controller, agents }: OwnCluster): Promise<void> {
  const start = async (name: string): Promise<void> => {
    agents.set(name, await processes.startAgent(name, controller.address));
  };
  const [first = "", ...others] = NODE_NAMES;
  await start(first);
  await Promise.all(others.map(start));
}

async function untilNodes(client: Stage["client"], count: number) {
  const deadlineMs = performance.now() + BOOT_TIMEOUT_MS;
  for (;;) {
    const { nodes } = await client.nodes.listNodes({ pageSize: 0, pageToken: "" });
    const ready = nodes.filter((node) => enumName(node.state, "NODE_STATE_") === "READY");
    if (ready.length >= count) return ready;
    must(performance.now() < deadlineMs, `${count} nodes did not join in time`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export async function imagesKnown(stage: Stage): Promise<void> {
  const { story, client, made } = stage;
  await story.step("Images are streamed in, verified and named by their content", async () => {
    const page = { pageSize: 0, pageToken: "" };
    const present = (await client.images.listImages(page)).images.map(({ id }) => id);
    const names = new Set((await guestsOf(stage)).map(({ image }) => image));
    for (const name of names) {
      if (present.includes(name)) {
        story.say(`${name.padEnd(6)} was there before and is used as it is`);
        continue;
      }
      made.images.add(name);
      const file = installedFile("images", "build", name, "image.json");
      const image = await importImage(client, await readImageSource(file));
      must(image !== undefined, `image ${name} was not imported`);
      const bytes = image.manifest?.blobs.reduce((sum, blob) => sum + blob.sizeBytes, 0) ?? 0;
      story.say(
        `${name.padEnd(6)} ${(bytes / 1024 / 1024).toFixed(2)} MiB, sha256 ${image.digest}`,
      );
    }
  });
}

export async function guestsPlaced(stage: Stage): Promise<void> {
  const { story, client, own } = stage;
  await story.step("Guests are asked for by gRPC, placed, and boot", async () => {
    const guests = await guestsOf(stage);
    const askedMs = performance.now();
    const operations = await Promise.all(guests.map((guest) => createOwn(stage, guest)));
    const watches = guests.map((guest) => new HeartbeatWatch(stage, guest.id));
    const runningMs = operations.map(async (operation) => {
      await finished(client, operation);
      return Math.round(performance.now() - askedMs);
    });
    for (const [index, { id, image }] of guests.entries()) {
      const running = await runningMs[index];
      await watches[index]?.until(
        (watch) => watch.beats.length > 0,
        `${id} boots`,
        BOOT_TIMEOUT_MS,
      );
      const firstBeatMs = Math.round((watches[index]?.beats[0]?.atMs ?? 0) - askedMs);
      const placed = await get(stage, id);
      story.say(`${id.padEnd(4)} ${image}: ${placed.status?.placement?.message ?? ""}`);
      story.say(`     RUNNING after ${running} ms, first heartbeat after ${firstBeatMs} ms`);
      story.record({ [`${id}RunningMs`]: running ?? 0, [`${id}FirstBeatMs`]: firstBeatMs });
      must(nodeOf(placed) !== "nowhere", `${id} has a node`);
    }
    await Promise.all(watches.map((watch) => watch.stop()));
    const nodes = new Set(
      await Promise.all(guests.map(async ({ id }) => nodeOf(await get(stage, id)))),
    );
    must(
      own === undefined || nodes.size === NODE_NAMES.length,
      "the guests are spread over all nodes",
    );
  });
}

export async function consoleLines(stage: Stage): Promise<void> {
  const { story } = stage;
  await story.step("Console lines from inside the guests", async () => {
    for (const { id } of await guestsOf(stage)) {
      const watch = new HeartbeatWatch(stage, id);
      await watch.until(({ beats }) => beats.length > 0, `${id} speaks`, BOOT_TIMEOUT_MS);
      await watch.stop();
      const lines = watch.lines.filter((line) => line.startsWith("innkeeper-guest"));
      must(
        lines.some((line) => line.includes(": up")),
        `${id} said that it is up`,
      );
      for (const line of lines.slice(0, 2)) story.say(`${id.padEnd(4)} | ${line}`);
    }
  });
}

export async function guestMoves(stage: Stage): Promise<void> {
  const { story, client } = stage;
  await story.step("Guest db moves to another node while it runs", async () => {
    const from = nodeOf(await get(stage, "db"));
    const watch = new HeartbeatWatch(stage, "db");
    await watch.until(({ beats }) => beats.length > 5, "db beats", BOOT_TIMEOUT_MS);
    const startedMs = performance.now();
    const { operation } = await client.guests.migrateGuest({
      projectId: "",
      guestId: guestName(stage, "db"),
      targetNodeId: "",
      downtimeMsMax: 0,
      dryRun: false,
      requestId: "",
    });
    const ended = await finished(client, operation);
    const migrationMs = Math.round(performance.now() - startedMs);
    const seen = watch.beats.length;
    await watch.until(({ beats }) => beats.length >= seen + 10, "db beats on", BOOT_TIMEOUT_MS);
    await watch.stop();
    const to = nodeOf(await get(stage, "db"));
    must(from !== to, "db is on another node");
    must(watch.isCountingOn(), "the heartbeat counts on, none lost, none twice");
    const longestGapMs = watch.longestGapMs(startedMs);
    const engineDowntimeMs = ended.migration?.engineDowntimeMs ?? 0;
    const sentMib = Math.round((ended.migration?.transferredBytes ?? 0) / 1024 / 1024);
    story.say(`${from} -> ${to}: ${sentMib} MiB of memory in ${migrationMs} ms`);
    story.say(
      `longest gap between two heartbeats ${longestGapMs} ms (they come every ${MOVER_BEAT_MS} ms)`,
    );
    story.say(`QEMU stood still for ${engineDowntimeMs} ms of it`);
    story.record({ migrationMs, longestGapMs, engineDowntimeMs, migrationSentMib: sentMib });
  });
}
