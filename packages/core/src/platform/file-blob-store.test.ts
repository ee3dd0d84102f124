import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { blobStoreContract } from "../testing/contracts/blob-store.contract.js";
import { createFileBlobStore } from "./file-blob-store.js";

blobStoreContract("files", async () => {
  const directory = await mkdtemp(join(tmpdir(), "innkeeper-blobs-"));
  const blobs = await createFileBlobStore({ directory });
  return {
    blobs,
    leftovers: async () => (await readdir(join(directory, "partial"))).length,
    close: () => rm(directory, { recursive: true, force: true }),
  };
});

describe("the file blob store", () => {
  it("removes what a killed process left of its writes", async () => {
    const directory = await mkdtemp(join(tmpdir(), "innkeeper-blobs-"));
    await createFileBlobStore({ directory });
    await writeFile(join(directory, "partial", "0.1"), "half a blob");
    await createFileBlobStore({ directory });
    expect(await readdir(join(directory, "partial"))).toEqual([]);
    await rm(directory, { recursive: true });
  });

  it("says unavailable when its directory cannot be made", async () => {
    const opening = createFileBlobStore({ directory: "/dev/null/blobs" });
    await expect(opening).rejects.toMatchObject({ kind: "unavailable" });
  });
});
