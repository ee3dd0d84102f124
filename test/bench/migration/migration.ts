/**
 * Live migration between two agents on this machine, against two QEMU processes with the same
 * arguments driven by hand in the same run, the two in turn. Downtime is what the guest shows.
 */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  createClient,
  type InnkeeperClient,
  importImage,
  readImageSource,
} from "@innkeeper/client";
import { ClusterProcesses } from "../../../packages/cli/src/demo/cluster-processes.js";
import { create, finished } from "../../../packages/cli/src/demo/guests.js";
import { hasConsoleBytes } from "../bare-qemu.js";
import { againstBaseline, type Bench, type BenchResult } from "../report.js";
import { median, quantile, rounded } from "../statistics.js";
import { until } from "../until.js";
import { BareMigrations } from "./bare-migration.js";
import { BeatGap } from "./beats.js";
import { CASES, commandLineOf, type MigrationCase, type Moved, untilAged } from "./cases.js";
import { soak } from "./soak.js";

interface Cluster {
  readonly client: InnkeeperClient;
  readonly directory: string;
  readonly bare: BareMigrations;
}

const FORECAST_FACTOR = 1.5;

type Say = (line: string) => void;

export const migration: Bench = {
  name: "migration",
  about: "live migration, total time and downtime, against bare QEMU driven by hand",
  run: (say, only) => withCluster((cluster) => measureAll(cluster, { say, only })),
};

async function withCluster<T>(work: (cluster: Cluster) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(path.join(tmpdir(), "innkeeper-bench-"));
  const bare = new BareMigrations(path.join(directory, "bare"));
  const processes = new ClusterProcesses({ directory, searchPath: process.env["PATH"] ?? "" });
  try {
    const { address } = await processes.startController();
    const settings = { INN_ENGINES: "qemu", INN_MEMORY_MIB: "4096", INN_HEARTBEAT_MS: "500" };
    await Promise.all(["n1", "n2"].map((id) => processes.startAgent(id, address, settings)));
    const client = createClient(address);
    const file = path.resolve("images/build/tiny/image.json");
    await importImage(client, await readImageSource(file));
    const result = await work({ client, directory, bare });
    client.close();
    return result;
  } finally {
    await bare.endAll();
    await processes.endEverything();
  }
}

async function measureAll(
  cluster: Cluster,
  { say, only }: { readonly say: Say; readonly only: readonly string[] },
): Promise<BenchResult[]> {
  const results: BenchResult[] = [];
  for (const each of CASES.filter(({ name }) => only.length === 0 || only.includes(name))) {
    say(`${each.name}: ${each.rounds} moves, in turn with bare QEMU`);
    results.push(...(await measureCase(cluster, each)));
  }
  if (only.includes("soak")) {
    results.push(...(await soak(cluster.client, cluster.directory, say)));
  }
  return results;
}

async function measureCase(cluster: Cluster, each: MigrationCase): Promise<BenchResult[]> {
  const ours: Moved[] = [];
  const bare: Moved[] = [];
  for (let round = 0; round <= each.rounds; round += 1) {
    const byHand = await cluster.bare.move(each);
    const moved = await moveOurs(cluster, each, `${each.name}-${round}`);
    if (round === 0) continue; // Warms both up.
    bare.push(byHand);
    ours.push(moved);
  }
  return resultsOf(each.name, ours, bare);
}

function resultsOf(name: string, ours: Moved[], bare: Moved[]): BenchResult[] {
  const figures = (moves: Moved[], key: keyof Moved) => moves.map((moved) => moved[key] ?? 0);
  const both = (label: string, key: keyof Moved, of: (samples: number[]) => number) =>
    againstBaseline({
      name: `${label}:${name}`,
      value: rounded(of(figures(ours, key))),
      unit: "ms",
      baseline: rounded(of(figures(bare, key))),
    });
  return [
    both("downtime-ms", "downtimeMs", median),
    both("downtime-p99-ms", "downtimeMs", (samples) => quantile(samples, 0.99)),
    engineResult(name, ours, bare),
    both("total-ms", "totalMs", median),
    forecastResult(name, ours),
  ];
}

async function moveOurs(
  { client, directory }: Cluster,
  each: MigrationCase,
  id: string,
): Promise<Moved> {
  const { memoryMib } = each;
  const size = { memoryMib, commandLine: commandLineOf(each) };
  const guest = { id, image: "tiny", mode: "paravirt", nodeId: "", ...size } as const;
  const created = await finished(client, await create(client, guest));
  const found = await client.guests.getGuest({ projectId: "", guestId: id, minRevision: 0 });
  const from = found.guest?.status?.placement?.nodeId ?? "";
  const [source, target] = [
    fileOf(directory, from, `${created.guestUid}.1`),
    from === "n1" ? "n2" : "n1",
  ];
  await until(() => hasConsoleBytes(source), "the guest");
  const bornAtMs = performance.now();
  await untilMeasured(client, id);
  await untilAged(bornAtMs);
  const gap = new BeatGap(source, fileOf(directory, target, `${created.guestUid}.2`));
  const startedMs = performance.now();
  const { operation } = await client.guests.migrateGuest({
    projectId: "",
    guestId: id,
    targetNodeId: target,
    downtimeMsMax: 0,
    dryRun: false,
    requestId: "",
  });
  const ended = await finished(client, operation);
  const totalMs = performance.now() - startedMs;
  await until(() => gap.hasBegun, "the guest at the target");
  const downtimeMs = gap.end();
  const gone = await client.guests.deleteGuest({ projectId: "", guestId: id, requestId: "" });
  await finished(client, gone.operation);
  const { totalMs: forecastMs = 0, actualTotalMs = 0 } = ended.forecast ?? {};
  const forecastRatio = forecastMs === 0 ? 0 : actualTotalMs / forecastMs;
  const engineDowntimeMs = ended.migration?.engineDowntimeMs ?? 0;
  return { totalMs, downtimeMs, engineDowntimeMs, forecastRatio };
}

/** What it writes is told by its agent with its heartbeats. */
async function untilMeasured(client: InnkeeperClient, guestId: string): Promise<void> {
  await until(async () => {
    const { forecast } = await client.guests.migrateGuest({
      projectId: "",
      guestId,
      targetNodeId: "",
      downtimeMsMax: 0,
      requestId: "",
      dryRun: true,
    });
    return forecast?.dirtyBytesPerSecond !== undefined;
  }, "what the guest writes");
}

/** Often 0, so there is no ratio. */
function engineResult(name: string, ours: Moved[], bare: Moved[]): BenchResult {
  const [value = 0, baseline = 0] = [ours, bare].map((moves) =>
    rounded(median(moves.map(({ engineDowntimeMs }) => engineDowntimeMs))),
  );
  return { name: `engine-downtime-ms:${name}`, value, unit: "ms", baseline };
}

/** The share of moves that took between 1/1.5 and 1.5 of what was forecast. */
function forecastResult(name: string, ours: readonly Moved[]): BenchResult {
  const within = ours.filter(({ forecastRatio = 0 }) => {
    return forecastRatio <= FORECAST_FACTOR && forecastRatio >= 1 / FORECAST_FACTOR;
  });
  const value = rounded((100 * within.length) / ours.length);
  return { name: `forecast-within-1.5x:${name}`, value, unit: "%" };
}

function fileOf(directory: string, nodeId: string, copy: string): string {
  return path.join(directory, nodeId, "guests", copy, "console.log");
}
