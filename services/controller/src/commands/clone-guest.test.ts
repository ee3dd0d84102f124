/** Admission of clones: what is refused, what one commit takes, and who is held meanwhile. */
import { type GuestSnapshot, quotaCounter } from "@innkeeper/core";
import { aGuest, aNode, aProject } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { aBench, type CommandBench } from "../testing/command-bench.js";
import { cancelOperation } from "./cancel-operation.js";
import { cloneGuest } from "./clone-guest.js";
import { deleteGuest } from "./delete-guest.js";
import { setRunState } from "./set-run-state.js";

const G1 = { projectId: "default", guestId: "g1", requestId: "" };
const INPUT = { ...G1, cloneId: "g2", snapshotName: undefined };
const S: GuestSnapshot = {
  uid: "00000000-0000-4000-8000-0000000000c1",
  name: "s",
  hasMemory: false,
  sizeMib: 110,
  createdAtMs: 1,
  diskMib: 100,
  dataDisks: [{ name: "a", sizeMib: 10 }],
  vcpuCount: 1,
  memoryMib: 256,
};

type Phase = "STOPPED" | "RUNNING" | "FAILED" | "PENDING";

async function benchWith(phase: Phase, more: { quotaMib?: number } = {}): Promise<CommandBench> {
  const guest = aGuest({
    id: "g1",
    phase,
    ...(phase === "PENDING" ? {} : { onNode: "n1" }),
    spec: {
      resources: { cpuMillis: 100, memoryMib: 256, diskMib: 100 },
      dataDisks: [
        { name: "a", sizeMib: 10 },
        { name: "new", sizeMib: 5 },
      ],
      snapshots: [S],
      forwards: [{ protocol: "tcp", hostPort: 2222, guestPort: 22 }],
    },
  });
  const { quotaMib } = more;
  const quota = quotaMib === undefined ? {} : { quota: { diskMib: quotaMib } };
  return await aBench({ guests: [guest], nodes: [aNode()], projects: [aProject(quota)] });
}

describe("cloneGuest", () => {
  it("makes a guest like it on its node, with names, ports and disks of its own", async () => {
    const bench = await benchWith("STOPPED");
    const source = bench.guest("g1");
    const operationId = await cloneGuest(bench, INPUT);
    const clone = bench.guest("g2");
    expect(clone.spec).toMatchObject({
      nodeId: "n1",
      desired: "running",
      cloneOf: { guestUid: source.uid, snapshotUid: "" },
      dataDisks: source.spec.dataDisks,
    });
    expect(clone.spec.snapshots).toBeUndefined();
    expect(clone.spec.forwards?.[0]).toMatchObject({ guestPort: 22, isAssigned: true });
    expect(clone.uid).not.toBe(source.uid);
    expect(clone.status.network?.macAddress).toMatch(/^52:54:/);
    expect([clone.operationId, bench.guest("g1").operationId]).toEqual([operationId, operationId]);
    expect((await bench.counters())[quotaCounter("default", "diskMib")]).toBe(115);
  });

  it("takes the disks that a snapshot holds, also of a guest that runs", async () => {
    const bench = await benchWith("RUNNING");
    await cloneGuest(bench, { ...INPUT, snapshotName: "s" });
    const { cloneOf, dataDisks } = bench.guest("g2").spec;
    expect(cloneOf?.snapshotUid).toBe(S.uid);
    expect(dataDisks).toEqual([{ name: "a", sizeMib: 10 }]);
  });

  it.each([
    ["RUNNING", undefined, "ILLEGAL_TRANSITION"],
    ["PENDING", "s", "ILLEGAL_TRANSITION"],
    ["STOPPED", "other", "SNAPSHOT_NOT_FOUND"],
  ] as const)(
    "refuses a guest that is %s with snapshot %s",
    async (phase, snapshotName, reason) => {
      const bench = await benchWith(phase);
      const refused = cloneGuest(bench, { ...INPUT, snapshotName });
      await expect(refused).rejects.toMatchObject({ reason });
      expect(bench.guest("g1").operationId).toBe("");
    },
  );

  it("refuses its own name, one that is taken, and more than the quota", async () => {
    const bench = await benchWith("STOPPED");
    const itself = cloneGuest(bench, { ...INPUT, cloneId: "g1" });
    await expect(itself).rejects.toMatchObject({ kind: "invalid" });
    const small = await benchWith("STOPPED", { quotaMib: 300 });
    await expect(cloneGuest(small, INPUT)).rejects.toMatchObject({ reason: "QUOTA_EXCEEDED" });
    expect(small.guest("g1").operationId).toBe("");
  });

  it("holds both until it has ended: neither starts nor goes; it can be cancelled", async () => {
    const bench = await benchWith("STOPPED");
    const operationId = await cloneGuest(bench, INPUT);
    const busy = { reason: "GUEST_BUSY", metadata: { kind: "clone" } };
    await expect(setRunState(bench, "start", G1)).rejects.toMatchObject(busy);
    await expect(deleteGuest(bench, G1)).rejects.toMatchObject(busy);
    await expect(cloneGuest(bench, { ...INPUT, cloneId: "g3" })).rejects.toMatchObject(busy);
    await cancelOperation(bench, { operationId, requestId: "" });
    expect(bench.mirror.operation(operationId)?.value.isCancelRequested).toBe(true);
  });

  it("is not touched by the deletion of the other one once it has ended", async () => {
    const bench = await benchWith("STOPPED");
    const operationId = await cloneGuest(bench, INPUT);
    await deleteGuest(bench, { ...G1, guestId: "g2" });
    const { updatedAtMs } = bench.mirror.operation(operationId)?.value ?? {};
    await bench.clock.advance(1);
    await deleteGuest(bench, G1);
    const after = bench.mirror.operation(operationId)?.value;
    expect(after).toMatchObject({ state: "cancelled", updatedAtMs });
  });

  it("ends with the deletion of the new guest, and then the other one is free", async () => {
    const bench = await benchWith("STOPPED");
    const operationId = await cloneGuest(bench, INPUT);
    await deleteGuest(bench, { ...G1, guestId: "g2" });
    expect(bench.mirror.operation(operationId)?.value.state).toBe("cancelled");
    await setRunState(bench, "start", G1);
    expect(bench.guest("g1").spec.desired).toBe("running");
  });
});
