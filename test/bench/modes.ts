/**
 * The modes against each other and against the bare host: the same script in each
 * (`modes-work.ts`), time from the request until its first line, memory of the host that an idle
 * guest holds. `full` boots the Debian disk with systemd, the others the small Linux image or root
 * file system; so start times compare ways to boot as well as modes. Processors are measured by a
 * loop in the shell.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import {
  createClient,
  type InnkeeperClient,
  importImage,
  readImageSource,
} from "@innkeeper/client";
import type { Mode } from "@innkeeper/core";
import { MODE_TO_PROTO } from "@innkeeper/core/wire";
import { Guest } from "@innkeeper/proto/innkeeper/v1/guest";
import { ClusterProcesses } from "../../packages/cli/src/demo/cluster-processes.js";
import { finished } from "../../packages/cli/src/demo/guests.js";
import {
  DISK_MIB,
  figuresOf,
  NET_MIB,
  saidIn,
  type WorkFigures,
  workScript,
} from "./modes-work.js";
import { againstBaseline, type Bench, type BenchResult } from "./report.js";
import { median, rounded } from "./statistics.js";

const ROUNDS = 2;
const MEMORY_MIB = 256;
const HOST_MEMORY_MIB = 8192;
const PATIENCE_MS = 300_000;
/** Where guests on user-mode networks reach the host. */
const HOST_IN_GUEST = "10.0.2.2";
const IMAGES = ["linux", "rootfs", "debian"];

interface Place {
  readonly mode: Mode;
  readonly image: string;
  readonly disk: string;
  /** Size, and a blank disk where it can have one. */
  readonly spec: object;
}

const SMALL_DISK = { cpuMillis: 2000, memoryMib: MEMORY_MIB, diskMib: DISK_MIB };
const NO_DISK = { ...SMALL_DISK, diskMib: 0 };

const PLACES: readonly Place[] = [
  { mode: "container", image: "rootfs", disk: "/work", spec: { resources: NO_DISK } },
  { mode: "paravirt", image: "linux", disk: "/dev/vda", spec: { resources: SMALL_DISK } },
  { mode: "hybrid", image: "linux", disk: "/dev/vda", spec: { resources: SMALL_DISK } },
  {
    mode: "full",
    image: "debian",
    disk: "/dev/sdb",
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
  /** host:port, as guests see it. */
  readonly server: string;
  readonly directory: string;
}

export const modes: Bench = {
  name: "modes",
  about: "full, hybrid, paravirt, container and the bare host: start, processors, disk, network",
  run: (say) => withCluster((cluster) => measureAll(cluster, say)),
};

async function withCluster<T>(work: (cluster: Cluster) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(path.join(tmpdir(), "innkeeper-bench-"));
  const processes = new ClusterProcesses({ directory, searchPath: process.env["PATH"] ?? "" });
  const server = await serve();
  try {
    const controller = await processes.startController();
    const offered = { INN_CPU_MILLIS: "8000", INN_MEMORY_MIB: "8192", INN_DISK_MIB: "8192" };
    await processes.startAgent("n1", controller.address, offered);
    const client = createClient(controller.address);
    for (const image of IMAGES) {
      await importImage(
        client,
        await readImageSource(path.resolve(`images/build/${image}/image.json`)),
      );
    }
    const { port } = server.address() as AddressInfo;
    const result = await work({ client, server: `${HOST_IN_GUEST}:${port}`, directory });
    client.close();
    return result;
  } finally {
    server.close();
    await processes.endEverything();
    rmSync(directory, { recursive: true });
  }
}

async function serve(): Promise<Server> {
  const body = Buffer.alloc(NET_MIB * 2 ** 20);
  const server = createServer((_, response) => response.end(body));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

async function measureAll(cluster: Cluster, say: (line: string) => void): Promise<BenchResult[]> {
  const bare: WorkFigures[] = [];
  const rounds = new Map<Mode, Round[]>(PLACES.map(({ mode }) => [mode, []]));
  for (let round = 1; round <= ROUNDS; round += 1) {
    say(`round ${round} of ${ROUNDS}: the bare host`);
    bare.push(await onHost(cluster));
    for (const place of PLACES) {
      say(`round ${round} of ${ROUNDS}: ${place.mode}`);
      rounds.get(place.mode)?.push(await inGuest(cluster, place, `${place.mode}-${round}`));
    }
  }
  const baseline = middle(bare);
  const ours = PLACES.flatMap(({ mode }) => resultsOf(mode, rounds.get(mode) ?? [], baseline));
  return [...Object.entries(baseline).flatMap((each) => rowOf("bare", each)), ...ours];
}

async function onHost({ directory, server }: Cluster): Promise<WorkFigures> {
  const disk = path.join(directory, "work");
  writeFileSync(disk, "");
  truncateSync(disk, DISK_MIB * 2 ** 20);
  const script = path.join(directory, "work.sh");
  const own = server.replace(HOST_IN_GUEST, "127.0.0.1");
  writeFileSync(script, workScript({ disk, server: own, output: "" }));
  const { stdout } = await promisify(execFile)("sh", [script]);
  return figuresOf(saidIn(stdout));
}

async function inGuest(cluster: Cluster, place: Place, id: string): Promise<Round> {
  const { client } = cluster;
  const isContainer = place.mode === "container";
  const output = isContainer ? "" : "/dev/console";
  const server = isContainer ? "" : cluster.server;
  const script = workScript({ disk: place.disk, server, output });
  const seed = { userData: Buffer.from(script) };
  const spec = { imageId: place.image, mode: MODE_TO_PROTO[place.mode], ...place.spec };
  const guest = Guest.fromPartial({ id, spec: isContainer ? spec : { ...spec, seed } });
  const askedMs = performance.now();
  const { operation } = await client.guests.createGuest({ guest, requestId: "" });
  await finished(client, operation);
  const sign = isContainer ? "innkeeper-guest: up" : "bench begins";
  await untilConsole(client, id, sign);
  const startMs = performance.now() - askedMs;
  const said = isContainer ? await execScript(client, id, script) : await workOf(client, id);
  const usage = await client.guests.getGuestUsage({ projectId: "", guestId: id });
  await client.guests.deleteGuest({ projectId: "", guestId: id, requestId: "" });
  return { startMs, hostMemoryMib: usage.usage?.memoryMib ?? 0, figures: figuresOf(saidIn(said)) };
}

function workOf(client: InnkeeperClient, id: string): Promise<string> {
  return untilConsole(client, id, "bench done");
}

/** All that the console said, once it says this. */
async function untilConsole(client: InnkeeperClient, id: string, sign: string): Promise<string> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const request = { projectId: "", guestId: id, follow: true };
  let text = "";
  for await (const { data } of client.guests.readConsole(request, signal)) {
    text += Buffer.from(data).toString("latin1");
    if (text.includes(sign)) return text;
  }
  throw new Error(`the console of ${id} ended before it said ${sign}`);
}

async function execScript(client: InnkeeperClient, id: string, script: string): Promise<string> {
  const prepare = `dd if=/dev/zero of=/work bs=1048576 count=${DISK_MIB} 2>/dev/null; `;
  const words = ["/bin/sh", "-c", prepare + script];
  const command = { words, input: Buffer.alloc(0), timeout: { seconds: 300, nanos: 0 } };
  let text = "";
  for await (const { output } of client.guests.execGuest({ projectId: "", guestId: id, command })) {
    if (output?.output?.$case === "stdout") text += Buffer.from(output.output.value).toString();
  }
  return text;
}

const NAMES: Readonly<Record<keyof WorkFigures, readonly [name: string, unit: string]>> = {
  cpuLoopsPerSecond: ["cpu-loops", "loops/s"],
  diskWriteMibPerSecond: ["disk-write", "MiB/s"],
  diskReadMibPerSecond: ["disk-read", "MiB/s"],
  diskReadsPerSecond: ["disk-4k-reads", "reads/s"],
  netMibPerSecond: ["net", "MiB/s"],
};

function resultsOf(mode: Mode, rounds: readonly Round[], bare: WorkFigures): BenchResult[] {
  const start = rounded(median(rounds.map(({ startMs }) => startMs)));
  const held = rounded(median(rounds.map(({ hostMemoryMib }) => hostMemoryMib)));
  const density = { name: `density:${mode}`, unit: "guests in 8 GiB" };
  const figures = Object.entries(middle(rounds.map((each) => each.figures)));
  return [
    { name: `start-ms:${mode}`, value: start, unit: "ms" },
    { name: `host-memory:${mode}`, value: held, unit: "MiB" },
    // Where less than 1 MiB is held, something else is the limit.
    ...(held < 1 ? [] : [{ ...density, value: Math.floor(HOST_MEMORY_MIB / held) }]),
    ...figures.flatMap((each) => rowOf(mode, each, bare[each[0] as keyof WorkFigures])),
  ];
}

function rowOf(
  where: string,
  [key, value]: readonly [string, number | undefined],
  baseline?: number,
): BenchResult[] {
  const [name, unit] = NAMES[key as keyof WorkFigures];
  if (value === undefined) return [];
  const row = { name: `${name}:${where}`, value, unit };
  return [baseline === undefined ? row : againstBaseline({ ...row, baseline })];
}

function middle(all: readonly WorkFigures[]): WorkFigures {
  const of = (key: keyof WorkFigures): number | undefined => {
    const values = all.map((each) => each[key]).filter((each) => each !== undefined);
    return values.length === 0 ? undefined : rounded(median(values));
  };
  return {
    cpuLoopsPerSecond: of("cpuLoopsPerSecond"),
    diskWriteMibPerSecond: of("diskWriteMibPerSecond"),
    diskReadMibPerSecond: of("diskReadMibPerSecond"),
    diskReadsPerSecond: of("diskReadsPerSecond"),
    netMibPerSecond: of("netMibPerSecond"),
  };
}
