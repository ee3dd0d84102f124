/** Disks and snapshots of a guest while no copy runs, and what its next copy begins as. */
import { DomainError } from "@innkeeper/core";
import { anAssignment, MemoryDiskStore, MemoryDisks, silentLogger } from "@innkeeper/core/testing";
import { beforeEach, describe, expect, it } from "vitest";
import { GuestDisks } from "./guest-disks.js";

const UID = anAssignment().guestUid;
const S = { uid: "00000000-0000-4000-8000-0000000000c1", hasMemory: false, memoryMib: 0 };

let store: MemoryDiskStore;
let disks: GuestDisks;
/** How much had been copied, each time that it was told. */
let changes: (number | undefined)[];

beforeEach(async () => {
  store = new MemoryDiskStore(new MemoryDisks(100));
  changes = [];
  const onChanged = (): void => void changes.push(disks.clonedPercent);
  disks = new GuestDisks({ disks: store, log: silentLogger, onChanged }, undefined);
  await store.prepare(UID, [{ name: "data", sizeMib: 40, base: undefined }]);
});

describe("the disks of a guest of which no copy runs", () => {
  it("get the snapshots that are new, once, and lose those that are not wanted", async () => {
    const taken = anAssignment({ snapshots: [{ ...S, isNew: true }] });
    await disks.settle(taken, () => true);
    await disks.settle(taken, () => true);
    expect([...(await store.snapshots(UID)).keys()]).toEqual([S.uid]);
    expect(disks.view).toMatchObject({ mayHaveOldDisks: false, diskError: undefined });
    disks.follow(taken, anAssignment());
    expect(disks.view.mayHaveOldDisks).toBe(true);
    await disks.settle(anAssignment(), () => true);
    expect((await store.snapshots(UID)).size).toBe(0);
  });

  it("get no snapshot that was only to be kept: it would hold another moment", async () => {
    await disks.settle(anAssignment({ snapshots: [{ ...S, isNew: false }] }), () => true);
    expect((await store.snapshots(UID)).size).toBe(0);
  });

  it("tell how far they are copied in whole per cent, and no more when that ends", async () => {
    const made = disks.tellCloned(anAssignment(), (onProgress) => {
      for (const percent of [0, 0.9, 1, 57.6, 100]) onProgress(percent);
      return Promise.reject(new Error("no"));
    });
    await expect(made).rejects.toThrow("no");
    expect(changes).toEqual([0, 1, 57, 100, undefined]);
  });

  it("tell why they cannot be so, until there is another assignment", async () => {
    const large = { ...S, isNew: true, hasMemory: true, memoryMib: 100 };
    const assignment = anAssignment({ snapshots: [large] });
    await disks.settle(assignment, () => true);
    expect(disks.view).toMatchObject({ mayHaveOldDisks: true, diskError: { reason: "DISK_FULL" } });
    disks.follow(assignment, anAssignment({ intent: 2 }));
    expect(disks.error).toBeUndefined();
  });

  it("are looked at again after a newer assignment, or a passing trouble", async () => {
    await disks.settle(anAssignment(), () => false);
    expect(disks.view.mayHaveOldDisks).toBe(true);
    const detail = { kind: "unavailable", reason: "X", message: "x", metadata: {} } as const;
    store.keepOnly = () => Promise.reject(new DomainError(detail));
    await expect(disks.settle(anAssignment(), () => true)).rejects.toMatchObject({ reason: "X" });
  });
});

describe("what the next copy begins as", () => {
  const restore = { snapshotUid: S.uid, hasMemory: true, epoch: 2 };

  it("is the snapshot once, for its epoch only", () => {
    const due = anAssignment({ epoch: 2, restore });
    expect(disks.restoreDue(due)).toEqual(restore);
    disks.restoredEpoch = 2;
    expect(disks.restoreDue(due)).toBeUndefined();
    expect(disks.restoreDue(anAssignment({ epoch: 3, restore }))).toBeUndefined();
    expect(disks.restoreDue(anAssignment({ epoch: 3 }))).toBeUndefined();
  });
});
