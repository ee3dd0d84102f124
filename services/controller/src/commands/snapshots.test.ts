/** Admission of snapshots: what is refused, what one commit takes, and how a restore begins. */
import { type GuestSnapshot, nodeCounter, quotaCounter, takenBy } from "@innkeeper/core";
import { aGuest, aNode } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { aBench, type CommandBench } from "../testing/command-bench.js";
import { removeGuestDisk } from "./data-disks.js";
import { removeSnapshot, restoreSnapshot, takeSnapshot } from "./snapshots.js";

const G1 = { projectId: "default", guestId: "g1", requestId: "" };
const S: GuestSnapshot = {
  uid: "00000000-0000-4000-8000-0000000000c1",
  name: "s",
  hasMemory: true,
  sizeMib: 430,
  createdAtMs: 1,
  diskMib: 100,
  dataDisks: [{ name: "a", sizeMib: 10 }],
  vcpuCount: 1,
  memoryMib: 256,
};
const NAMED = { ...G1, snapshotName: "s" };
const DISKS = { ...NAMED, hasMemory: false };

describe("takeSnapshot", () => {
  it.each([
    [false, 110],
    [true, 110 + 256 + 64],
  ])("holds all that it may come to take, with memory: %s", async (hasMemory, sizeMib) => {
    const bench = await withSnapshots([]);
    await takeSnapshot(bench, { ...NAMED, hasMemory });
    const guest = bench.guest("g1");
    expect(guest.spec.snapshots).toMatchObject([{ name: "s", hasMemory, sizeMib }]);
    expect(takenBy(guest).diskMib).toBe(110 + sizeMib);
    expect(guest.status.resize?.before).toMatchObject({ snapshots: [] });
    expect(await bench.counters()).toEqual({
      [nodeCounter("n1", "diskMib")]: sizeMib,
      [quotaCounter("default", "diskMib")]: sizeMib,
    });
  });

  it("refuses a name that is taken, and one too many", async () => {
    await expect(takeSnapshot(await withSnapshots([S]), DISKS)).rejects.toMatchObject({
      reason: "SNAPSHOT_EXISTS",
    });
    const eight = Array.from({ length: 8 }, (_, n) => ({ ...S, name: `s${n}`, uid: `${n}` }));
    const ninth = takeSnapshot(await withSnapshots(eight), DISKS);
    await expect(ninth).rejects.toMatchObject({ kind: "invalid" });
  });

  it("refuses what the guest or its mode cannot, with the reason", async () => {
    const bare = await aBench({ nodes: [aNode()], guests: [aGuest({ onNode: "n1" })] });
    await expect(takeSnapshot(bare, DISKS)).rejects.toThrow(/the guest has no disk/);
    const stopped = await withSnapshots([], { phase: "STOPPED" });
    await expect(takeSnapshot(stopped, { ...DISKS, hasMemory: true })).rejects.toThrow(/no memory/);
    await takeSnapshot(stopped, DISKS);
    for (const [cannot, hasMemory] of [
      ["canSnapshot", false],
      ["canSnapshotMemory", true],
    ] as const) {
      const abilities = aNode().abilities.map((each) => ({ ...each, [cannot]: false }));
      const bench = await withSnapshots([], {}, aNode({ abilities }));
      await expect(takeSnapshot(bench, { ...NAMED, hasMemory })).rejects.toMatchObject({
        reason: "NO_SNAPSHOTS",
      });
    }
  });
});

describe("removeSnapshot", () => {
  it("gives nothing back before the node has confirmed it, and forgets to restore it", async () => {
    const restore = { snapshotUid: S.uid, hasMemory: true, epoch: 1 };
    const bench = await withSnapshots([S], { spec: { restore } });
    await removeSnapshot(bench, NAMED);
    const guest = bench.guest("g1");
    expect(guest.spec).toMatchObject({ snapshots: [] });
    expect(guest.spec.restore).toBeUndefined();
    expect(takenBy(guest).diskMib).toBe(110 + S.sizeMib);
    expect(await bench.counters()).toEqual({});
  });

  it("comes before the removal of a disk that it holds", async () => {
    const removed = removeGuestDisk(await withSnapshots([S]), { ...G1, diskName: "a" });
    await expect(removed).rejects.toMatchObject({ reason: "DISK_IN_SNAPSHOT" });
  });

  it("knows no other name", async () => {
    const removed = removeSnapshot(await withSnapshots([S]), { ...NAMED, snapshotName: "t" });
    await expect(removed).rejects.toMatchObject({ reason: "SNAPSHOT_NOT_FOUND" });
  });
});

describe("restoreSnapshot", () => {
  it.each(["RUNNING", "PAUSED", "STOPPED", "FAILED"] as const)(
    "gives a guest that is %s a new epoch, whose copy begins as the snapshot (I1)",
    async (phase) => {
      const bench = await withSnapshots([S], { phase });
      await restoreSnapshot(bench, { ...NAMED, isDisksOnly: false });
      expect(bench.guest("g1")).toMatchObject({
        intent: 2,
        spec: {
          desired: "running",
          startCount: 1,
          restore: { snapshotUid: S.uid, hasMemory: true, epoch: 2 },
        },
        status: { phase: "STARTING", epochLast: 2, placement: { epoch: 2 } },
      });
    },
  );

  it("refuses memory that does not fit, and takes the disks all the same", async () => {
    const bench = await withSnapshots([S], { memoryMib: 128 });
    const refused = restoreSnapshot(bench, { ...NAMED, isDisksOnly: false });
    await expect(refused).rejects.toMatchObject({ reason: "SNAPSHOT_MISMATCH" });
    await restoreSnapshot(bench, { ...NAMED, isDisksOnly: true });
    expect(bench.guest("g1").spec.restore).toMatchObject({ hasMemory: false });
  });

  it.each(["PENDING", "MIGRATING", "LOST"] as const)(
    "refuses a guest that is %s",
    async (phase) => {
      const refused = restoreSnapshot(await withSnapshots([S], { phase }), {
        ...NAMED,
        isDisksOnly: true,
      });
      await expect(refused).rejects.toMatchObject({ reason: "ILLEGAL_TRANSITION" });
    },
  );
});

async function withSnapshots(
  snapshots: readonly GuestSnapshot[],
  overrides: Parameters<typeof aGuest>[0] = {},
  node = aNode(),
): Promise<CommandBench> {
  const { spec, ...rest } = overrides;
  const { dataDisks } = S;
  const own = { spec: { dataDisks, snapshots, ...spec } };
  const guest = aGuest({ onNode: "n1", diskMib: 100, ...rest, ...own });
  return await aBench({ nodes: [node], guests: [guest] });
}
