import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { blobStoreContract } from "../testing/contracts/blob-store.contract.js";
import { createFileBlobStore } from "./file-blob-store.js";

const KEPT_FREE_BYTES = 64 * 1024 * 1024;

blobStoreContract("files", async ({ freeBytes } = { freeBytes: 2 ** 40 }) => {
  const directory = await mkdtemp(join(tmpdir(), "innkeeper-blobs-"));
  const blobs = await createFileBlobStore({
    directory,
    freeBytes: () => Promise.resolve(freeBytes + KEPT_FREE_BYTES),
  });
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

  it("goes on with what a killed process had fetched", async () => {
    const directory = await mkdtemp(join(tmpdir(), "innkeeper-blobs-"));
    const bytes = Buffer.from("half and half");
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    await createFileBlobStore({ directory });
    await writeFile(join(directory, "partial", `${sha256}.fetch`), bytes.subarray(0, 4));
    const blobs = await createFileBlobStore({ directory });
    const asked: number[] = [];
    await blobs.fetch({ sha256, sizeBytes: bytes.length }, async function* (offsetBytes) {
      asked.push(offsetBytes);
      yield bytes.subarray(offsetBytes);
    });
    expect(asked).toEqual([4]);
    expect(await blobs.has(sha256)).toBe(true);
    await rm(directory, { recursive: true });
  });

  it("gives up fetches that nobody went on with for a day", async () => {
    const directory = await mkdtemp(join(tmpdir(), "innkeeper-blobs-"));
    await createFileBlobStore({ directory });
    const partial = join(directory, "partial", `${"0".repeat(64)}.fetch`);
    await writeFile(partial, "half a blob");
    const old = new Date(Date.now() - 25 * 3_600_000);
    await utimes(partial, old, old);
    await createFileBlobStore({ directory });
    expect(await readdir(join(directory, "partial"))).toEqual([]);
    await rm(directory, { recursive: true });
  });

  it("says unavailable when its directory cannot be made", async () => {
    const opening = createFileBlobStore({ directory: "/dev/null/blobs" });
    await expect(opening).rejects.toMatchObject({ kind: "unavailable" });
  });
});
