/** Commands on a guest that exists: run state, deletion, migration, cancelling, update. */
import { GUEST_PHASES, type Guest, type GuestPhase } from "@innkeeper/core";
import { aGuest, aNode, anOperation } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { aBench, type CommandBench, type Contents } from "../testing/command-bench.js";
import { cancelOperation } from "./cancel-operation.js";
import { deleteGuest } from "./delete-guest.js";
import { migrateGuest, planMigrationOf } from "./migrate-guest.js";
import { type RunStateVerb, setRunState } from "./set-run-state.js";
import { updateGuest } from "./update-guest.js";

const G1 = { projectId: "default", guestId: "g1", requestId: "" };
const BUSY = anOperation({ kind: "stop" });
const N1 = aNode();
const N2 = aNode({ id: "n2", address: "127.0.0.1:7102" });

const ALLOWED: Readonly<Record<RunStateVerb, readonly GuestPhase[]>> = {
  start: ["STOPPED", "FAILED", "RUNNING"],
  stop: ["PENDING", "PLACED", "STARTING", "RUNNING", "PAUSED", "STOPPED", "FAILED"],
  pause: ["RUNNING", "PAUSED"],
  resume: ["PAUSED", "RUNNING"],
};
const VERBS = Object.keys(ALLOWED) as RunStateVerb[];
const CASES = VERBS.flatMap((verb) =>
  GUEST_PHASES.map((phase) => ({ verb, phase, isAllowed: ALLOWED[verb].includes(phase) })),
);

describe("setRunState", () => {
  it.each(CASES)(
    "$verb while $phase: allowed is $isAllowed",
    async ({ verb, phase, isAllowed }) => {
      const bench = await withGuest({ phase, onNode: "n1" });
      const outcome = await outcomeOf(setRunState(bench, verb, G1));
      expect(outcome).toBe(isAllowed ? "done" : "precondition ILLEGAL_TRANSITION");
      expect(bench.guest("g1").operationId !== "").toBe(isAllowed);
    },
  );

  it("changes what is desired, with a new generation and intent", async () => {
    const bench = await withGuest({ onNode: "n1" });
    await setRunState(bench, "pause", G1);
    expect(bench.guest("g1")).toMatchObject({
      generation: 2,
      intent: 2,
      spec: { desired: "paused", startCount: 0 },
      status: { phase: "RUNNING" },
    });
  });

  it("changes nothing when it is so already", async () => {
    const bench = await withGuest({ onNode: "n1" });
    await setRunState(bench, "start", G1);
    expect(bench.guest("g1")).toMatchObject({ generation: 1, intent: 1 });
  });

  it("makes a start of a failed guest forget its failures", async () => {
    const bench = await withGuest({ onNode: "n1", phase: "FAILED" });
    await setRunState(bench, "start", G1);
    expect(bench.guest("g1")).toMatchObject({ generation: 2, spec: { startCount: 1 } });
  });

  it("puts a guest that never had a place back into the queue", async () => {
    const bench = await withGuest({ phase: "STOPPED", spec: { desired: "stopped" } });
    await setRunState(bench, "start", G1);
    expect(bench.guest("g1").status.phase).toBe("PENDING");
  });

  it("refuses a busy guest and names the running operation", async () => {
    const bench = await withGuest({ onNode: "n1", operationId: BUSY.id }, { operations: [BUSY] });
    await expect(setRunState(bench, "pause", G1)).rejects.toMatchObject({
      kind: "conflict",
      reason: "GUEST_BUSY",
      metadata: { operation: BUSY.id, kind: "stop" },
    });
  });

  it("lets one of two commands at once through", async () => {
    const bench = await withGuest({ onNode: "n1" });
    const outcomes = await Promise.all([
      outcomeOf(setRunState(bench, "pause", G1)),
      outcomeOf(setRunState(bench, "stop", G1)),
    ]);
    expect(outcomes).toEqual(["done", "conflict GUEST_BUSY"]);
  });

  it("does not find what is not there", async () => {
    const bench = await aBench();
    expect(await outcomeOf(setRunState(bench, "stop", G1))).toBe("not-found GUEST_NOT_FOUND");
  });
});

describe("deleteGuest", () => {
  it.each(GUEST_PHASES)("marks a guest that is %s", async (phase) => {
    const bench = await withGuest({ phase, onNode: "n1" });
    await deleteGuest(bench, G1);
    expect(bench.guest("g1")).toMatchObject({
      isDeleting: true,
      intent: 2,
      status: { phase: "DELETING", placement: { nodeId: "n1" } },
    });
  });

  it("ends the running operation as cancelled, and says by what", async () => {
    const bench = await withGuest({ onNode: "n1", operationId: BUSY.id }, { operations: [BUSY] });
    const id = await deleteGuest(bench, G1);
    expect(bench.operation(BUSY.id)).toMatchObject({
      state: "cancelled",
      error: { reason: "SUPERSEDED" },
    });
    expect(bench.guest("g1").operationId).toBe(id);
  });

  it("joins a deletion that runs", async () => {
    const bench = await withGuest({ onNode: "n1" });
    const first = await deleteGuest(bench, G1);
    expect(await deleteGuest(bench, G1)).toBe(first);
    expect(bench.mirror.operations()).toHaveLength(1);
  });
});

/** 100 MiB in a second, and 100 ms beside that. */
const MOVED = anOperation({
  id: "00000000-0000-4000-8000-00000000000a",
  kind: "migrate",
  state: "succeeded",
  createdAtMs: 1000,
  updatedAtMs: 2100,
  migration: {
    transferredBytes: 100 * 2 ** 20,
    remainingBytes: 0,
    totalBytes: 100 * 2 ** 20,
    elapsedMs: 1000,
    engineDowntimeMs: 1,
  },
});

describe("migrateGuest", () => {
  const move = { ...G1, targetNodeId: "", downtimeMsMax: 300 };

  it("reserves the target and begins to copy, in one commit", async () => {
    const bench = await withGuest({ onNode: "n1" }, { nodes: [N1, N2] });
    const id = await migrateGuest(bench, move);
    expect(bench.guest("g1")).toMatchObject({
      operationId: id,
      intent: 2,
      status: {
        phase: "MIGRATING",
        epochLast: 2,
        placement: { nodeId: "n1", epoch: 1 },
        migration: { step: "copying", sourceEpoch: 1, target: { nodeId: "n2", epoch: 2 } },
      },
    });
    expect(await bench.counters()).toEqual({ "node/n2/cpuMillis": 1000, "node/n2/memoryMib": 256 });
    expect(bench.mirror.allocatedOn("n2").memoryMib).toBe(256);
  });

  it("refuses with every node's reason when nothing fits", async () => {
    const bench = await withGuest({ onNode: "n1" }, { nodes: [N1, { ...N2, isCordoned: true }] });
    await expect(migrateGuest(bench, move)).rejects.toMatchObject({
      kind: "capacity",
      reason: "NOTHING_FITS",
      message: expect.stringMatching(/n1: the guest is there already.*n2: it is cordoned/),
    });
  });

  it("notes with the operation what is expected, from what was seen before", async () => {
    const bench = await withGuest({ onNode: "n1" }, { nodes: [N1, N2], operations: [MOVED] });
    const { uid: guestUid } = bench.guest("g1");
    const usage = { guestUid, cpuMs: 1, memoryMib: 100, readAtMs: 1, dirtyBytesPerSecond: 1000 };
    bench.sessions.usage.take("n1", [usage]);
    const { requestId: _, ...question } = move;
    const planned = planMigrationOf(bench, question);
    expect(bench.guest("g1").status.phase).toBe("RUNNING");
    const { forecast } = bench.operation(await migrateGuest(bench, move));
    expect(forecast).toEqual(planned);
    expect(forecast).toMatchObject({
      sourceNodeId: "n1",
      targetNodeId: "n2",
      willConverge: true,
      totalMs: 1100,
      basis: {
        memoryBytes: 100 * 2 ** 20,
        dirtyBytesPerSecond: 1000,
        bytesPerSecond: 100 * 2 ** 20,
        overheadMs: 100,
        samples: 1,
      },
    });
  });

  it("says all that stands against a move at once", async () => {
    const abilities = N1.abilities.map((each) => ({ ...each, canLiveMigrate: false }));
    const nodes = [{ ...N1, abilities }, N2];
    const bench = await withGuest({ onNode: "n1", diskMib: 512 }, { nodes });
    await expect(migrateGuest(bench, move)).rejects.toMatchObject({
      message: expect.stringMatching(
        /: its disk of 512 MiB is on n1; [a-z]+ by sim has no live mi/,
      ),
    });
  });

  it("does not move to a node whose agent is silent", async () => {
    const bench = await withGuest({ onNode: "n1" }, { nodes: [N1, N2] });
    await bench.clock.advance(10_001);
    bench.sync(N1);
    expect(await outcomeOf(migrateGuest(bench, move))).toBe("capacity NOTHING_FITS");
  });

  it("refuses what cannot move while it runs", async () => {
    const abilities = N1.abilities.map((each) => ({ ...each, canLiveMigrate: false }));
    const bench = await withGuest({ onNode: "n1" }, { nodes: [{ ...N1, abilities }, N2] });
    expect(await outcomeOf(migrateGuest(bench, move))).toBe("precondition NO_LIVE_MIGRATION");
  });

  it("refuses a guest with a disk, which is on its node only, naming the disk", async () => {
    const bench = await withGuest({ onNode: "n1", diskMib: 512 }, { nodes: [N1, N2] });
    await expect(migrateGuest(bench, move)).rejects.toMatchObject({
      reason: "NO_LIVE_MIGRATION",
      message: 'guest "g1" cannot move while it runs: its disk of 512 MiB is on n1',
    });
  });

  it("does not know a target that never joined", async () => {
    const bench = await withGuest({ onNode: "n1" }, { nodes: [N1] });
    const outcome = await outcomeOf(migrateGuest(bench, { ...move, targetNodeId: "n9" }));
    expect(outcome).toBe("not-found NODE_NOT_FOUND");
  });

  it.each(GUEST_PHASES.filter((phase) => phase !== "RUNNING"))(
    "refuses while %s",
    async (phase) => {
      const bench = await withGuest({ phase, onNode: "n1" }, { nodes: [N1, N2] });
      expect(await outcomeOf(migrateGuest(bench, move))).toBe("precondition ILLEGAL_TRANSITION");
    },
  );

  it("never promises the last place on a node to two guests (I2)", async () => {
    const guests = ["a", "b"].map((id, index) => guestOn("n1", { id, uid: uid(index) }));
    const small = { ...N2, capacity: { ...N2.capacity, memoryMib: 300 } };
    const bench = await aBench({ guests, nodes: [N1, small] });
    const outcomes = await Promise.all(
      ["a", "b"].map((guestId) => outcomeOf(migrateGuest(bench, { ...move, guestId }))),
    );
    expect(outcomes[0]).toBe("done");
    expect(outcomes[1]).toMatch(/NODE_FULL|NOTHING_FITS/);
    expect(await bench.counters()).toMatchObject({ "node/n2/memoryMib": 256 });
  });
});

describe("cancelOperation", () => {
  it("marks a creation that has no place yet", async () => {
    const create = anOperation();
    const bench = await withGuest({ operationId: create.id }, { operations: [create] });
    expect(await cancelOperation(bench, { operationId: create.id, requestId: "" })).toBe(create.id);
    expect(bench.operation(create.id)).toMatchObject({ isCancelRequested: true, state: "running" });
  });

  it.each([
    ["a creation that has its place", { operation: anOperation(), why: "delete it instead" }],
    ["a stop", { operation: BUSY, why: "cannot be undone" }],
    ["what has ended", { operation: anOperation({ state: "failed" }), why: "has ended" }],
  ])("refuses %s", async (_, { operation, why }) => {
    const guest = { onNode: "n1", operationId: operation.id };
    const bench = await withGuest(guest, { operations: [operation] });
    const cancelling = cancelOperation(bench, { operationId: operation.id, requestId: "" });
    await expect(cancelling).rejects.toMatchObject({
      reason: "OPERATION_NOT_CANCELLABLE",
      metadata: { why: expect.stringContaining(why) },
    });
  });

  it("takes back a migration up to its point of no return", async () => {
    const bench = await withGuest({ onNode: "n1" }, { nodes: [N1, N2] });
    const id = await migrateGuest(bench, { ...G1, targetNodeId: "", downtimeMsMax: 1 });
    await cancelOperation(bench, { operationId: id, requestId: "" });
    expect(bench.operation(id).isCancelRequested).toBe(true);
    const { migration, ...status } = bench.guest("g1").status;
    const switching = migration && { ...migration, step: "switching" as const };
    await put(bench, { ...bench.guest("g1"), status: { ...status, migration: switching } });
    expect(await outcomeOf(cancelOperation(bench, { operationId: id, requestId: "" }))).toBe(
      "precondition OPERATION_NOT_CANCELLABLE",
    );
  });
});

describe("updateGuest", () => {
  it("changes labels without telling the node", async () => {
    const bench = await withGuest({ onNode: "n1" });
    await updateGuest(bench, { ...G1, expectedRevision: 0, labels: { a: "b" } });
    expect(bench.guest("g1")).toMatchObject({ labels: { a: "b" }, generation: 1, intent: 1 });
  });

  it("tells the node about a new policy and leaves the rest as it was", async () => {
    const bench = await withGuest({ onNode: "n1", labels: { keep: "me" } });
    await updateGuest(bench, { ...G1, expectedRevision: 0, stopTimeoutMs: 5 });
    expect(bench.guest("g1")).toMatchObject({
      labels: { keep: "me" },
      generation: 2,
      intent: 2,
      spec: { stopTimeoutMs: 5, restartPolicy: aGuest().spec.restartPolicy },
    });
  });

  it("refuses a stale etag and takes the present one", async () => {
    const bench = await withGuest({});
    const etag = bench.mirror.guest("default", "g1")?.revision ?? 0;
    await updateGuest(bench, { ...G1, expectedRevision: etag, labels: { a: "1" } });
    const stale = updateGuest(bench, { ...G1, expectedRevision: etag, labels: { a: "2" } });
    expect(await outcomeOf(stale)).toBe("conflict ETAG_MISMATCH");
    expect(bench.guest("g1").labels).toEqual({ a: "1" });
  });
});

function withGuest(
  overrides: Parameters<typeof aGuest>[0],
  contents: Contents = {},
): Promise<CommandBench> {
  return aBench({ guests: [aGuest(overrides)], ...contents });
}

function guestOn(onNode: string, overrides: { id: string; uid: string }): Guest {
  return aGuest({ onNode, ...overrides });
}

function uid(index: number): string {
  return `00000000-0000-4000-8000-00000000000${index}`;
}

async function put(bench: CommandBench, guest: Guest): Promise<void> {
  const puts = [{ key: "guest/default/g1" as const, value: guest }];
  await bench.store.commit({ checks: [], puts, deletes: [], counters: [] });
  await bench.clock.advance(0);
}

function outcomeOf(command: Promise<unknown>): Promise<string> {
  return command.then(
    () => "done",
    (error: { kind: string; reason: string }) => `${error.kind} ${error.reason}`,
  );
}
