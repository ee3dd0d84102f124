/** What every blob store must do (ports/blob-store.ts, B1). */
import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { BlobName } from "../../domain/blob.js";
import type { BlobStore } from "../../ports/blob-store.js";

export interface BlobStoreUnderTest {
  readonly blobs: BlobStore;
  /** How many files, or whatever it keeps, a broken write may have left. */
  leftovers(): Promise<number>;
  close(): Promise<void>;
}

type Open = (options?: { readonly freeBytes: number }) => Promise<BlobStoreUnderTest>;

let subject: BlobStoreUnderTest;
let openSubject: Open;

export function blobStoreContract(name: string, open: Open): void {
  describe(`blob store contract: ${name}`, () => {
    beforeEach(async () => {
      openSubject = open;
      subject = await open();
    });
    afterEach(async () => {
      await subject.close();
    });
    describe("B1: whole and verified", keepsWholeBlobs);
    describe("B1: broken writes", leavesNothing);
    describe("fetching", fetches);
    describe("fetching goes on", goesOn);
    describe("use", tellsUse);
    describe("concurrent writes", writesConcurrently);
    describe("names", refusesOtherNames);
  });
}

function keepsWholeBlobs(): void {
  it("gives back the bytes that were written", async () => {
    const bytes = Buffer.from([0, 1, 2, 255]);
    await write(bytes);
    expect(await read(nameOf(bytes).sha256)).toEqual(bytes);
    expect(await subject.blobs.has(nameOf(bytes).sha256)).toBe(true);
    expect(await subject.blobs.pathOf(nameOf(bytes).sha256)).toMatch(/^\//);
  });

  it("keeps an empty blob, and one of megabytes in many pieces", async () => {
    const large = Buffer.alloc(3 * 2 ** 20, "innkeeper");
    await subject.blobs.write(nameOf(large), pieces(large, 100_000));
    await write(Buffer.alloc(0));
    expect((await read(nameOf(large).sha256)).equals(large)).toBe(true);
    expect(await read(nameOf(Buffer.alloc(0)).sha256)).toHaveLength(0);
  });

  it("does not know what was never written, or was removed", async () => {
    const bytes = Buffer.from("x");
    const { sha256 } = nameOf(bytes);
    await expectMissing(sha256);
    await write(bytes);
    await subject.blobs.remove(sha256);
    await expectMissing(sha256);
    await subject.blobs.remove(sha256);
  });

  it("takes the writing of a blob that is there as done, and lets go of the stream", async () => {
    const bytes = Buffer.from("twice");
    await write(bytes);
    let isReleased = false;
    const stream = (async function* () {
      try {
        yield bytes;
      } finally {
        isReleased = true;
      }
    })();
    await subject.blobs.write(nameOf(bytes), stream);
    await stream.next();
    expect(isReleased || (await stream.next()).done).toBe(true);
    expect(await read(nameOf(bytes).sha256)).toEqual(bytes);
  });
}

function leavesNothing(): void {
  const announced = Buffer.from("announced");

  it.each([
    ["too few bytes", Buffer.from("announce"), "size"],
    ["too many bytes", Buffer.from("announced!"), "size"],
    ["other bytes", Buffer.from("ANNOUNCED"), "sha256"],
  ])("refuses %s and shows nothing", async (_, bytes, wrong) => {
    const writing = subject.blobs.write(nameOf(announced), pieces(bytes, 4));
    await expect(writing).rejects.toMatchObject({
      kind: "invalid",
      reason: "BLOB_MISMATCH",
      metadata: { wrong },
    });
    await expectMissing(nameOf(announced).sha256);
    expect(await subject.leftovers()).toBe(0);
  });

  it("stops reading as soon as there are too many bytes", async () => {
    let given = 0;
    const endless = (async function* () {
      for (;;) {
        given += 1;
        yield Buffer.alloc(1000);
      }
    })();
    const writing = subject.blobs.write(nameOf(announced), endless);
    await expect(writing).rejects.toMatchObject({ reason: "BLOB_MISMATCH" });
    expect(given).toBe(1);
  });

  it("leaves nothing of a stream that breaks, and takes the blob afterwards", async () => {
    const broken = (async function* () {
      yield announced.subarray(0, 3);
      throw new Error("the line went dead");
    })();
    await expect(subject.blobs.write(nameOf(announced), broken)).rejects.toThrow();
    await expectMissing(nameOf(announced).sha256);
    expect(await subject.leftovers()).toBe(0);
    await write(announced);
    expect(await read(nameOf(announced).sha256)).toEqual(announced);
  });

  it("shows nothing before the last byte is verified", async () => {
    let resume: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      resume = resolve;
    });
    const slow = (async function* () {
      yield announced.subarray(0, 8);
      await gate;
      yield announced.subarray(8);
    })();
    const writing = subject.blobs.write(nameOf(announced), slow);
    await expectMissing(nameOf(announced).sha256);
    resume();
    await writing;
    expect(await read(nameOf(announced).sha256)).toEqual(announced);
  });
}

const FETCHED = Buffer.from("0123456789");

/** Gives the bytes from there to `endBytes`, and breaks there. */
function brokenAt(endBytes: number) {
  return async function* (offsetBytes: number): AsyncGenerator<Uint8Array> {
    yield FETCHED.subarray(offsetBytes, endBytes);
    throw new Error("the line went dead");
  };
}

function fetches(): void {
  it("fetches a blob once for all who want it at once", async () => {
    const asked: number[] = [];
    const openAt = async function* (offsetBytes: number): AsyncGenerator<Uint8Array> {
      asked.push(offsetBytes);
      yield* pieces(FETCHED.subarray(offsetBytes), 3);
    };
    const wanted = [1, 2, 3].map(() => subject.blobs.fetch(nameOf(FETCHED), openAt));
    await Promise.all(wanted);
    expect(asked).toEqual([0]);
    expect(await read(nameOf(FETCHED).sha256)).toEqual(FETCHED);
    expect(await subject.leftovers()).toBe(0);
  });

  it("reads from any byte on", async () => {
    await write(FETCHED);
    const parts: Uint8Array[] = [];
    for await (const part of subject.blobs.read(nameOf(FETCHED).sha256, 7)) parts.push(part);
    expect(Buffer.concat(parts).toString()).toBe("789");
  });

  it("refuses what the host has no room for, before it asks for a byte", async () => {
    const small = await openSubject({ freeBytes: 5 });
    const openAt = (): AsyncIterable<Uint8Array> => {
      throw new Error("asked");
    };
    await expect(small.blobs.fetch(nameOf(FETCHED), openAt)).rejects.toMatchObject({
      kind: "capacity",
      reason: "NO_SPACE",
      metadata: { sizeBytes: "10", freeBytes: "5" },
    });
    await small.close();
  });
}

function goesOn(): void {
  it("goes on where a fetch broke, and shows nothing before the end", async () => {
    const asked: number[] = [];
    for (const endBytes of [3, 3, 8]) {
      const fetching = subject.blobs.fetch(nameOf(FETCHED), (offsetBytes) => {
        asked.push(offsetBytes);
        return brokenAt(endBytes)(offsetBytes);
      });
      await expect(fetching).rejects.toThrow();
      await expectMissing(nameOf(FETCHED).sha256);
    }
    await subject.blobs.fetch(nameOf(FETCHED), (offsetBytes) => {
      asked.push(offsetBytes);
      return pieces(FETCHED.subarray(offsetBytes), 1);
    });
    expect(asked).toEqual([0, 3, 3, 8]);
    expect(await read(nameOf(FETCHED).sha256)).toEqual(FETCHED);
    expect(await subject.leftovers()).toBe(0);
  });

  it("begins anew after what came was wrong", async () => {
    await expect(subject.blobs.fetch(nameOf(FETCHED), brokenAt(4))).rejects.toThrow();
    const wrong = subject.blobs.fetch(nameOf(FETCHED), () => pieces(Buffer.from("xxxxxx"), 2));
    await expect(wrong).rejects.toMatchObject({ reason: "BLOB_MISMATCH" });
    expect(await subject.leftovers()).toBe(0);
    await subject.blobs.fetch(nameOf(FETCHED), (offsetBytes) => {
      expect(offsetBytes).toBe(0);
      return pieces(FETCHED, 4);
    });
    expect(await read(nameOf(FETCHED).sha256)).toEqual(FETCHED);
  });
}

function tellsUse(): void {
  it("lists what is whole, the longest unused first", async () => {
    const [first, second, third] = ["a", "bb", "ccc"].map((text) => Buffer.from(text));
    for (const bytes of [first, second, third]) {
      if (bytes) await write(bytes);
      await untilTheNextTick();
    }
    await subject.blobs.pathOf(nameOf(first ?? FETCHED).sha256);
    await expect(subject.blobs.fetch(nameOf(FETCHED), brokenAt(4))).rejects.toThrow();
    const listed = await subject.blobs.list();
    expect(listed.map(({ sizeBytes }) => sizeBytes)).toEqual([2, 3, 1]);
  });
}

/** Times of files are told apart by milliseconds. */
async function untilTheNextTick(): Promise<void> {
  const nowMs = Date.now();
  await vi.waitUntil(() => Date.now() > nowMs, { interval: 1 });
}

function writesConcurrently(): void {
  it("takes one blob from many writers at once", async () => {
    const bytes = Buffer.alloc(50_000, "many");
    const writers = Array.from({ length: 10 }, () =>
      subject.blobs.write(nameOf(bytes), pieces(bytes, 1000)),
    );
    await Promise.all(writers);
    expect((await read(nameOf(bytes).sha256)).equals(bytes)).toBe(true);
    expect(await subject.leftovers()).toBe(0);
  });

  it("lets a good writer succeed beside bad ones", async () => {
    const bytes = Buffer.alloc(5000, "good");
    const bad = Buffer.alloc(5000, "bad!");
    const results = await Promise.allSettled(
      [bad, bytes, bad].map((sent) => subject.blobs.write(nameOf(bytes), pieces(sent, 100))),
    );
    expect(results[1]?.status).toBe("fulfilled");
    expect((await read(nameOf(bytes).sha256)).equals(bytes)).toBe(true);
    expect(await subject.leftovers()).toBe(0);
  });
}

function refusesOtherNames(): void {
  it.each(["", "../etc/passwd", "A".repeat(64), "0".repeat(63), `${"0".repeat(63)}/`])(
    "refuses the name %j everywhere",
    async (sha256) => {
      const refusal = { kind: "invalid", reason: "INVALID_FIELD" };
      const { blobs } = subject;
      const writing = blobs.write({ sha256, sizeBytes: 1 }, pieces(Buffer.from("x"), 1));
      await expect(writing).rejects.toMatchObject(refusal);
      await expect(blobs.has(sha256)).rejects.toMatchObject(refusal);
      await expect(blobs.pathOf(sha256)).rejects.toMatchObject(refusal);
      await expect(read(sha256)).rejects.toMatchObject(refusal);
      await expect(blobs.remove(sha256)).rejects.toMatchObject(refusal);
    },
  );
}

function nameOf(bytes: Uint8Array): BlobName {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { sha256, sizeBytes: bytes.length };
}

async function* pieces(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += pieceBytes) {
    yield bytes.subarray(start, start + pieceBytes);
  }
}

function write(bytes: Uint8Array): Promise<void> {
  return subject.blobs.write(nameOf(bytes), pieces(bytes, 1 + bytes.length));
}

async function read(sha256: string): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of subject.blobs.read(sha256)) parts.push(part);
  return Buffer.concat(parts);
}

async function expectMissing(sha256: string): Promise<void> {
  const missing = { kind: "not-found", reason: "BLOB_NOT_FOUND" };
  expect(await subject.blobs.has(sha256)).toBe(false);
  await expect(subject.blobs.pathOf(sha256)).rejects.toMatchObject(missing);
  await expect(read(sha256)).rejects.toMatchObject(missing);
}
