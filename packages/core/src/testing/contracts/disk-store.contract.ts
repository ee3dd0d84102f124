/** What every disk store must do (ports/disk-store.ts, K1 to K4). */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DiskStore, WantedDisk } from "../../ports/disk-store.js";

export interface DiskStoreUnderTest {
  readonly disks: DiskStore;
  /** The same disks as seen by the next agent process. */
  reopen(): Promise<DiskStore>;
  /** A disk that begins as an image of this size. */
  rootOf(sizeMib: number): WantedDisk;
  /** How many MiB disks may have altogether. */
  readonly capacityMib: number;
  close(): Promise<void>;
}

const A = "00000000-0000-4000-8000-00000000000a";
const B = "00000000-0000-4000-8000-00000000000b";

let subject: DiskStoreUnderTest;

export function diskStoreContract(name: string, open: () => Promise<DiskStoreUnderTest>): void {
  describe(`disk store contract: ${name}`, () => {
    beforeEach(async () => {
      subject = await open();
    });
    afterEach(async () => {
      await subject.close();
    });
    preparing();
    changing();
    snapshots();
    cloning();
    exporting();
    removing();
    refusing();
  });
}

function data(sizeMib: number): WantedDisk {
  return { name: "data", sizeMib, base: undefined };
}

function preparing(): void {
  it("gives one path for each disk, in order, apart from those of other guests", async () => {
    const wanted = [subject.rootOf(2), data(3)];
    const paths = [];
    for (const uid of [A, B]) {
      const made = await subject.disks.prepare(uid, wanted);
      expect(made).toHaveLength(2);
      for (const { path } of made) expect(path).toMatch(/^\//);
      paths.push(...made.map(({ path }) => path));
    }
    expect(new Set(paths).size).toBe(4);
    expect([...(await subject.disks.list())].sort()).toEqual([A, B]);
  });

  it("makes no more when asked again, also by the next process (K1)", async () => {
    const first = await subject.disks.prepare(A, [subject.rootOf(2)]);
    expect(await subject.disks.prepare(A, [subject.rootOf(2)])).toEqual(first);
    const next = await subject.reopen();
    expect(await next.list()).toEqual([A]);
    expect(await next.prepare(A, [subject.rootOf(2)])).toEqual(first);
  });

  it("makes the same disks when asked twice at once", async () => {
    const asked = [1, 2].map(() => subject.disks.prepare(A, [subject.rootOf(2)]));
    const [one, two] = await Promise.all(asked);
    expect(one).toEqual(two);
    expect(await subject.disks.list()).toEqual([A]);
  });

  it("makes nothing for a guest that wants nothing", async () => {
    expect(await subject.disks.prepare(A, [])).toEqual([]);
    expect(await subject.disks.list()).toEqual([]);
  });
}

function changing(): void {
  it("lets a disk grow and never shrink, also for the next process", async () => {
    await subject.disks.prepare(A, [data(3)]);
    await subject.disks.prepare(A, [data(5)]);
    await subject.disks.prepare(A, [data(4)]);
    const most = subject.capacityMib - 5;
    await expect(subject.disks.prepare(B, [data(most + 1)])).rejects.toMatchObject({
      metadata: { needMib: String(most + 1) },
    });
    const next = await subject.reopen();
    expect(await next.prepare(A, [data(5)])).toMatchObject([{ name: "data", sizeMib: 5 }]);
  });

  it("refuses to let a disk grow beyond what there is room for (K4)", async () => {
    await subject.disks.prepare(A, [data(3)]);
    const grown = subject.disks.prepare(A, [data(subject.capacityMib * 2)]);
    await expect(grown).rejects.toMatchObject({ reason: "DISK_FULL" });
    const added = subject.disks.add(A, [data(subject.capacityMib * 2)]);
    await expect(added).rejects.toMatchObject({ reason: "DISK_FULL" });
  });

  it("adds disks to those of a copy, and takes away only those that come and go", async () => {
    const first = data(3);
    const before = await subject.disks.prepare(A, [first]);
    const after = await subject.disks.add(A, [first, coming("a"), coming("b")]);
    expect(after.map(({ name }) => name)).toEqual(["data", "disk-a", "disk-b"]);
    expect(after[0]).toEqual(before[0]);
    await subject.disks.keepOnly(A, ["disk-b"]);
    await subject.disks.keepOnly(A, ["disk-b"]);
    const room = subject.capacityMib - 3 - 2;
    expect(await subject.disks.prepare(B, [data(room)])).toHaveLength(1);
    await expect(subject.disks.add(A, [first, coming("a")])).rejects.toMatchObject({
      reason: "DISK_FULL",
    });
  });

  it("knows nothing of a guest whose last disk has gone", async () => {
    await subject.disks.add(A, [coming("a")]);
    await subject.disks.keepOnly(A, []);
    await subject.disks.keepOnly(B, []);
    expect(await subject.disks.list()).toEqual([]);
  });
}

function cloning(): void {
  const asIs = { guestUid: A, snapshotUid: "" };
  const never = (): AbortSignal => new AbortController().signal;

  it("makes disks of their own that begin as another guest's, once", async () => {
    const wanted = [data(3), coming("a")];
    const theirs = await subject.disks.prepare(A, wanted);
    const told: number[] = [];
    const order = { from: asIs, wanted, onProgress: (percent: number) => void told.push(percent) };
    const made = await subject.disks.clone(B, order, never());
    expect(told.at(-1)).toBe(100);
    expect(told).toEqual(told.toSorted((one, other) => one - other));
    expect(made.map(({ name }) => name)).toEqual(["data", "disk-a"]);
    expect(made.map(({ path }) => path)).not.toEqual(theirs.map(({ path }) => path));
    await subject.disks.remove(A);
    const next = await subject.reopen();
    expect(await next.clone(B, { from: asIs, wanted }, never())).toEqual(made);
    expect(await next.prepare(B, wanted)).toEqual(made);
  });

  it("clones what a snapshot holds, and nothing that is not there", async () => {
    const S = "00000000-0000-4000-8000-0000000000c1";
    const wanted = [data(3)];
    await subject.disks.prepare(A, wanted);
    const from = { guestUid: A, snapshotUid: S };
    const gone = { kind: "not-found", reason: "SNAPSHOT_NOT_FOUND" };
    await expect(subject.disks.clone(B, { from, wanted }, never())).rejects.toMatchObject(gone);
    expect(await subject.disks.list()).toEqual([A]);
    await subject.disks.makeRoom(A, { uid: S, hasMemory: false, memoryMib: 0, isNew: true });
    await subject.disks.takeSnapshot(A, S);
    expect(await subject.disks.clone(B, { from, wanted }, never())).toHaveLength(1);
    const other = { from: { ...asIs, guestUid: S }, wanted: [coming("x")] };
    await expect(subject.disks.clone(B, other, never())).rejects.toMatchObject(gone);
  });

  it("clones nothing that could not be filled (K4), and leaves nothing if cancelled", async () => {
    await subject.disks.prepare(A, [data(3)]);
    const large = { from: asIs, wanted: [data(subject.capacityMib)] };
    await expect(subject.disks.clone(B, large, never())).rejects.toMatchObject({
      reason: "DISK_FULL",
    });
    const cancelled = subject.disks.clone(
      B,
      { from: asIs, wanted: [data(3)] },
      AbortSignal.abort(),
    );
    await expect(cancelled).rejects.toMatchObject({ kind: "cancelled" });
    expect(await subject.disks.list()).toEqual([A]);
  });
}

function exporting(): void {
  const never = (): AbortSignal => new AbortController().signal;

  it("gives a disk away as bytes, and forgets the file", async () => {
    await subject.disks.prepare(A, [data(3)]);
    const { sizeBytes, read, remove } = await subject.disks.exportDisk(A, "", never());
    let readBytes = 0;
    for await (const bytes of read()) readBytes += bytes.length;
    expect(readBytes).toBe(sizeBytes);
    await remove();
    await remove();
    expect(await subject.disks.list()).toEqual([A]);
  });

  it("exports nothing that is not there, and nothing that nobody wants", async () => {
    const gone = { kind: "not-found" };
    await expect(subject.disks.exportDisk(A, "", never())).rejects.toMatchObject(gone);
    await subject.disks.prepare(A, [data(3)]);
    await expect(subject.disks.exportDisk(A, B, never())).rejects.toMatchObject(gone);
    const cancelled = subject.disks.exportDisk(A, "", AbortSignal.abort());
    await expect(cancelled).rejects.toMatchObject({ kind: "cancelled" });
  });
}

function snapshots(): void {
  const S = "00000000-0000-4000-8000-0000000000c1";
  const wanted = { uid: S, hasMemory: false, memoryMib: 0, isNew: true };

  it("holds a snapshot of all disks until it is removed, also for the next process", async () => {
    const disk = [data(3)];
    await subject.disks.prepare(A, disk);
    expect((await subject.disks.snapshots(A)).size).toBe(0);
    expect((await subject.disks.snapshots(B)).size).toBe(0);
    const { uid, statePath } = await subject.disks.makeRoom(A, wanted);
    expect([uid, statePath]).toEqual([S, undefined]);
    await subject.disks.takeSnapshot(A, S);
    const next = await subject.reopen();
    expect([...(await next.snapshots(A))]).toEqual([[S, { isWhole: true }]]);
    expect(await next.restoreSnapshot(A, S)).toEqual({ uid: S, statePath: undefined });
    expect(await next.restoreSnapshot(A, S)).toEqual({ uid: S, statePath: undefined });
    await next.removeSnapshot(A, S);
    await next.removeSnapshot(A, S);
    expect((await next.snapshots(A)).size).toBe(0);
    const gone = { kind: "not-found", reason: "SNAPSHOT_NOT_FOUND" };
    await expect(next.restoreSnapshot(A, S)).rejects.toMatchObject(gone);
  });

  it("makes no room that is not there, and counts what a snapshot may keep (K4)", async () => {
    const half = Math.ceil(subject.capacityMib * 0.4);
    await subject.disks.prepare(A, [data(half)]);
    await subject.disks.makeRoom(A, wanted);
    await subject.disks.takeSnapshot(A, S);
    const other = "00000000-0000-4000-8000-0000000000c2";
    await expect(subject.disks.makeRoom(A, { ...wanted, uid: other })).rejects.toMatchObject({
      reason: "DISK_FULL",
    });
    await expect(subject.disks.prepare(B, [data(half)])).rejects.toMatchObject({
      reason: "DISK_FULL",
    });
  });
}

function coming(name: string): WantedDisk {
  return { name: `disk-${name}`, sizeMib: 2, base: undefined };
}

function removing(): void {
  it("removes the disks of one guest and no others, as often as asked", async () => {
    await subject.disks.prepare(A, [subject.rootOf(2), data(3)]);
    await subject.disks.prepare(B, [data(1)]);
    await subject.disks.remove(A);
    await subject.disks.remove(A);
    expect(await subject.disks.list()).toEqual([B]);
    expect(await (await subject.reopen()).list()).toEqual([B]);
  });

  it("makes fresh disks after a removal", async () => {
    await subject.disks.prepare(A, [data(3)]);
    await subject.disks.remove(A);
    expect(await subject.disks.prepare(A, [data(3)])).toHaveLength(1);
    expect(await subject.disks.list()).toEqual([A]);
  });
}

function refusing(): void {
  it("refuses what it has no room for, with numbers, and makes none of it (K3, K4)", async () => {
    const wanted = [subject.rootOf(1), data(subject.capacityMib)];
    await expect(subject.disks.prepare(A, wanted)).rejects.toMatchObject({
      kind: "capacity",
      reason: "DISK_FULL",
      metadata: { needMib: String(subject.capacityMib + 1) },
    });
    expect(await subject.disks.list()).toEqual([]);
  });

  it("counts what disks may still grow by, and not what is removed (K4)", async () => {
    const most = Math.ceil(subject.capacityMib * 0.6);
    await subject.disks.prepare(A, [data(most)]);
    const second = subject.disks.prepare(B, [data(most)]);
    await expect(second).rejects.toMatchObject({ reason: "DISK_FULL" });
    await subject.disks.remove(A);
    expect(await subject.disks.prepare(B, [data(most)])).toHaveLength(1);
  });

  it.each(["", "..", "../x", "a/b", A.toUpperCase()])("takes no guest named %j", async (uid) => {
    await expect(subject.disks.prepare(uid, [data(1)])).rejects.toThrow("UUID");
    await expect((async () => subject.disks.remove(uid))()).rejects.toThrow("UUID");
  });
}
