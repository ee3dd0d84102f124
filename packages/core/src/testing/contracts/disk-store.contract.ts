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
