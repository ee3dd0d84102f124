/**
 * How long a cluster on Redis is without a leader: from `kill -9` of the leading controller until
 * the new leader has placed a guest that was asked for right after the kill. The killed controller
 * is started again after each round.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  createClient,
  type InnkeeperClient,
  importImage,
  readImageSource,
} from "@innkeeper/client";
import { GuestPhase } from "@innkeeper/proto/innkeeper/v1/guest";
import {
  ClusterProcesses,
  type StartedProcess,
} from "../../packages/cli/src/demo/cluster-processes.js";
import { create, finished } from "../../packages/cli/src/demo/guests.js";
import { RedisProcess } from "../../services/controller/src/testing/redis-process.js";
import type { Bench, BenchResult } from "./report.js";
import { quantile, rounded } from "./statistics.js";
import { until } from "./until.js";

const ROUNDS = 20;
const NODES = ["n1", "n2", "n3"];
const TINY = path.resolve("images/build/tiny/image.json");

interface Member {
  readonly id: string;
  readonly process: StartedProcess;
  readonly client: InnkeeperClient;
}

export const failover: Bench = {
  name: "failover",
  about: "kill -9 of the leader to the first placement by the next one, over 20 kills",
  run: withCluster,
};

async function withCluster(say: (line: string) => void): Promise<BenchResult[]> {
  const directory = mkdtempSync(path.join(tmpdir(), "innkeeper-bench-"));
  const processes = new ClusterProcesses({ directory, searchPath: process.env["PATH"] ?? "" });
  const redis = await RedisProcess.start({ settings: ["appendonly yes"] });
  const members = new Map<string, Member>();
  const startMember = async (id: string): Promise<void> => {
    const started = await processes.startController({
      INN_CONTROLLER_ID: id,
      INN_DATA: path.join(directory, id),
      INN_STORE: "redis",
      INN_REDIS_URL: redis.url,
    });
    members.set(id, { id, process: started, client: createClient(started.address) });
  };
  try {
    await startMember("c1");
    await startMember("c2");
    const leader = await leaderOf(members);
    await importImage(leader.client, await readImageSource(TINY));
    await startAgents(processes, leader);
    return await measure({ members, processes, startMember, say });
  } finally {
    for (const { client } of members.values()) client.close();
    await processes.endEverything();
    await redis.remove();
    rmSync(directory, { recursive: true });
  }
}

/** They learn the other controllers' addresses from whoever calls them. */
async function startAgents(processes: ClusterProcesses, leader: Member): Promise<void> {
  for (const nodeId of NODES) {
    await processes.startAgent(nodeId, leader.process.address, { INN_ENGINES: "sim" });
  }
  await until(async () => {
    const { nodesReady } = await leader.client.cluster.getCluster({});
    return nodesReady === NODES.length;
  }, "the nodes");
}

async function measure(bench: {
  readonly members: Map<string, Member>;
  readonly processes: ClusterProcesses;
  readonly startMember: (id: string) => Promise<void>;
  readonly say: (line: string) => void;
}): Promise<BenchResult[]> {
  const { members, processes, startMember, say } = bench;
  const samples: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const leader = await leaderOf(members);
    const survivor = [...members.values()].find((member) => member !== leader) as Member;
    leader.client.close();
    members.delete(leader.id);
    const startedMs = performance.now();
    leader.process.child.kill("SIGKILL");
    await placed(survivor.client, `f${round}`);
    samples.push(performance.now() - startedMs);
    say(`round ${round + 1}: ${Math.round(samples.at(-1) ?? 0)} ms`);
    const { operation } = await survivor.client.guests.deleteGuest({
      projectId: "",
      guestId: `f${round}`,
      requestId: "",
    });
    await finished(survivor.client, operation);
    await processes.kill(leader.process);
    await startMember(leader.id);
  }
  const of = (name: string, share: number): BenchResult => ({
    name,
    value: rounded(quantile(samples, share)),
    unit: "ms",
  });
  return [of("p50-ms", 0.5), of("p95-ms", 0.95), of("max-ms", 1)];
}

async function placed(client: InnkeeperClient, id: string): Promise<void> {
  await create(client, { id, image: "tiny", mode: "auto", memoryMib: 32 });
  const abort = new AbortController();
  const changes = client.guests.watchGuests({ projectId: "", fromRevision: 0 }, abort.signal);
  for await (const { guest } of changes) {
    const phase = guest?.id === id ? guest.status?.phase : undefined;
    if (phase !== undefined && phase !== GuestPhase.PENDING) break;
  }
  abort.abort();
}

async function leaderOf(members: ReadonlyMap<string, Member>): Promise<Member> {
  let leader: Member | undefined;
  await until(async () => {
    for (const member of members.values()) {
      const { leaderEpoch } = await member.client.cluster.getCluster({});
      if (leaderEpoch > 0) leader = member;
    }
    return leader !== undefined;
  }, "a leader");
  return leader as Member;
}
