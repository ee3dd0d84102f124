/** Disks in memory. Paths name nothing that can be opened. */
import { assert } from "../domain/assert.js";
import { diskFull } from "../domain/disk.js";
import { isUuid } from "../domain/names.js";
import type { DiskStore, WantedDisk } from "../ports/disk-store.js";
import type { CopyDisk } from "../ports/engine.js";

/** What survives the agent process: guest uid → disk name → MiB. */
export class MemoryDisks {
  readonly guests = new Map<string, Map<string, number>>();

  constructor(readonly capacityMib = Number.MAX_SAFE_INTEGER) {}

  get freeMib(): number {
    const sizes = [...this.guests.values()].flatMap((disks) => [...disks.values()]);
    return this.capacityMib - sizes.reduce((sum, sizeMib) => sum + sizeMib, 0);
  }
}

export class MemoryDiskStore implements DiskStore {
  constructor(readonly disks: MemoryDisks = new MemoryDisks()) {}

  async prepare(guestUid: string, wanted: readonly WantedDisk[]): Promise<readonly CopyDisk[]> {
    assert(isUuid(guestUid), "disks belong to guests, which are named by UUIDs");
    const present = this.disks.guests.get(guestUid) ?? new Map<string, number>();
    const missing = wanted.filter(({ name }) => !present.has(name));
    const needMib = missing.reduce((sum, { sizeMib }) => sum + sizeMib, 0);
    if (needMib > this.disks.freeMib) throw diskFull(needMib, this.disks.freeMib);
    for (const { name, sizeMib } of missing) present.set(name, sizeMib);
    if (present.size > 0) this.disks.guests.set(guestUid, present);
    const path = `/memory/${guestUid}`;
    return wanted.map(({ name }) => ({ path: `${path}/${name}`, format: "qcow2" as const }));
  }

  remove(guestUid: string): Promise<void> {
    assert(isUuid(guestUid), "disks belong to guests, which are named by UUIDs");
    this.disks.guests.delete(guestUid);
    return Promise.resolve();
  }

  list(): Promise<readonly string[]> {
    return Promise.resolve([...this.disks.guests.keys()]);
  }
}
