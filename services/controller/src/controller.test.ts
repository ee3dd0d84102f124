/** The whole controller on virtual time, with agents that do what they are told at once. */
import type {
  AgentClient,
  ApplyAssignments,
  CopyReport,
  GuestAssignment,
  NodeRecord,
} from "@innkeeper/core";
import { conflict } from "@innkeeper/core";
import {
  aCopyReport,
  aGuest,
  aNode,
  aNodeReport,
  anImage,
  aProject,
  aTransaction,
  FakeClock,
  MemoryBlobStore,
  MemoryDisk,
  MemoryLeaderLease,
  MemoryStateStore,
  SeededIdSource,
  silentLogger,
} from "@innkeeper/core/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cordonNode } from "./commands/cordon-node.js";
import { createGuest } from "./commands/create-guest.js";
import { deleteGuest } from "./commands/delete-guest.js";
import { setRunState } from "./commands/set-run-state.js";
import { type Controller, type ControllerConfig, createController } from "./controller.js";

const CONFIG: ControllerConfig = {
  controllerId: "one",
  leaderTtlMs: 3000,
  mirrorWaitMs: 5000,
  leaseTtlMs: 8000,
  leaseMarginMs: 2000,
  leaseCheckMs: 500,
  resyncMs: 5000,
  retryMs: 500,
  migrationsPerNodeMax: 4,
  operationsKeptMs: 3_600_000,
};
const CREATE = { ...aGuest(), requestId: "" };
const G1 = { projectId: "default", guestId: "g1", requestId: "" };
const CHANGES_KEPT_MAX = 200;

let clock: FakeClock;
let disk: MemoryDisk;
let agents: Map<string, ObedientAgent>;
let running: Controller[];

beforeEach(() => {
  clock = new FakeClock();
  disk = new MemoryDisk({ changesKeptMax: CHANGES_KEPT_MAX });
  agents = new Map();
  running = [];
});

afterEach(async () => {
  for (const controller of running) await controller.stop();
});

describe("a guest's life", () => {
  it("is placed, started, stopped and deleted; nothing of it is left", async () => {
    const controller = await aCluster(aNode());
    await createGuest(controller, CREATE);
    await until(() => phase(controller) === "RUNNING");
    expect(await counters(controller)).toMatchObject({ "node/n1/memoryMib": 256 });
    await setRunState(controller, "stop", G1);
    await until(() => phase(controller) === "STOPPED");
    await deleteGuest(controller, G1);
    await until(() => phase(controller) === "gone");
    expect(await counters(controller)).toEqual({});
    const ends = controller.mirror.operations().map((each) => [each.kind, each.state].join(" "));
    expect(ends.sort()).toEqual(["create succeeded", "delete succeeded", "stop succeeded"]);
  });

  it("waits with its reasons while nothing fits, and begins when something does", async () => {
    const small = { ...aNode().capacity, memoryMib: 100 };
    const controller = await aCluster(aNode({ capacity: small }));
    const operationId = await createGuest(controller, CREATE);
    await until(
      () => controller.mirror.guest("default", "g1")?.value.status.reason === "NOTHING_FITS",
    );
    expect(controller.mirror.guest("default", "g1")?.value.status).toMatchObject({
      phase: "PENDING",
      rejections: [{ nodeId: "n1", filter: "memoryMib", need: 256, have: 100 }],
    });
    expect(controller.mirror.operation(operationId)?.value.state).toBe("running");
    await addAgent(controller, aNode({ id: "n2", address: "127.0.0.1:7102" }));
    await until(() => phase(controller) === "RUNNING");
    expect(controller.mirror.operation(operationId)?.value.state).toBe("succeeded");
  });

  it("begins when the place of another guest becomes free", async () => {
    const capacity = { ...aNode().capacity, memoryMib: 300 };
    const controller = await aCluster(aNode({ capacity }));
    await createGuest(controller, CREATE);
    await until(() => phase(controller) === "RUNNING");
    await createGuest(controller, { ...CREATE, id: "g2" });
    await clock.advance(1000);
    expect(phase(controller, "g2")).toBe("PENDING");
    await deleteGuest(controller, G1);
    await until(() => phase(controller, "g2") === "RUNNING");
  });

  it("never puts more on the nodes than they promise, however many come at once (I2)", async () => {
    const capacity = { ...aNode().capacity, memoryMib: 1000 };
    const nodes = ["n1", "n2"].map((id, index) =>
      aNode({ id, address: `127.0.0.1:710${index}`, capacity }),
    );
    const controller = await aCluster(...nodes);
    await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        createGuest(controller, { ...CREATE, id: `g${index}` }),
      ),
    );
    await clock.advance(2000);
    const placed = controller.mirror.guests().filter((each) => each.status.placement);
    expect(placed).toHaveLength(6);
    expect(await counters(controller)).toMatchObject({
      "node/n1/memoryMib": 768,
      "node/n2/memoryMib": 768,
    });
  });

  it("is not put on a cordoned node", async () => {
    const controller = await aCluster(aNode());
    await cordonNode(controller, { nodeId: "n1", isCordoned: true, requestId: "" });
    await createGuest(controller, CREATE);
    await clock.advance(1000);
    expect(phase(controller)).toBe("PENDING");
    await cordonNode(controller, { nodeId: "n1", isCordoned: false, requestId: "" });
    await until(() => phase(controller) === "RUNNING");
  });
});

describe("agents that fail", () => {
  it("hear of it again when they did not answer", async () => {
    const controller = await aCluster(aNode());
    const agent = agents.get("n1");
    if (agent) agent.isAway = true;
    await createGuest(controller, CREATE);
    await clock.advance(1000);
    expect(phase(controller)).toBe("PLACED");
    if (agent) agent.isAway = false;
    await until(() => phase(controller) === "RUNNING");
  });

  it("whose lease and margin have run out lose their guests, and get them back", async () => {
    const controller = await aCluster(aNode());
    await createGuest(controller, CREATE);
    await until(() => phase(controller) === "RUNNING");
    const agent = agents.get("n1");
    agent?.stopBeating();
    await clock.advance(CONFIG.leaseTtlMs + CONFIG.leaseMarginMs - CONFIG.leaseCheckMs);
    expect(phase(controller)).toBe("RUNNING");
    await until(() => phase(controller) === "LOST");
    expect(controller.mirror.node("n1")?.value.state).toBe("unreachable");
    await agent?.beat(controller, true);
    await until(() => phase(controller) === "RUNNING");
    expect(controller.mirror.node("n1")?.value.state).toBe("ready");
  });

  it("remove copies that no record explains", async () => {
    const controller = await aCluster(aNode());
    const agent = agents.get("n1");
    const stray = "00000000-0000-4000-8000-0000000000ff";
    agent?.copies.set(stray, aCopyReport({ guestUid: stray, epoch: 4, intent: 9 }));
    await agent?.beat(controller, true);
    await until(() => agent?.copies.get(stray)?.state === "absent");
  });
});

describe("leaders", () => {
  it("take turns: the second leads when the first is gone, with a higher epoch", async () => {
    const first = await aController("one");
    const second = await aController("two");
    expect([first.leaderEpoch > 0, second.leaderEpoch]).toEqual([true, 0]);
    const epoch = first.leaderEpoch;
    await first.stop();
    await until(() => second.leaderEpoch > epoch);
  });

  it("that were deposed can write nothing more (I4)", async () => {
    const first = await aCluster(aNode());
    await new MemoryLeaderLease({ disk, clock: new FakeClock() }).acquire("one", 1);
    await createGuest(first, CREATE);
    await clock.advance(500);
    expect(phase(first)).toBe("PENDING");
    expect(first.mirror.guest("default", "g1")?.value.status.rejections).toEqual([]);
  });

  it("decide nothing before they have seen all that was written before their term", async () => {
    const first = await aCluster(aNode());
    const second = await aController("two", new LaggingStore({ disk, clock }));
    await createGuest(first, CREATE);
    await until(() => phase(first) === "RUNNING");
    await first.stop();
    await until(() => second.leaderEpoch > first.leaderEpoch);
    const agent = agents.get("n1") as ObedientAgent;
    await expect(agent.beat(second, true)).rejects.toMatchObject({ kind: "unavailable" });
    await until(() => second.mirror.revision === disk.state.revision);
    const joined = second.join(aNode());
    await clock.advance(CONFIG.resyncMs);
    await joined;
    await agent.beat(second, true);
    await clock.advance(CONFIG.resyncMs);
    expect(phase(second)).toBe("RUNNING");
    expect([...agent.copies.values()].map((copy) => copy.state)).toEqual(["running"]);
  });

  it("answer agents only while they lead", async () => {
    await aController("one");
    const second = await aController("two");
    await expect(second.join(aNode())).rejects.toMatchObject({ reason: "LEADER_UNAVAILABLE" });
  });
});

describe("a mirror that cannot follow", () => {
  it("is loaded again, and the cluster goes on", async () => {
    const controller = await aCluster(aNode());
    const other = new MemoryStateStore({ disk, clock });
    const changes = Array.from({ length: 3 * CHANGES_KEPT_MAX }, () =>
      aTransaction({ puts: [{ key: "project/noise", value: aProject({ id: "noise" }) }] }),
    );
    await other.commitAll(changes);
    await clock.advance(CONFIG.retryMs);
    expect(controller.mirror.revision).toBe((await other.snapshot()).revision);
    await createGuest(controller, CREATE);
    await until(() => phase(controller) === "RUNNING");
  });
});

/** An agent that has done what it was told as soon as it was told, and beats. */
class ObedientAgent implements AgentClient {
  readonly copies = new Map<string, CopyReport>();
  isAway = false;
  #sequence = 0;
  #isBeating = true;

  constructor(readonly node: NodeRecord) {}

  async apply({ assignments }: ApplyAssignments): Promise<readonly CopyReport[]> {
    if (this.isAway) throw conflict("AWAY", "the agent is away");
    return assignments.map((assignment) => this.#obey(assignment));
  }

  async beat(controller: Controller, isFull: boolean): Promise<void> {
    this.#sequence += 1;
    const { id: nodeId, incarnation } = this.node;
    const sequence = this.#sequence;
    const copies = [...this.copies.values()];
    await controller.report(aNodeReport({ nodeId, incarnation, sequence, isFull, copies }));
  }

  beatForever(controller: Controller): void {
    clock.schedule(2000, () => {
      if (!this.#isBeating) return;
      void this.beat(controller, false).catch(() => undefined);
      this.beatForever(controller);
    });
  }

  stopBeating(): void {
    this.#isBeating = false;
  }

  readConsole(): Promise<never> {
    return Promise.reject(new Error("nobody reads here"));
  }

  writeConsole(): never {
    throw new Error("nobody writes here");
  }

  exportDisk(): never {
    throw new Error("not asked for here");
  }

  exec(): never {
    throw new Error("nobody runs commands here");
  }

  close(): void {}

  #obey({ guestUid, epoch, intent, generation, desired }: GuestAssignment): CopyReport {
    const state = desired === "incoming" || desired === "sending" ? "taken" : desired;
    const report = aCopyReport({ guestUid, epoch, intent, generation, state });
    this.copies.set(guestUid, report);
    return report;
  }
}

const LAG_MS = 1000;

/** Shows each commit some time after it was made. */
class LaggingStore extends MemoryStateStore {
  override async *changes(
    ...args: Parameters<MemoryStateStore["changes"]>
  ): ReturnType<MemoryStateStore["changes"]> {
    for await (const batch of super.changes(...args)) {
      await new Promise<void>((resolve) => clock.schedule(LAG_MS, resolve));
      yield batch;
    }
  }
}

async function aController(
  controllerId: string,
  store = new MemoryStateStore({ disk, clock }),
): Promise<Controller> {
  const controller = await createController(
    {
      store,
      lease: new MemoryLeaderLease({ disk, clock }),
      blobs: new MemoryBlobStore(),
      agents: { clientFor: (address) => agentAt(address) },
      clock,
      ids: new SeededIdSource(running.length + 1),
      log: silentLogger,
    },
    { ...CONFIG, controllerId },
  );
  running.push(controller);
  return controller;
}

/** A leading controller, the image `tiny`, and these nodes with their agents. */
async function aCluster(...nodes: readonly NodeRecord[]): Promise<Controller> {
  const controller = await aController("one");
  await controller.store.commit(aTransaction({ puts: [{ key: "image/tiny", value: anImage() }] }));
  for (const node of nodes) await addAgent(controller, node);
  return controller;
}

async function addAgent(controller: Controller, node: NodeRecord): Promise<void> {
  const agent = new ObedientAgent(node);
  agents.set(node.id, agent);
  await controller.join(node);
  await agent.beat(controller, true);
  agent.beatForever(controller);
}

function agentAt(address: string): AgentClient {
  const agent = [...agents.values()].find((each) => each.node.address === address);
  if (agent === undefined) throw new Error(`no agent at ${address}`);
  return agent;
}

function phase({ mirror }: Controller, id = "g1"): string {
  return mirror.guest("default", id)?.value.status.phase ?? "gone";
}

async function counters({ store }: Controller): Promise<Record<string, number>> {
  return Object.fromEntries((await store.snapshot()).counters);
}

function until(condition: () => boolean): Promise<void> {
  return clock.runUntil(condition, 20_000);
}
