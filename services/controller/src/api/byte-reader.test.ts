import { forEachSeedAsync, type Prng } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { ByteReader } from "./byte-reader.js";

describe("ByteReader", () => {
  it("cuts a stream into blobs, however the stream is cut into pieces", async () => {
    await forEachSeedAsync(200, async (prng) => {
      const blobs = Array.from({ length: prng.integer(0, 4) }, () => randomBytes(prng));
      const reader = new ByteReader(pieces(Buffer.concat(blobs), prng));
      for (const blob of blobs) expect(await collect(reader.take(blob.length))).toEqual(blob);
      await reader.expectEnd();
    });
  });

  it("refuses a stream that is too short, with both sizes", async () => {
    const reader = new ByteReader(of(Buffer.from("abc")));
    const reading = collect(reader.take(5));
    await expect(reading).rejects.toMatchObject({
      kind: "invalid",
      metadata: { field: "data", value: '"3 bytes"', allowed: "5 bytes for this blob" },
    });
  });

  it("refuses a stream that is too long, also when the rest comes in another piece", async () => {
    for (const parts of [["abcd"], ["abc", "d"], ["abc", "", "d"]]) {
      const reader = new ByteReader(of(...parts.map((part) => Buffer.from(part))));
      await collect(reader.take(3));
      await expect(reader.expectEnd()).rejects.toMatchObject({ kind: "invalid" });
    }
  });

  it("passes over what was not read, be it all of a blob or its rest", async () => {
    await forEachSeedAsync(100, async (prng) => {
      const reader = new ByteReader(pieces(Buffer.from("unread-partly-whole"), prng));
      reader.take(7);
      await reader.skipRest();
      for await (const part of reader.take(7)) if (part.length > 0) break;
      await reader.skipRest();
      expect((await collect(reader.take(5))).toString()).toBe("whole");
      await reader.skipRest();
      await reader.expectEnd();
    });
  });

  it("takes empty pieces at the end as nothing", async () => {
    const reader = new ByteReader(of(Buffer.from("a"), Buffer.alloc(0)));
    await collect(reader.take(1));
    await reader.expectEnd();
  });
});

function randomBytes(prng: Prng): Buffer {
  return Buffer.from(Array.from({ length: prng.integer(0, 20) }, () => prng.integer(0, 255)));
}

async function* pieces(bytes: Buffer, prng: Prng): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; ) {
    const length = prng.integer(0, 6);
    yield bytes.subarray(start, start + length);
    start += length;
  }
}

async function* of(...parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

async function collect(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const part of parts) all.push(part);
  return Buffer.concat(all);
}
