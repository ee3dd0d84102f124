import { allocatable, type NodeRecord } from "@innkeeper/core";
import { aGuest, aNode, forEachSeedAsync, type Prng } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { createGang } from "../commands/create-guests.js";
import { aBench, type CommandBench } from "../testing/command-bench.js";
import { placeAll } from "../testing/place-all.js";

const NONE = { cpuMillis: 0, memoryMib: 0, diskMib: 0 };
const EXACT = { cpuMillis: 100, memoryMib: 100, diskMib: 100 };

describe("the placement of a gang", () => {
  it("gives all a place in one commit", async () => {
    const bench = await aBench({ nodes: [nodeOf("n1", 512), nodeOf("n2", 256)] });
    await createGang(bench, sized(256, 256, 256), "");
    const commits = await placeAll(bench);
    expect(commits).toHaveLength(1);
    expect(placesOf(bench).sort()).toEqual(["n1", "n1", "n2"]);
  });

  it("gives none a place when one finds none, and says which and why", async () => {
    const bench = await aBench({ nodes: [nodeOf("n1", 512)] });
    await createGang(bench, sized(256, 256, 256), "");
    await placeAll(bench);
    expect(placesOf(bench)).toEqual(["", "", ""]);
    const { message, rejections } = bench.guest("g0").status;
    expect(message).toMatch(/^gang of 3: 2 find places together, "g2" does not: n1: .*memory/);
    expect(rejections).not.toEqual([]);
    const counted = Object.keys(await bench.counters());
    expect(counted.filter((key) => key.startsWith("node/"))).toEqual([]);
  });

  it("lets others have the room that a gang could not use", async () => {
    const bench = await aBench({
      nodes: [nodeOf("n1", 512)],
      guests: [pending("single", 512)],
    });
    await createGang(bench, sized(256, 256, 256), "");
    await placeAll(bench);
    expect(bench.guest("single").status.placement?.nodeId).toBe("n1");
  });

  it("takes the space of all disks from the node, also of those beside the first", async () => {
    const guest = pending("single", 128);
    const dataDisks = [{ name: "a", sizeMib: 10 }];
    const bench = await aBench({
      nodes: [nodeOf("n1", 512)],
      guests: [{ ...guest, spec: { ...guest.spec, dataDisks } }],
    });
    await placeAll(bench);
    expect(await bench.counters()).toMatchObject({ "node/n1/diskMib": 10 });
  });

  it("places the largest first, so that they do not find the room in pieces", async () => {
    const bench = await aBench({ nodes: [nodeOf("n1", 512), nodeOf("n2", 512)] });
    await createGang(bench, sized(256, 256, 512), "");
    await placeAll(bench);
    expect(placesOf(bench).filter((id) => id === "")).toEqual([]);
  });

  it("is all or nothing whatever the sizes, and never more than a node has", async () => {
    await forEachSeedAsync(60, async (prng) => {
      const nodes = Array.from({ length: prng.integer(1, 4) }, (_, index) =>
        nodeOf(`n${index}`, 128 * prng.integer(1, 8)),
      );
      const bench = await aBench({ nodes });
      await createGang(bench, someSizes(prng), "");
      await placeAll(bench);
      const unplaced = placesOf(bench).filter((id) => id === "").length;
      expect([0, bench.mirror.guests().length]).toContain(unplaced);
      for (const node of nodes) {
        const { memoryMib } = bench.mirror.allocatedOn(node.id);
        expect(memoryMib).toBeLessThanOrEqual(allocatable(node).memoryMib);
      }
      await bench.close();
    });
  });
});

function nodeOf(id: string, memoryMib: number): NodeRecord {
  const capacity = { cpuMillis: 64_000, memoryMib, diskMib: 1024 };
  return aNode({ id, capacity, reserve: NONE, overcommitPercent: EXACT });
}

function sized(...memoryMibs: readonly number[]) {
  return memoryMibs.map((memoryMib, index) => {
    const { projectId, labels, spec } = pending(`g${index}`, memoryMib);
    return { id: `g${index}`, projectId, labels, spec };
  });
}

function someSizes(prng: Prng) {
  return sized(...Array.from({ length: prng.integer(1, 8) }, () => 64 * prng.integer(1, 6)));
}

function pending(id: string, memoryMib: number) {
  const resources = { cpuMillis: 100, memoryMib, diskMib: 0 };
  return aGuest({ id, uid: `${id}-uid`, spec: { resources } });
}

function placesOf(bench: CommandBench): string[] {
  return bench.mirror.guests().map(({ status }) => status.placement?.nodeId ?? "");
}
