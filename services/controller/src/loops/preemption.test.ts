import type { Guest, NodeRecord } from "@innkeeper/core";
import { aGuest, aNode } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { aBench, type CommandBench } from "../testing/command-bench.js";
import { placeAll } from "../testing/place-all.js";

const NONE = { cpuMillis: 0, memoryMib: 0, diskMib: 0 };
const EXACT = { cpuMillis: 100, memoryMib: 100, diskMib: 100 };
const APP = { key: "app", value: "web" };

describe("preemption", () => {
  it("makes the cheapest guest leave, and says so on both sides", async () => {
    const bench = await aBench({
      nodes: [nodeOf("n1")],
      guests: [there("large", 384), there("small", 128), urgent({ memoryMib: 64 })],
    });
    await placeAll(bench);
    expect(leaving(bench)).toEqual(["small"]);
    expect(bench.guest("small").status.eviction).toEqual({
      step: "stopping",
      by: { guestUid: "urgent-uid", name: "default/urgent", priority: 10 },
    });
    expect(bench.guest("urgent").status).toMatchObject({
      phase: "PENDING",
      reason: "AWAITS_ROOM",
      message: "waits until default/small left n1 for it",
      preempting: { nodeId: "n1", victimUids: ["small-uid"] },
    });
  });

  it("makes nobody leave twice, or for a guest that is waited for already (M1)", async () => {
    const guests = [there("a", 256), there("b", 256), urgent({ memoryMib: 64 })];
    const bench = await aBench({ nodes: [nodeOf("n1")], guests });
    await placeAll(bench);
    await placeAll(bench);
    expect(leaving(bench)).toHaveLength(1);
  });

  it("lets nobody after it have what is free where others leave for it (M2)", async () => {
    const resources = { cpuMillis: 100, memoryMib: 128, diskMib: 0 };
    const later = aGuest({ ...names("later"), spec: { resources } });
    const guests = [there("a", 384), urgent({ memoryMib: 256 }), later];
    const bench = await aBench({ nodes: [nodeOf("n1")], guests });
    await placeAll(bench);
    await placeAll(bench);
    expect(leaving(bench)).toEqual(["a"]);
    expect(bench.guest("later").status.placement).toBeUndefined();
  });

  it("gives two that ask in one turn different victims", async () => {
    const other = urgent({ memoryMib: 200, id: "other" });
    const guests = [there("a", 256), there("b", 256), urgent({ memoryMib: 200 }), other];
    const bench = await aBench({ nodes: [nodeOf("n1")], guests });
    await placeAll(bench);
    expect(leaving(bench)).toEqual(["a", "b"]);
  });

  it("spares who did not consent, is busy, as important, or in a full budget (M3)", async () => {
    const disruptionBudget = { guestLabel: APP, downMax: 0 };
    const spared: Record<string, Guest> = {
      "not preemptible": aGuest({ ...names("a"), onNode: "n1", memoryMib: 512 }),
      busy: { ...there("a", 512), operationId: "some" },
      "of the same priority": there("a", 512, { priority: 10 }),
      "within its budget": { ...there("a", 512, { disruptionBudget }), labels: { app: "web" } },
    };
    for (const [why, guest] of Object.entries(spared)) {
      const bench = await aBench({
        nodes: [nodeOf("n1")],
        guests: [guest, urgent({ memoryMib: 64 })],
      });
      await placeAll(bench);
      expect(leaving(bench), why).toEqual([]);
      expect(bench.guest("urgent").status.reason).toBe("NOTHING_FITS");
    }
  });

  it("counts who is down already against a budget (M3)", async () => {
    const disruptionBudget = { guestLabel: APP, downMax: 1 };
    const member = (id: string): Guest => ({
      ...there(id, 256, { disruptionBudget }),
      labels: { app: "web" },
    });
    const down = { ...aGuest({ ...names("down"), phase: "FAILED" }), labels: { app: "web" } };
    const nodes = [nodeOf("n1")];
    const guests = [member("a"), member("b"), urgent({ memoryMib: 64 })];
    const bench = await aBench({ nodes, guests });
    await placeAll(bench);
    expect(leaving(bench)).toEqual(["a"]);
    const full = await aBench({ nodes, guests: [...guests, { ...down, spec: stopped(down) }] });
    await placeAll(full);
    expect(leaving(full)).toEqual([]);
  });

  it("makes nobody leave a node that does not answer", async () => {
    const guests = [there("a", 512), urgent({ memoryMib: 64 })];
    const bench = await aBench({ nodes: [{ ...nodeOf("n1"), state: "unreachable" }], guests });
    await placeAll(bench);
    expect(leaving(bench)).toEqual([]);
  });
});

function nodeOf(id: string): NodeRecord {
  const capacity = { cpuMillis: 64_000, memoryMib: 512, diskMib: 1024 };
  return aNode({ id, capacity, reserve: NONE, overcommitPercent: EXACT });
}

function names(id: string) {
  return { id, uid: `${id}-uid` };
}

function there(id: string, memoryMib: number, spec: Partial<Guest["spec"]> = {}): Guest {
  const resources = { cpuMillis: 100, memoryMib, diskMib: 0 };
  return aGuest({
    ...names(id),
    onNode: "n1",
    spec: { isPreemptible: true, ...spec, resources },
  });
}

function urgent({ memoryMib, id = "urgent" }: { memoryMib: number; id?: string }): Guest {
  const resources = { cpuMillis: 100, memoryMib, diskMib: 0 };
  return aGuest({ ...names(id), spec: { priority: 10, resources } });
}

function stopped({ spec }: Guest): Guest["spec"] {
  return { ...spec, desired: "stopped" };
}

function leaving(bench: CommandBench): string[] {
  const found = bench.mirror.guests().filter(({ status }) => status.eviction !== undefined);
  return found.map(({ id }) => id).sort();
}
