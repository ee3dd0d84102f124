/**
 * What Innkeeper adds to starting a guest: request by gRPC until RUNNING and until the first
 * console byte, against the same QEMU started by hand with the same arguments in the same run, the
 * two in turn. Also deletion, many at once, and an idle agent.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  createClient,
  type InnkeeperClient,
  importImage,
  readImageSource,
} from "@innkeeper/client";
import { ClusterProcesses } from "../../packages/cli/src/demo/cluster-processes.js";
import { create, finished } from "../../packages/cli/src/demo/guests.js";
import type { QemuMode } from "../../services/node-agent/src/engines/qemu/modes.js";
import {
  type BareGuest,
  BareGuests,
  consoleOf,
  hasConsoleBytes,
  type StartTimes,
} from "./bare-qemu.js";
import { againstBaseline, type Bench, type BenchResult } from "./report.js";
import { median, rounded } from "./statistics.js";
import { measureTemplates } from "./template-start.js";
import { until } from "./until.js";

const ROUNDS = 15;
const PARALLEL = 20;
const PARALLEL_ROUNDS = 5;
const MEMORY_MIB = 32;
/** An agent that has just started still compiles its code. */
const SETTLE_MS = 5_000;
const IDLE_MS = 20_000;
const MODES: readonly QemuMode[] = ["hybrid", "paravirt"];
const TINY = path.resolve("images", "build", "tiny", "tiny.elf");

interface Cluster {
  readonly client: InnkeeperClient;
  readonly agentDirectory: string;
  readonly agentPid: number;
  readonly bare: BareGuests;
}

export const guestStart: Bench = {
  name: "guest-start",
  about: "request to RUNNING and to first console byte, against the same QEMU started by hand",
  run: (say) => withCluster((cluster) => measureAll(cluster, say)),
};

async function withCluster<T>(work: (cluster: Cluster) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(path.join(tmpdir(), "innkeeper-bench-"));
  const bare = new BareGuests(path.join(directory, "bare"));
  const processes = new ClusterProcesses({ directory, searchPath: process.env["PATH"] ?? "" });
  try {
    const controller = await processes.startController();
    const agent = await processes.startAgent("n1", controller.address, {
      INN_CPU_MILLIS: "8000",
    });
    const client = createClient(controller.address);
    for (const image of ["tiny", "linux"]) {
      const file = path.resolve(`images/build/${image}/image.json`);
      await importImage(client, await readImageSource(file));
    }
    const result = await work({
      client,
      agentDirectory: path.join(directory, "n1"),
      agentPid: agent.child.pid ?? 0,
      bare,
    });
    client.close();
    return result;
  } finally {
    bare.endAll();
    await processes.endEverything();
    rmSync(directory, { recursive: true });
  }
}

async function measureAll(cluster: Cluster, say: (line: string) => void): Promise<BenchResult[]> {
  const results: BenchResult[] = [];
  say(`idle agent, ${IDLE_MS / 1000} s`);
  results.push(...(await measureIdle(cluster)));
  for (const mode of MODES) {
    say(`${mode}: ${ROUNDS} guests, one after the other, in turn with bare QEMU`);
    results.push(...(await measureMode(cluster, mode)));
  }
  for (const mode of MODES) {
    say(`${mode}: small Linux guests from a template, in turn with booted ones`);
    results.push(...(await measureTemplates(cluster, mode)));
  }
  say(`${PARALLEL} guests at once, ${PARALLEL_ROUNDS} rounds, in turn with bare QEMU`);
  results.push(await measureParallel(cluster));
  return results;
}

async function measureMode(cluster: Cluster, mode: QemuMode): Promise<BenchResult[]> {
  const ours: StartTimes[] = [];
  const bare: StartTimes[] = [];
  const deletions: number[] = [];
  const kills: number[] = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    const byHand = await cluster.bare.start(bareGuest(mode));
    const killMs = await byHand.end();
    const started = await startOurs(cluster, mode, `g${round}`);
    const deleteMs = await remove(cluster.client, `g${round}`);
    if (round === 0) continue; // Warms both up: files read for the first time, code compiled.
    bare.push(byHand.times);
    ours.push(started);
    kills.push(killMs);
    deletions.push(deleteMs);
  }
  const of = (times: StartTimes[], key: keyof StartTimes) =>
    rounded(median(times.map((t) => t[key])));
  const [byte, bareByte] = [of(ours, "firstByteMs"), of(bare, "firstByteMs")];
  const [running, bareRunning] = [of(ours, "runningMs"), of(bare, "runningMs")];
  const unit = "ms";
  const deleted = { name: `delete-ms:${mode}`, value: rounded(median(deletions)), unit };
  return [
    { name: `overhead-ms:${mode}`, value: rounded(byte - bareByte), unit },
    againstBaseline({ name: `first-byte-ms:${mode}`, value: byte, unit, baseline: bareByte }),
    againstBaseline({ name: `running-ms:${mode}`, value: running, unit, baseline: bareRunning }),
    againstBaseline({ ...deleted, baseline: rounded(median(kills)) }),
  ];
}

function bareGuest(mode: QemuMode): BareGuest {
  const boot = {
    kind: "kernel" as const,
    kernelPath: TINY,
    initrdPath: undefined,
    commandLine: "beat=10",
  };
  return { mode, memoryMib: MEMORY_MIB, boot };
}

async function startOurs(cluster: Cluster, mode: QemuMode, id: string): Promise<StartTimes> {
  const { client, agentDirectory } = cluster;
  const startedMs = performance.now();
  const operation = await create(client, newGuest(mode, id));
  const file = consoleOf(agentDirectory, operation.guestUid);
  const firstByte = until(() => hasConsoleBytes(file), "a console byte").then(
    () => performance.now() - startedMs,
  );
  await finished(client, operation);
  const runningMs = performance.now() - startedMs;
  return { runningMs, firstByteMs: await firstByte };
}

function newGuest(mode: QemuMode, id: string) {
  return { id, image: "tiny", mode, memoryMib: MEMORY_MIB, commandLine: "beat=10" };
}

/** Until nothing of the guest is left: process, files, record. */
async function remove(client: InnkeeperClient, guestId: string): Promise<number> {
  const startedMs = performance.now();
  const { operation } = await client.guests.deleteGuest({ projectId: "", guestId, requestId: "" });
  await finished(client, operation);
  return performance.now() - startedMs;
}

async function measureParallel(cluster: Cluster): Promise<BenchResult> {
  const ours: number[] = [];
  const bare: number[] = [];
  const ids = Array.from({ length: PARALLEL }, (_, index) => `p${index}`);
  for (let round = 0; round < PARALLEL_ROUNDS; round += 1) {
    const bareMs = performance.now();
    const byHand = await Promise.all(ids.map(() => cluster.bare.start(bareGuest("paravirt"))));
    bare.push((PARALLEL * 1000) / (performance.now() - bareMs));
    await Promise.all(byHand.map((each) => each.end()));
    const startedMs = performance.now();
    await Promise.all(ids.map((id) => startOurs(cluster, "paravirt", id)));
    ours.push((PARALLEL * 1000) / (performance.now() - startedMs));
    await Promise.all(ids.map((id) => remove(cluster.client, id)));
  }
  return againstBaseline({
    name: "parallel-starts",
    value: rounded(median(ours)),
    unit: "guests/s",
    baseline: rounded(median(bare)),
  });
}

async function measureIdle({ agentPid }: Cluster): Promise<BenchResult[]> {
  await passed(SETTLE_MS);
  const before = cpuMs(agentPid);
  const startedMs = performance.now();
  await passed(IDLE_MS);
  const share = ((cpuMs(agentPid) - before) / (performance.now() - startedMs)) * 100;
  const [, kib = "0"] = /^VmRSS:\s+([0-9]+) kB$/m.exec(statusOf(agentPid)) ?? [];
  return [
    { name: "idle-agent-rss", value: rounded(Number(kib) / 1024), unit: "MiB" },
    { name: "idle-agent-cpu", value: rounded(share, 2), unit: "% of a core" },
  ];
}

async function passed(durationMs: number): Promise<void> {
  const startedMs = performance.now();
  await until(() => performance.now() - startedMs >= durationMs, "the time");
}

/** User and system time so far; the kernel counts in hundredths of a second. */
function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function statusOf(pid: number): string {
  return readFileSync(`/proc/${pid}/status`, "utf8");
}
