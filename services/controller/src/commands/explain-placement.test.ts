import { aGuest, aNode, aProject } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { aBench } from "../testing/command-bench.js";
import { explainGuest, explainNewGuest } from "./explain-placement.js";

const NONE = { cpuMillis: 0, memoryMib: 0, diskMib: 0 };
const EXACT = { cpuMillis: 100, memoryMib: 100, diskMib: 100 };
const N1 = nodeOf("n1", 512);
const N2 = nodeOf("n2", 1024);
const { projectId, labels, spec } = aGuest();

describe("explaining a guest that is not there", () => {
  it("says where it would go, and creates nothing", async () => {
    const bench = await aBench({ nodes: [N1, N2] });
    const before = bench.mirror.revision;
    const { result, refusal, changes } = explainNewGuest(bench, sized(256), "");
    expect(result).toMatchObject({ isPlaced: true, decision: { nodeId: "n2" } });
    expect([refusal, changes]).toEqual([undefined, []]);
    expect(bench.mirror.guests()).toEqual([]);
    expect((await bench.store.snapshot()).revision).toBe(before);
  });

  it("says what admission would refuse, quota of a project above included", async () => {
    const projects = [
      aProject({ id: "root", quota: { memoryMib: 128 } }),
      aProject({ id: "leaf", parentId: "root" }),
    ];
    const bench = await aBench({ nodes: [N2], projects });
    const asked = { ...sized(256), projectId: "leaf" };
    const { result, refusal } = explainNewGuest(bench, asked, "");
    expect(result).toBeUndefined();
    expect(refusal).toMatchObject({ reason: "QUOTA_EXCEEDED", metadata: { project: "root" } });
  });

  it("says why not on one node, with every obstacle, though it fits elsewhere", async () => {
    const bench = await aBench({ nodes: [{ ...N1, isCordoned: true }, N2] });
    const { result, rejections, candidate } = explainNewGuest(bench, sized(768), "n1");
    expect(result).toMatchObject({ isPlaced: true });
    expect(rejections.map(({ filter }) => filter)).toEqual(["cordon", "memoryMib"]);
    expect(candidate).toBeUndefined();
  });

  it("says how good a node is that fits", async () => {
    const bench = await aBench({ nodes: [N1, N2] });
    const { candidate, rejections } = explainNewGuest(bench, sized(256), "n1");
    expect(rejections).toEqual([]);
    expect(candidate).toMatchObject({ ability: { mode: "paravirt" }, violations: 0, fit: 0.5 });
  });

  it("proposes what would make it fit when it fits nowhere", async () => {
    const there = onNode("there", "n1", 256);
    const bench = await aBench({ nodes: [N1, { ...N2, isCordoned: true }], guests: [there] });
    const { result, changes } = explainNewGuest(bench, sized(512), "");
    expect(result).toMatchObject({ isPlaced: false });
    expect(changes.map(({ text }) => text)).toEqual(["uncordon n2", "free 256 memoryMib on n1"]);
  });

  it("proposes to move a running guest that fits elsewhere", async () => {
    const guests = [onNode("small", "n1", 256), onNode("large", "n2", 768)];
    const bench = await aBench({ nodes: [N1, N2], guests });
    const { changes } = explainNewGuest(bench, sized(512), "");
    expect(changes[0]?.text).toBe("move default/small from n1 to n2 first");
  });

  it("knows every node by name, or says so", async () => {
    const bench = await aBench({ nodes: [N1] });
    expect(() => explainNewGuest(bench, sized(64), "n9")).toThrow('no node "n9"');
  });
});

describe("explaining a guest that is there", () => {
  it("asks as if it had no place: its own room is free", async () => {
    const bench = await aBench({ nodes: [N1], guests: [onNode("g", "n1", 512)] });
    const ref = { projectId: "default", guestId: "g" };
    const { result, rejections } = explainGuest(bench, ref, "n1");
    expect(result).toMatchObject({ isPlaced: true, decision: { nodeId: "n1" } });
    expect(rejections).toEqual([]);
    expect(bench.nodeViews.all()[0]?.allocated.memoryMib).toBe(512);
  });
});

function nodeOf(id: string, memoryMib: number) {
  const capacity = { cpuMillis: 64_000, memoryMib, diskMib: 0 };
  return aNode({ id, capacity, reserve: NONE, overcommitPercent: EXACT });
}

function sized(memoryMib: number) {
  const resources = { cpuMillis: 0, memoryMib, diskMib: 0 };
  return { id: "new", projectId, labels, spec: { ...spec, resources } };
}

function onNode(id: string, nodeId: string, memoryMib: number) {
  const resources = { cpuMillis: 0, memoryMib, diskMib: 0 };
  const guest = aGuest({ id, uid: `${id}-uid`, onNode: nodeId, phase: "RUNNING" });
  return { ...guest, spec: { ...guest.spec, resources } };
}
