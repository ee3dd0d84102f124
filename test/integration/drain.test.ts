/**
 * A node is drained on real QEMU guests while the leader is killed in the middle: all end
 * elsewhere, running, none started anew.
 */
import { importImage, readImageSource } from "@innkeeper/client";
import { Guest, GuestPhase } from "@innkeeper/proto/innkeeper/v1/guest";
import { type Operation, OperationState } from "@innkeeper/proto/innkeeper/v1/operation";
import { afterEach, expect, it, vi } from "vitest";
import { type Member, RedisCluster } from "./redis-cluster.js";

const TINY = "images/build/tiny/image.json";
const GUESTS = 20;
const KILL_AFTER = 5;
const DRAIN = { nodeId: "n1", deadline: undefined, requestId: "" };
const ALL = { projectId: "", pageSize: 100, pageToken: "", minRevision: 0 };
const LONG = { timeout: 120_000, interval: 50 };

let cluster: RedisCluster;

afterEach(async () => {
  await cluster.dispose();
});

it("drains 20 guests from one of three nodes although its leader is killed", async () => {
  cluster = await RedisCluster.start({ controllers: 2, agents: 3, engines: "qemu" });
  const first = await cluster.leader();
  await importImage(first.client, await readImageSource(TINY));
  await fill(first);
  const { operation } = await first.client.nodes.drainNode(DRAIN);
  const operationId = operation?.id ?? "";
  await vi.waitFor(async () => {
    if (awayCount(await drainOn(first, operationId)) < KILL_AFTER) throw new Error("too few");
  }, LONG);
  await cluster.kill(first);
  const second = await cluster.leader();
  const ended = await vi.waitFor(async () => {
    const drain = await drainOn(second, operationId);
    if (!drain.done) throw new Error(drain.message);
    return drain;
  }, LONG);
  expect(ended.state).toBe(OperationState.SUCCEEDED);
  expect(ended.message).toBe(`${GUESTS} of ${GUESTS} guests are away`);
  const guests = await guestsOn(second);
  expect(guests).toHaveLength(GUESTS);
  for (const { id, status } of guests) {
    const { phase, restartCount, placement } = status ?? {};
    expect([id, phase, restartCount]).toEqual([id, GuestPhase.RUNNING, 0]);
    expect(["n2", "n3"]).toContain(placement?.nodeId);
  }
  expect(new Set(ended.drain?.entries.map(({ state }) => state))).toEqual(new Set(["moved"]));
});

/** All on n1: the other nodes take guests only afterwards. */
async function fill({ client }: Member): Promise<void> {
  for (const nodeId of ["n2", "n3"]) await client.nodes.cordonNode({ nodeId, requestId: "" });
  const resources = { cpuMillis: 100, memoryMib: 16 };
  const guests = Array.from({ length: GUESTS }, (_, index) =>
    Guest.fromPartial({ id: `g${index}`, spec: { imageId: "tiny", resources } }),
  );
  await client.guests.createGuests({ guests, gang: false, requestId: "" });
  await vi.waitFor(async () => {
    const { guests: all } = await client.guests.listGuests(ALL);
    const running = all.filter(({ status }) => status?.phase === GuestPhase.RUNNING);
    if (running.length < GUESTS) throw new Error(`${running.length} of ${GUESTS} run`);
  }, LONG);
  for (const nodeId of ["n2", "n3"]) await client.nodes.uncordonNode({ nodeId, requestId: "" });
}

async function drainOn({ client }: Member, operationId: string): Promise<Operation> {
  const { operation } = await client.operations.getOperation({ operationId });
  if (operation === undefined) throw new Error("the drain is known");
  return operation;
}

function awayCount({ drain }: Operation): number {
  return (drain?.entries ?? []).filter(({ state }) => state === "moved").length;
}

async function guestsOn({ client }: Member): Promise<readonly Guest[]> {
  return (await client.guests.listGuests(ALL)).guests;
}
