import { blobStoreContract } from "./contracts/blob-store.contract.js";
import { MemoryBlobStore } from "./memory-blob-store.js";

blobStoreContract("memory", async ({ freeBytes } = { freeBytes: 2 ** 40 }) => ({
  blobs: new MemoryBlobStore(freeBytes),
  leftovers: () => Promise.resolve(0),
  close: () => Promise.resolve(),
}));
