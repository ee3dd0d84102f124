/**
 * The modes against each other and against the bare host: the same script in each
 * (`modes-work.ts`), time from the request until its first line, memory of the host that a guest
 * takes. `full` boots the Debian disk with systemd, the others the small Linux image or root file
 * system; so start times compare ways to boot as well as modes.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs, promisify } from "node:util";
import {
  createClient,
  type InnkeeperClient,
  importImage,
  readImageSource,
} from "@innkeeper/client";
import type { Mode } from "@innkeeper/core";
import { MODE_TO_PROTO } from "@innkeeper/core/wire";
import { Guest, NetworkKind } from "@innkeeper/proto/innkeeper/v1/guest";
import { ClusterProcesses } from "../../packages/cli/src/demo/cluster-processes.js";
import { finished } from "../../packages/cli/src/demo/guests.js";
import { type HostMemory, hostMemory } from "./modes-memory.js";
import { BRIDGE, BRIDGE_ADDRESS, isInside, runInside } from "./modes-namespace.js";
import { modesPicture } from "./modes-picture.js";
import {
  buildProgram,
  DISK_MIB,
  FIGURES,
  type FigureKey,
  figuresOf,
  NET_BLOCKS,
  saidIn,
  type WorkFigures,
  workScript,
} from "./modes-work.js";
import { againstBaseline, type Bench, type BenchResult } from "./report.js";
import { median, rounded } from "./statistics.js";

const ROUNDS = 3;
const MEMORY_MIB = 256;
const HOST_MEMORY_MIB = 8192;
const PATIENCE_MS = 300_000;
const IMAGES = ["linux", "rootfs", "debian"];

interface Place {
  readonly mode: Mode;
  readonly image: string;
  readonly disk: string;
  readonly output: string;
  /** What a guest prints that has nothing to do. */
  readonly idleSign: string;
  /** Size, and a blank disk where it can have one. */
  readonly spec: object;
}

const SMALL_DISK = { cpuMillis: 2000, memoryMib: MEMORY_MIB, diskMib: DISK_MIB };
const NO_DISK = { ...SMALL_DISK, diskMib: 0 };
const UP = "innkeeper-guest: up";
const BLOCK_DISK = { disk: "/dev/vda", output: "/dev/console", idleSign: UP };

const PLACES: readonly Place[] = [
  {
    ...{ mode: "container", image: "rootfs", output: "", idleSign: UP },
    disk: "/mnt/work/file",
    // A file system takes some of its disk.
    spec: { resources: NO_DISK, dataDisks: [{ name: "work", sizeMib: DISK_MIB + 64 }] },
  },
  { mode: "paravirt", image: "linux", ...BLOCK_DISK, spec: { resources: SMALL_DISK } },
  { mode: "hybrid", image: "linux", ...BLOCK_DISK, spec: { resources: SMALL_DISK } },
  {
    ...{ mode: "full", image: "debian", output: "/dev/console", idleSign: " login: " },
    disk: "/dev/disk/by-id/ata-QEMU_HARDDISK_work",
    spec: { resources: NO_DISK, dataDisks: [{ name: "work", sizeMib: DISK_MIB }] },
  },
];

interface Round {
  readonly startMs: number;
  readonly hostMemoryMib: number;
  readonly figures: WorkFigures;
}

interface Cluster {
  readonly client: InnkeeperClient;
  readonly processes: ClusterProcesses;
  /** Address and port, as the host and guests see it; undefined = there is no bridge. */
  readonly server: string | undefined;
  readonly program: string;
  readonly directory: string;
}

export const modes: Bench = {
  name: "modes",
  about: "full, hybrid, paravirt, container and the bare host: start, processors, disk, network",
  run: async (say) => {
    const inside = isInside() ? undefined : await runInside("modes");
    const results = inside ?? (await withCluster((cluster) => measureAll(cluster, say)));
    const { picture } = options();
    if (picture !== undefined) writeFileSync(picture, modesPicture(results));
    return results;
  },
};

/** `--picture FILE`: where the results go as a picture too. */
function options(): { readonly picture?: string | undefined } {
  const { values } = parseArgs({
    allowPositionals: true,
    options: { picture: { type: "string" } },
  });
  return values;
}

async function withCluster<T>(work: (cluster: Cluster) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(path.join(tmpdir(), "innkeeper-bench-"));
  const processes = new ClusterProcesses({ directory, searchPath: process.env["PATH"] ?? "" });
  const program = buildProgram(directory);
  const served = isInside() ? await serve(program) : undefined;
  try {
    const controller = await processes.startController();
    const offered = { INN_CPU_MILLIS: "8000", INN_MEMORY_MIB: "8192", INN_DISK_MIB: "8192" };
    const bridge = isInside() ? { INN_BRIDGE: BRIDGE } : {};
    await processes.startAgent("n1", controller.address, { ...offered, ...bridge });
    const client = createClient(controller.address);
    for (const image of IMAGES) {
      await importImage(
        client,
        await readImageSource(path.resolve(`images/build/${image}/image.json`)),
      );
    }
    const server = served?.address;
    const result = await work({ client, processes, server, program, directory });
    client.close();
    return result;
  } finally {
    served?.child.kill();
    await processes.endEverything();
    rmSync(directory, { recursive: true });
  }
}

async function serve(program: string): Promise<{ child: ChildProcess; address: string }> {
  const port = await freePort();
  const child = spawn(program, ["s", String(port), String(NET_BLOCKS)]);
  await once(child.stdout, "data");
  return { child, address: `${BRIDGE_ADDRESS} ${port}` };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, BRIDGE_ADDRESS);
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("a port has a number");
  return address.port;
}

async function measureAll(cluster: Cluster, say: (line: string) => void): Promise<BenchResult[]> {
  const bare: WorkFigures[] = [];
  const rounds = new Map<Mode, Round[]>(PLACES.map(({ mode }) => [mode, []]));
  const idle = new Map<Mode, HostMemory>();
  for (const place of PLACES) {
    say(`memory: ${place.mode}`);
    idle.set(place.mode, await idleMemory(cluster, place));
  }
  for (let round = 1; round <= ROUNDS; round += 1) {
    say(`round ${round} of ${ROUNDS}: the bare host`);
    bare.push(await onHost(cluster));
    for (const place of PLACES) {
      say(`round ${round} of ${ROUNDS}: ${place.mode}`);
      rounds.get(place.mode)?.push(await inGuest(cluster, place, `${place.mode}-${round}`));
    }
  }
  const baseline = middle(bare);
  const ours = PLACES.flatMap(({ mode }) => [
    ...resultsOf(mode, rounds.get(mode) ?? [], baseline),
    ...memoryOf(mode, idle.get(mode)),
  ]);
  return [...Object.entries(baseline).flatMap((each) => rowOf("bare", each)), ...ours];
}

async function onHost({ directory, program: built, server }: Cluster): Promise<WorkFigures> {
  const disk = path.join(directory, "work-disk");
  writeFileSync(disk, "");
  truncateSync(disk, DISK_MIB * 2 ** 20);
  const script = path.join(directory, "work.sh");
  const program = path.join(directory, "work-here");
  writeFileSync(script, workScript(built, { disk, server, output: "", program }));
  const { stdout } = await promisify(execFile)("sh", [script]);
  rmSync(disk);
  return figuresOf(saidIn(stdout));
}

async function inGuest(cluster: Cluster, place: Place, id: string): Promise<Round> {
  const { client, server } = cluster;
  const where = { disk: place.disk, output: place.output, server, program: "/bench-work" };
  const script = workScript(cluster.program, where);
  const askedMs = performance.now();
  await begin(cluster, place, { id, seed: { userData: Buffer.from(script) } });
  await untilConsole(client, id, "bench begins");
  const startMs = performance.now() - askedMs;
  const said = await untilConsole(client, id, "bench done");
  const usage = await client.guests.getGuestUsage({ projectId: "", guestId: id });
  await end(client, id);
  return { startMs, hostMemoryMib: usage.usage?.memoryMib ?? 0, figures: figuresOf(saidIn(said)) };
}

async function idleMemory(cluster: Cluster, place: Place): Promise<HostMemory> {
  const id = `${place.mode}-idle`;
  await begin(cluster, place, { id });
  await untilConsole(cluster.client, id, place.idleSign);
  const memory = hostMemory(cluster.processes.allGuestProcesses(), MEMORY_MIB);
  await end(cluster.client, id);
  return memory;
}

async function begin(
  { client, server }: Cluster,
  { image: imageId, mode, spec }: Place,
  rest: { readonly id: string; readonly seed?: { readonly userData: Buffer } },
): Promise<void> {
  const networkKind = server === undefined ? {} : { networkKind: NetworkKind.BRIDGE };
  const { id, ...seed } = rest;
  const own = { imageId, mode: MODE_TO_PROTO[mode], ...spec, ...networkKind, ...seed };
  const guest = Guest.fromPartial({ id, spec: own });
  const { operation } = await client.guests.createGuest({ guest, requestId: "" });
  await finished(client, operation);
}

async function end(client: InnkeeperClient, guestId: string): Promise<void> {
  const { operation } = await client.guests.deleteGuest({ projectId: "", guestId, requestId: "" });
  await finished(client, operation);
}

/** All that the console said, once it says this. */
async function untilConsole(client: InnkeeperClient, id: string, sign: string): Promise<string> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const request = { projectId: "", guestId: id, follow: true };
  let text = "";
  try {
    for await (const { data } of client.guests.readConsole(request, signal)) {
      text += Buffer.from(data).toString("latin1");
      if (text.includes(sign)) return text;
    }
  } catch (error) {
    throw new Error(`${id} did not say ${sign}; it said: ${text.slice(-2000)}`, { cause: error });
  }
  throw new Error(`the console of ${id} ended before it said ${sign}: ${text.slice(-2000)}`);
}

function resultsOf(mode: Mode, rounds: readonly Round[], bare: WorkFigures): BenchResult[] {
  const start = rounded(median(rounds.map(({ startMs }) => startMs)));
  const held = rounded(median(rounds.map(({ hostMemoryMib }) => hostMemoryMib)));
  const figures = Object.entries(middle(rounds.map((each) => each.figures)));
  return [
    { name: `start-ms:${mode}`, value: start, unit: "ms" },
    { name: `host-memory:${mode}`, value: held, unit: "MiB" },
    ...figures.flatMap((each) => rowOf(mode, each, bare[each[0] as FigureKey])),
  ];
}

function memoryOf(mode: Mode, memory: HostMemory | undefined): BenchResult[] {
  if (memory === undefined) return [];
  const { heldMib, overheadMib } = memory;
  const density = Math.floor(HOST_MEMORY_MIB / heldMib);
  return [
    { name: `idle-memory:${mode}`, value: rounded(heldMib), unit: "MiB" },
    { name: `memory-overhead:${mode}`, value: rounded(overheadMib), unit: "MiB" },
    { name: `density:${mode}`, value: density, unit: "guests in 8 GiB" },
  ];
}

function rowOf(
  where: string,
  [key, value]: readonly [string, number],
  baseline?: number,
): BenchResult[] {
  const { name, unit } = FIGURES[key as FigureKey];
  const row = { name: `${name}:${where}`, value, unit };
  return [baseline === undefined ? row : againstBaseline({ ...row, baseline })];
}

function middle(all: readonly WorkFigures[]): WorkFigures {
  const figures: Partial<Record<FigureKey, number>> = {};
  for (const key of Object.keys(FIGURES) as FigureKey[]) {
    const values = all.map((each) => each[key]).filter((each) => each !== undefined);
    if (values.length > 0) figures[key] = rounded(median(values));
  }
  return figures;
}
