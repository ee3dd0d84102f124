import { diskStoreContract } from "./contracts/disk-store.contract.js";
import { MemoryDiskStore, MemoryDisks } from "./memory-disk-store.js";

diskStoreContract("memory", async () => {
  const capacityMib = 100;
  const kept = new MemoryDisks(capacityMib);
  return {
    disks: new MemoryDiskStore(kept),
    reopen: async () => new MemoryDiskStore(kept),
    rootOf: (sizeMib) => {
      const base = { path: "/memory/blob", format: "raw" as const, sizeMib: 1 };
      return { name: "root", sizeMib, base };
    },
    capacityMib,
    close: async () => undefined,
  };
});
