import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readImageSource } from "./import-image.js";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "innkeeper-image-"));
  await writeFile(join(directory, "vmlinuz"), "a kernel");
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe("readImageSource", () => {
  it("hashes the files beside the description", async () => {
    const source = await readImageSource(await describeImage({}));
    const sha256 = createHash("sha256").update("a kernel").digest("hex");
    expect(source).toEqual({
      id: "tiny",
      manifest: {
        kind: "pvh",
        architecture: "x86_64",
        commandLine: "quiet",
        memoryMibMin: 16,
        diskFormat: undefined,
        diskMib: 0,
        command: [],
        blobs: [{ role: "kernel", sha256, sizeBytes: 8 }],
      },
      files: [join(directory, "vmlinuz")],
    });
  });

  it("takes another id when one is given", async () => {
    expect((await readImageSource(await describeImage({}), "mine")).id).toBe("mine");
  });

  it.each([
    [
      "a file outside its directory",
      { blobs: [{ role: "kernel", file: "../vmlinuz" }] },
      "blobs.file",
    ],
    ["an unknown role", { blobs: [{ role: "firmware", file: "vmlinuz" }] }, "blobs.role"],
    ["an unknown kind", { kind: "exe" }, "kind"],
    ["an id that is no name", { id: "Not A Name" }, "id"],
  ])("refuses %s, naming the field", async (_, part, field) => {
    const file = await describeImage(part);
    await expect(readImageSource(file)).rejects.toMatchObject({
      kind: "invalid",
      metadata: { field },
    });
  });

  it("refuses a description that is no JSON object", async () => {
    for (const text of ["{", "7", "null"]) {
      const file = join(directory, "image.json");
      await writeFile(file, text);
      await expect(readImageSource(file)).rejects.toMatchObject({ metadata: { field: "file" } });
    }
  });

  it("names the file that it cannot read", async () => {
    const file = await describeImage({ blobs: [{ role: "kernel", file: "missing" }] });
    await expect(readImageSource(file)).rejects.toMatchObject({
      kind: "not-found",
      metadata: { file: join(directory, "missing") },
    });
    await expect(readImageSource(join(directory, "none.json"))).rejects.toMatchObject({
      reason: "FILE_NOT_READABLE",
    });
  });
});

async function describeImage(part: Readonly<Record<string, unknown>>): Promise<string> {
  const file = join(directory, "image.json");
  const description = {
    id: "tiny",
    kind: "pvh",
    commandLine: "quiet",
    memoryMibMin: 16,
    blobs: [{ role: "kernel", file: "vmlinuz" }],
    ...part,
  };
  await writeFile(file, JSON.stringify(description));
  return file;
}
