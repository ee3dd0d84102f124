import type { Guest, NodeRecord } from "@innkeeper/core";
import { aGuest, aNode } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { drainNode } from "../commands/drain-node.js";
import { aBench, type CommandBench } from "../testing/command-bench.js";
import { rebalanceIfWorthwhile } from "./auto-rebalance.js";

describe("the continuous rebalance", () => {
  it("begins a small one when nodes are loaded unequally", async () => {
    const bench = await aBench({ nodes: [nodeOf("n1"), nodeOf("n2")], guests: six("n1") });
    const operationId = await rebalanceIfWorthwhile(bench);
    expect(bench.operation(operationId ?? "")).toMatchObject({ kind: "rebalance" });
    expect(entriesOf(bench, operationId)).toBe(3);
    expect(await rebalanceIfWorthwhile(bench)).toBeUndefined();
  });

  it("leaves alone what is even", async () => {
    const guests = [...six("n1").slice(0, 3), ...six("n2").slice(3)];
    const bench = await aBench({ nodes: [nodeOf("n1"), nodeOf("n2")], guests });
    expect(await rebalanceIfWorthwhile(bench)).toBeUndefined();
    expect(bench.mirror.operations()).toEqual([]);
  });

  it("waits while a node is drained", async () => {
    const nodes = [nodeOf("n1"), nodeOf("n2"), nodeOf("n3")];
    const bench = await aBench({ nodes, guests: six("n1") });
    await drainNode(bench, { nodeId: "n3", deadlineMs: undefined, requestId: "" });
    expect(await rebalanceIfWorthwhile(bench)).toBeUndefined();
  });
});

function nodeOf(id: string): NodeRecord {
  return aNode({ id, capacity: { cpuMillis: 10_000, memoryMib: 10_000, diskMib: 0 } });
}

function six(onNode: string): readonly Guest[] {
  const resources = { cpuMillis: 1000, memoryMib: 1000, diskMib: 0 };
  return [1, 2, 3, 4, 5, 6].map((index) =>
    aGuest({ id: `g${index}`, uid: `g${index}-uid`, onNode, spec: { resources } }),
  );
}

function entriesOf(bench: CommandBench, operationId = ""): number {
  return bench.operation(operationId).rebalance?.entries.length ?? 0;
}
