/**
 * A whole cluster on this machine: 5,000 simulated nodes with the real agent and protocol, one
 * controller, Redis with its log on disk, NATS; 100,000 guests asked for over gRPC. How many are
 * placed and committed a second, one by one and in batches, and how long one takes at a quarter of
 * that load. Times of commits are read from the store's own change log afterwards.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { createClient, importImage, readImageSource } from "@innkeeper/client";
import { ClusterProcesses } from "../../../packages/cli/src/demo/cluster-processes.js";
import { RedisProcess } from "../../../services/controller/src/testing/redis-process.js";
import type { Bench, BenchResult } from "../report.js";
import { quantile, rounded } from "../statistics.js";
import { type ChangeReader, openChanges, type Seen } from "./changes.js";
import { createBatches, createEvery, createOneByOne } from "./load.js";
import { startNats } from "./nats.js";

const NODES = numberOf("--nodes", 5_000);
const ONE_BY_ONE = numberOf("--unary", 20_000);
const QUARTER_SECONDS = 10;
const BATCHED = numberOf("--batched", 70_000);
const TINY = path.resolve("images/build/tiny/image.json");
/** Long enough that 5,000 heartbeats are 500 a second. */
const LEASE_TTL_MS = 40_000;

interface Cluster {
  readonly address: string;
  readonly controllerPid: number;
  readonly changes: ChangeReader;
  readonly say: (line: string) => void;
}

export const cluster: Bench = {
  name: "cluster",
  about: "5,000 simulated nodes, Redis, NATS: guests placed and committed a second, and how long",
  run: withCluster,
};

function numberOf(option: string, byDefault: number): number {
  const given = process.argv.find((each) => each.startsWith(`${option}=`));
  return given === undefined ? byDefault : Number(given.slice(option.length + 1));
}

async function withCluster(say: (line: string) => void): Promise<BenchResult[]> {
  const directory = mkdtempSync(path.join(tmpdir(), "innkeeper-bench-"));
  const processes = new ClusterProcesses({ directory, searchPath: process.env["PATH"] ?? "" });
  const redis = await RedisProcess.start({ settings: ["appendonly yes", "appendfsync everysec"] });
  const nats = await startNats(path.join(directory, "nats"));
  let changes: ChangeReader | undefined;
  try {
    const { address, child } = await processes.startController({
      INN_STORE: "redis",
      INN_REDIS_URL: redis.url,
      INN_NATS_URL: nats.address,
      INN_CHANGES_KEPT: "1000000",
      INN_LEASE_TTL_MS: String(LEASE_TTL_MS),
      INN_LOG_LEVEL: "warn",
    });
    const agents = await startAgents(address, nats.address);
    say(`${NODES} nodes have joined`);
    changes = await openChanges(redis.url);
    const controllerPid = child.pid ?? 0;
    try {
      return await measure({ address, controllerPid, changes, say });
    } finally {
      agents.stdin.end();
      await once(agents, "exit");
    }
  } finally {
    await changes?.close();
    await processes.endEverything();
    await nats.stop();
    await redis.remove();
    rmSync(directory, { recursive: true });
  }
}

async function startAgents(controller: string, nats: string) {
  const program = path.resolve("dist/bench-agents.js");
  const agents = spawn(process.execPath, [program, String(NODES), controller, nats], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  for await (const line of createInterface({ input: agents.stdout })) {
    if (line.startsWith("{")) return agents;
  }
  throw new Error("the agents did not start");
}

async function measure(cluster: Cluster): Promise<BenchResult[]> {
  const { address, say, changes, controllerPid } = cluster;
  const client = createClient(address);
  try {
    await importImage(client, await readImageSource(TINY));
    const single = await rateOf(cluster, "u", () => createOneByOne(address, "u", ONE_BY_ONE));
    say(`one by one: ${Math.round(single)} guests/s`);
    const perSecond = single / 4;
    const asked = await createEvery(address, "q", { perSecond, seconds: QUARTER_SECONDS });
    const quarter = waits(asked, await changes.untilRunning("q", asked.size));
    say(`at ${Math.round(perSecond)} guests/s: placed p99 ${rounded(quarter.placed(0.99))} ms`);
    const cpuBefore = cpuMsOf(controllerPid);
    const batched = await rateOf(cluster, "b", () => createBatches(address, "b", BATCHED));
    say(`in batches: ${Math.round(batched)} guests/s`);
    const cpuMs = cpuMsOf(controllerPid) - cpuBefore;
    const ms = (name: string, value: number) => ({ name, value: rounded(value), unit: "ms" });
    return [
      { name: "placed-per-second", value: Math.round(single), unit: "guests/s" },
      { name: "placed-per-second-batched", value: Math.round(batched), unit: "guests/s" },
      ms("placed-p50-ms", quarter.placed(0.5)),
      ms("placed-p99-ms", quarter.placed(0.99)),
      ms("running-p50-ms", quarter.running(0.5)),
      ms("running-p99-ms", quarter.running(0.99)),
      { name: "controller-rss-mib", value: rssMibOf(controllerPid), unit: "MiB" },
      {
        name: "controller-cpu-us-per-guest-batched",
        value: Math.round((cpuMs * 1000) / BATCHED),
        unit: "us",
      },
    ];
  } finally {
    client.close();
  }
}

/** From the first request until the last guest was placed. */
async function rateOf(
  { changes }: Cluster,
  prefix: string,
  create: () => Promise<{ readonly startedAtMs: number; readonly count: number }>,
): Promise<number> {
  const { startedAtMs, count } = await create();
  const seen = await changes.untilRunning(prefix, count);
  const lastMs = Math.max(...[...seen.values()].map(({ placedAtMs }) => placedAtMs));
  return (count * 1000) / (lastMs - startedAtMs);
}

function waits(askedAtMs: ReadonlyMap<string, number>, seen: ReadonlyMap<string, Seen>) {
  const of = (key: keyof Seen) =>
    [...seen].map(([id, times]) => times[key] - (askedAtMs.get(id) ?? 0));
  const [placed, running] = [of("placedAtMs"), of("runningAtMs")];
  return {
    placed: (share: number) => quantile(placed, share),
    running: (share: number) => quantile(running, share),
  };
}

function rssMibOf(pid: number): number {
  const [, kib = "0"] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Math.round(Number(kib) / 1024);
}

/** Clock ticks of 10 ms, user and system. */
function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
