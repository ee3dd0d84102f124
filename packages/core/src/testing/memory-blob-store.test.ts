import { blobStoreContract } from "./contracts/blob-store.contract.js";
import { MemoryBlobStore } from "./memory-blob-store.js";

blobStoreContract("memory", async () => ({
  blobs: new MemoryBlobStore(),
  leftovers: () => Promise.resolve(0),
  close: () => Promise.resolve(),
}));
