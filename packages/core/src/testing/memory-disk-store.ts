/** Disks in memory. Paths name nothing that can be opened. */
import { assert } from "../domain/assert.js";
import { diskFull } from "../domain/disk.js";
import { isUuid } from "../domain/names.js";
import {
  cloneCancelled,
  cloneSourceGone,
  snapshotNotFound,
  type WantedSnapshot,
} from "../domain/snapshot.js";
import type {
  CloneOrder,
  DiskName,
  DiskStore,
  ExportedDisk,
  WantedDisk,
} from "../ports/disk-store.js";
import type { CopyDisk, CopySnapshot } from "../ports/engine.js";

/** What survives the agent process: guest uid → disk name → MiB. */
export class MemoryDisks {
  readonly guests = new Map<string, Map<string, number>>();
  /** Guest uid → snapshot uid → MiB. */
  readonly snapshots = new Map<string, Map<string, number>>();

  constructor(readonly capacityMib = Number.MAX_SAFE_INTEGER) {}

  get freeMib(): number {
    const all = [...this.guests.values(), ...this.snapshots.values()];
    const sizes = all.flatMap((each) => [...each.values()]);
    return this.capacityMib - sizes.reduce((sum, sizeMib) => sum + sizeMib, 0);
  }
}

export class MemoryDiskStore implements DiskStore {
  constructor(readonly disks: MemoryDisks = new MemoryDisks()) {}

  async prepare(guestUid: string, wanted: readonly WantedDisk[]): Promise<readonly CopyDisk[]> {
    assert(isUuid(guestUid), "disks belong to guests, which are named by UUIDs");
    const present = this.disks.guests.get(guestUid) ?? new Map<string, number>();
    const growthOf = ({ name, sizeMib }: WantedDisk): number =>
      Math.max(0, sizeMib - (present.get(name) ?? 0));
    const needMib = wanted.reduce((sum, each) => sum + growthOf(each), 0);
    if (needMib > this.disks.freeMib) throw diskFull(needMib, this.disks.freeMib);
    for (const each of wanted) {
      present.set(each.name, Math.max(each.sizeMib, present.get(each.name) ?? 0));
    }
    if (present.size > 0) this.disks.guests.set(guestUid, present);
    return wanted.map(({ name, sizeMib }) => {
      return { name, sizeMib, path: `/memory/${guestUid}/${name}`, format: "qcow2" as const };
    });
  }

  async clone(
    guestUid: string,
    { from, wanted, onProgress }: CloneOrder,
    signal: AbortSignal,
  ): Promise<readonly CopyDisk[]> {
    const { snapshotUid } = from;
    if (signal.aborted) throw cloneCancelled();
    const isThere =
      snapshotUid === ""
        ? this.disks.guests.has(from.guestUid)
        : this.disks.snapshots.get(from.guestUid)?.has(snapshotUid) === true;
    const present = this.disks.guests.get(guestUid);
    const isMissing = wanted.some(({ name }) => present?.has(name) !== true);
    if (!isThere && isMissing) throw cloneSourceGone(from);
    if (isMissing) onProgress?.(100);
    return await this.prepare(guestUid, wanted);
  }

  add(guestUid: string, wanted: readonly WantedDisk[]): Promise<readonly CopyDisk[]> {
    return this.prepare(guestUid, wanted);
  }

  keepOnly(guestUid: string, names: readonly DiskName[]): Promise<void> {
    const present = this.disks.guests.get(guestUid) ?? new Map<string, number>();
    for (const name of [...present.keys()]) {
      if (name.startsWith("disk-") && !names.some((each) => each === name)) present.delete(name);
    }
    if (present.size === 0) this.disks.guests.delete(guestUid);
    return Promise.resolve();
  }

  snapshots(guestUid: string): Promise<ReadonlyMap<string, { readonly isWhole: boolean }>> {
    const uids = this.disks.snapshots.get(guestUid)?.keys() ?? [];
    return Promise.resolve(new Map([...uids].map((uid) => [uid, { isWhole: true }])));
  }

  /** There as soon as there is room: these disks have no content. */
  async makeRoom(guestUid: string, snapshot: WantedSnapshot): Promise<CopySnapshot> {
    const present = this.disks.guests.get(guestUid) ?? new Map<string, number>();
    const disksMib = [...present.values()].reduce((sum, sizeMib) => sum + sizeMib, 0);
    const needMib = disksMib + snapshot.memoryMib;
    if (needMib > this.disks.freeMib) throw diskFull(needMib, this.disks.freeMib);
    const taken = this.disks.snapshots.get(guestUid) ?? new Map<string, number>();
    this.disks.snapshots.set(guestUid, taken.set(snapshot.uid, needMib));
    const statePath = snapshot.hasMemory ? `/memory/${guestUid}/${snapshot.uid}` : undefined;
    return { uid: snapshot.uid, statePath };
  }

  takeSnapshot(): Promise<void> {
    return Promise.resolve();
  }

  removeSnapshot(guestUid: string, uid: string): Promise<void> {
    this.disks.snapshots.get(guestUid)?.delete(uid);
    return Promise.resolve();
  }

  removeState(guestUid: string, uid: string): Promise<void> {
    return this.removeSnapshot(guestUid, uid);
  }

  async restoreSnapshot(guestUid: string, uid: string): Promise<CopySnapshot> {
    if (!this.disks.snapshots.get(guestUid)?.has(uid)) throw snapshotNotFound(uid);
    return { uid, statePath: undefined };
  }

  /** These disks have no content. */
  async exportDisk(
    guestUid: string,
    snapshotUid: string,
    signal: AbortSignal,
  ): Promise<ExportedDisk> {
    if (signal.aborted) throw cloneCancelled();
    const from = { guestUid, snapshotUid };
    const isThere =
      snapshotUid === "" || this.disks.snapshots.get(guestUid)?.has(snapshotUid) === true;
    if (!isThere || !this.disks.guests.has(guestUid)) throw cloneSourceGone(from);
    const read = async function* (): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(1);
    };
    return { sizeBytes: 1, read, remove: () => Promise.resolve() };
  }

  remove(guestUid: string): Promise<void> {
    assert(isUuid(guestUid), "disks belong to guests, which are named by UUIDs");
    this.disks.guests.delete(guestUid);
    this.disks.snapshots.delete(guestUid);
    return Promise.resolve();
  }

  list(): Promise<readonly string[]> {
    return Promise.resolve([...this.disks.guests.keys()]);
  }
}
