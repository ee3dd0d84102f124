import { aGuest, aNode, forEachSeedAsync, type Prng } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { aBench, type CommandBench } from "../testing/command-bench.js";
import { placeAll } from "../testing/place-all.js";
import { cordonNode } from "./cordon-node.js";
import { createGuest } from "./create-guest.js";
import { deleteGuest } from "./delete-guest.js";
import { replayDecision } from "./replay-decision.js";

const DEFAULT = { projectId: "default", requestId: "" };

describe("a decision made again", () => {
  it("is the same, whatever has happened since (I8)", async () => {
    await forEachSeedAsync(20, async (prng) => {
      const bench = await aBench({ nodes: ["n1", "n2", "n3"].map(nodeOf) });
      const names = Array.from({ length: 6 }, (_, index) => `g${index}`);
      for (const id of names) await create(bench, prng, id);
      await placeAll(bench);
      await cordonNode(bench, {
        nodeId: prng.pick(["n1", "n2", "n3"]),
        isCordoned: true,
        requestId: "",
      });
      await deleteGuest(bench, { ...DEFAULT, guestId: "g0" });
      await create(bench, prng, "later");
      await placeAll(bench);
      for (const guestId of [...names, "later"]) {
        const { isSame, result, decision } = await replayDecision(bench, { ...DEFAULT, guestId });
        expect(result.isPlaced && result.decision).toEqual(decision);
        expect(isSame).toBe(true);
      }
      await bench.close();
    });
  });

  it("is refused for a guest without a place, and for one that is not there", async () => {
    const bench = await aBench({ guests: [aGuest()] });
    const ask = (guestId: string) => replayDecision(bench, { ...DEFAULT, guestId });
    await expect(ask(aGuest().id)).rejects.toMatchObject({ reason: "NOT_PLACED" });
    await expect(ask("nobody")).rejects.toMatchObject({ kind: "not-found" });
  });

  it("says when the records of then cannot be told any more", async () => {
    const bench = await aBench({ nodes: [nodeOf("n1")], guests: [aGuest({ onNode: "n1" })] });
    const store = {
      commit: bench.store.commit.bind(bench.store),
      findRequest: bench.store.findRequest.bind(bench.store),
      snapshot: () => bench.store.snapshot(),
      changes: bench.store.changes.bind(bench.store),
      oldestRevision: () => Promise.resolve(7),
    };
    const { mirror, clock, ids } = bench;
    const context = { mirror, clock, ids, store };
    const asked = replayDecision(context, { ...DEFAULT, guestId: aGuest().id });
    await expect(asked).rejects.toMatchObject({ reason: "STATE_GONE" });
  });
});

function nodeOf(id: string) {
  return aNode({ id, capacity: { cpuMillis: 8000, memoryMib: 8192, diskMib: 8192 } });
}

async function create(bench: CommandBench, prng: Prng, id: string): Promise<void> {
  const resources = { cpuMillis: 100 * prng.integer(1, 10), memoryMib: 128, diskMib: 0 };
  const { spec } = aGuest({ spec: { resources } });
  await createGuest(bench, { ...DEFAULT, id, labels: {}, spec });
}
