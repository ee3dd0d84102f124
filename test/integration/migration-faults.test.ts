/**
 * Whoever dies in a migration, and whenever: the guest runs in the end, in one copy, lived no
 * moment twice, and the records say what is so. On real QEMU, with real processes killed.
 */
import {
  createClient,
  type InnkeeperClient,
  importImage,
  readImageSource,
} from "@innkeeper/client";
import { durationOf } from "@innkeeper/core/wire";
import { Guest, GuestPhase, RestartCondition } from "@innkeeper/proto/innkeeper/v1/guest";
import { OperationState } from "@innkeeper/proto/innkeeper/v1/operation";
import { Mode } from "@innkeeper/proto/innkeeper/v1/resources";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { BeatRecord } from "./beat-record.js";
import { Programs, type Started } from "./programs.js";

const TINY = "images/build/tiny/image.json";
const NODE_IDS = ["n1", "n2"] as const;
const MEMORY_MIB = 400;
const LONG = { timeout: 60_000, interval: 20 };
/** A copy may print its last line again after it was stopped in the middle of it. */
const SLACK_BEATS = 2;

type NodeId = (typeof NODE_IDS)[number];
type Victim = "source agent" | "target agent" | "source QEMU" | "target QEMU" | "controller";
const VICTIMS: readonly Victim[] = [
  "source agent",
  "target agent",
  "source QEMU",
  "target QEMU",
  "controller",
];

interface Moving {
  readonly uid: string;
  readonly source: NodeId;
  readonly target: NodeId;
  readonly operationId: string;
  readonly beats: BeatRecord;
}

const programs = new Programs();
const agents = new Map<NodeId, Started>();
let controller: Started;
let client: InnkeeperClient;
let moving: Moving | undefined;

beforeAll(async () => {
  controller = await programs.controller();
  client = createClient(controller.address);
  for (const nodeId of NODE_IDS) await startAgent(nodeId);
  await importImage(client, await readImageSource(TINY));
}, LONG.timeout);

afterEach(async () => {
  moving?.beats.end();
  moving = undefined;
  await client.guests.deleteGuest({ projectId: "", guestId: "g", requestId: "" });
  await vi.waitFor(async () => {
    expect((await client.guests.listGuests(ALL)).guests).toEqual([]);
  }, LONG);
});

afterAll(async () => {
  client.close();
  await programs.dispose();
});

const ALL = { projectId: "", pageSize: 10, pageToken: "", minRevision: 0 };

describe("while memory is sent", () => {
  it.each(VICTIMS)("%s is killed: it runs where it was", { timeout: 90_000 }, async (victim) => {
    // It writes faster than can be sent, so the move is under way until something happens.
    const present = await begin("beat=50 fill=100 dirty=1000000 span=360", 1);
    await untilSending(present);
    await strike(victim, present);
    const ended = await untilDone(present);
    expect(ended.state).not.toBe(OperationState.SUCCEEDED);
    await checkEnd(present, { nodeId: present.source, isReborn: victim === "source QEMU" });
  });
});

describe("at the point of no return, or right after it", () => {
  it.each(VICTIMS)("%s is killed: it runs where it went", { timeout: 90_000 }, async (victim) => {
    const present = await begin("beat=50 fill=50", 300);
    await untilSwitching(present);
    await strike(victim, present);
    const ended = await untilDone(present);
    expect(ended.state).toBe(OperationState.SUCCEEDED);
    await checkEnd(present, { nodeId: present.target, isReborn: victim === "target QEMU" });
  });
});

async function startAgent(nodeId: NodeId): Promise<void> {
  const offer = { INN_ENGINES: "qemu", INN_CPU_MILLIS: "4000", INN_MEMORY_MIB: "2048" };
  agents.set(nodeId, await programs.agent(nodeId, controller.address, offer));
}

/** A guest that beats, and a migration of it that has begun. */
async function begin(commandLine: string, downtimeMs: number): Promise<Moving> {
  const guest = Guest.fromPartial({
    id: "g",
    spec: {
      imageId: "tiny",
      mode: Mode.PARAVIRT,
      resources: { cpuMillis: 1000, memoryMib: MEMORY_MIB },
      commandLine,
      restartPolicy: { condition: RestartCondition.ALWAYS },
      migrationPolicy: { downtimeMax: durationOf(downtimeMs), slowdownPercentMax: 0 },
    },
  });
  await client.guests.createGuest({ guest, requestId: "" });
  const running = await untilGuest(({ status }) => status?.phase === GuestPhase.RUNNING);
  const source = running.status?.placement?.nodeId === "n1" ? "n1" : "n2";
  const target = source === "n1" ? "n2" : "n1";
  const beats = new BeatRecord(programs.directory, NODE_IDS, running.uid);
  const known = { uid: running.uid, source, target, beats } as const;
  moving = { ...known, operationId: "" };
  await vi.waitFor(() => expect(beats.last).toBeGreaterThan(5), LONG);
  const move = { projectId: "", guestId: "g", targetNodeId: target, requestId: "" };
  const { operation } = await client.guests.migrateGuest({
    ...move,
    downtimeMsMax: 0,
    dryRun: false,
  });
  moving = { ...known, operationId: operation?.id ?? "" };
  return moving;
}

async function untilSending({ operationId }: Moving): Promise<void> {
  await vi.waitFor(async () => {
    const { operation } = await client.operations.getOperation({ operationId });
    expect(operation?.migration?.rounds ?? 0).toBeGreaterThan(1);
  }, LONG);
}

async function untilSwitching({ target }: Moving): Promise<void> {
  await untilGuest(({ status }) => status?.placement?.nodeId === target);
}

/** Woken by each change. */
async function untilGuest(condition: (guest: Guest) => boolean): Promise<Guest> {
  const abort = AbortSignal.timeout(LONG.timeout);
  const changes = client.guests.watchGuests({ projectId: "", fromRevision: 0 }, abort);
  for await (const { guest } of changes) if (guest && condition(guest)) return guest;
  throw new Error("the guest did not become so");
}

/** Kills it, and starts again what a host would start again. */
async function strike(victim: Victim, present: Moving): Promise<void> {
  switch (victim) {
    case "source agent":
      return await restartAgent(present.source);
    case "target agent":
      return await restartAgent(present.target);
    case "source QEMU":
      return killQemu(present, 1);
    case "target QEMU":
      return killQemu(present, 2);
    case "controller":
      return await restartController();
  }
}

async function restartAgent(nodeId: NodeId): Promise<void> {
  await programs.kill(agents.get(nodeId) as Started);
  await startAgent(nodeId);
}

/** Where agents look for it. */
async function restartController(): Promise<void> {
  await programs.kill(controller);
  client.close();
  controller = await programs.controller({ INN_LISTEN: controller.address });
  client = createClient(controller.address);
}

/** What has ended by itself meanwhile was not there to be killed. */
function killQemu({ uid }: Moving, epoch: number): void {
  for (const pid of programs.qemuOf(`${uid}.${epoch}`)) process.kill(pid, "SIGKILL");
}

async function untilDone({ operationId }: Moving) {
  return await vi.waitFor(async () => {
    const { operation } = await client.operations.getOperation({ operationId });
    if (operation?.done !== true) throw new Error(operation?.message);
    return operation;
  }, LONG);
}

async function checkEnd(
  { uid, beats }: Moving,
  wanted: { readonly nodeId: NodeId; readonly isReborn: boolean },
): Promise<void> {
  await vi.waitFor(async () => {
    const { guest } = await client.guests.getGuest({ projectId: "", guestId: "g", minRevision: 0 });
    const { phase, placement, migration } = guest?.status ?? {};
    expect([phase, placement?.nodeId, migration]).toEqual([
      GuestPhase.RUNNING,
      wanted.nodeId,
      undefined,
    ]);
    expect(programs.qemuOf(uid)).toHaveLength(1);
  }, LONG);
  const before = beats.last;
  await vi.waitFor(() => expect(beats.last).not.toBe(before), LONG);
  expect(beats.isDamaged).toBe(false);
  checkLives(beats, wanted.isReborn);
  await checkLedger(wanted.nodeId);
}

/**
 * No copy lives again what the one before has lived; only one whose QEMU was killed begins anew.
 * The last beats of a copy may not have been seen before it was gone, so a gap says nothing.
 */
function checkLives(beats: BeatRecord, isReborn: boolean): void {
  const copies = beats.copies();
  expect(copies.length).toBeGreaterThan(0);
  for (const [index, { first }] of copies.entries()) {
    const former = copies[index - 1];
    if (former === undefined || (isReborn && first === 1)) continue;
    expect(first).toBeGreaterThanOrEqual(former.last - SLACK_BEATS);
  }
}

/** Only where it is, anything is taken. */
async function checkLedger(nodeId: NodeId): Promise<void> {
  for (const each of NODE_IDS) {
    const { node } = await client.nodes.getNode({ nodeId: each });
    const memoryMib = each === nodeId ? MEMORY_MIB : 0;
    expect([each, node?.allocated?.memoryMib]).toEqual([each, memoryMib]);
  }
}
