import { createHash } from "node:crypto";
import type { ImageBlob } from "@innkeeper/core";
import { unavailable } from "@innkeeper/core";
import { MemoryBlobStore, silentLogger } from "@innkeeper/core/testing";
import { beforeEach, describe, expect, it } from "vitest";
import { fetchBlob } from "./fetch-blob.js";

type Context = Parameters<typeof fetchBlob>[0];

const BYTES = Buffer.from("0123456789");
const BLOB = blobOf(BYTES);

/** What was asked: of whom, from which byte on. */
let asked: string[];
let store: MemoryBlobStore;
/** What each agent gives: its bytes from there on, then an error if there is one. */
let agents: Map<string, { readonly bytes: Buffer; readonly isBroken?: true }>;
let used: Set<string>;

beforeEach(() => {
  asked = [];
  store = new MemoryBlobStore();
  agents = new Map();
  used = new Set();
});

describe("fetching a blob", () => {
  it("asks an agent that has it, and no controller", async () => {
    agents.set("n1", { bytes: BYTES });
    expect(await fetchBlob(context(), BLOB)).toContain(BLOB.sha256);
    expect(asked).toEqual(["n1 0"]);
  });

  it("goes on with the next agent, then a controller, where one breaks off", async () => {
    agents.set("n1", { bytes: BYTES.subarray(0, 3), isBroken: true });
    agents.set("n2", { bytes: BYTES.subarray(0, 7), isBroken: true });
    await fetchBlob(context(), BLOB);
    expect(asked).toEqual(["n1 0", "n2 3", "controller 7"]);
    expect(await store.has(BLOB.sha256)).toBe(true);
  });

  it("takes the rest from a controller when an agent ends too early", async () => {
    agents.set("n1", { bytes: BYTES.subarray(0, 4) });
    await fetchBlob(context(), BLOB);
    expect(asked).toEqual(["n1 0", "controller 4"]);
  });

  it("F1: asks a controller alone after an agent gave other bytes", async () => {
    agents.set("n1", { bytes: Buffer.from("xxxxxxxxxx") });
    await fetchBlob(context(), BLOB);
    expect(asked).toEqual(["n1 0", "controller 0"]);
    expect(await store.has(BLOB.sha256)).toBe(true);
  });

  it("asks a controller when none says who has it", async () => {
    const mute = {
      ...context(),
      controller: { ...context().controller, findBlob: () => Promise.reject(unavailable("x", "")) },
    };
    await fetchBlob(mute, BLOB);
    expect(asked).toEqual(["controller 0"]);
  });

  it("asks nobody for what is there", async () => {
    await fetchBlob(context(), BLOB);
    asked = [];
    await fetchBlob(context(), BLOB);
    expect(asked).toEqual([]);
  });
});

describe("making room", () => {
  const old = ["aaaa", "bbbb", "cccc"].map((text) => Buffer.from(text));

  beforeEach(async () => {
    for (const bytes of old) await store.write(blobOf(bytes), once(bytes));
  });

  it("removes the longest unused that no guest needs, and no more than must go", async () => {
    used.add(blobOf(old[0] ?? BYTES).sha256);
    await fetchBlob(context(20), BLOB);
    expect(await textsKept()).toEqual(["aaaa", "cccc", "0123456789"]);
  });

  it("F2: keeps what guests need, whatever the limit is", async () => {
    for (const bytes of old) used.add(blobOf(bytes).sha256);
    await fetchBlob(context(1), BLOB);
    expect(await textsKept()).toEqual(["aaaa", "bbbb", "cccc", "0123456789"]);
  });

  it("removes all that no guest needs when the host is full; tells if it still is", async () => {
    store = new MemoryBlobStore(5);
    for (const bytes of old) await store.write(blobOf(bytes), once(bytes));
    used.add(blobOf(old[1] ?? BYTES).sha256);
    await expect(fetchBlob(context(), BLOB)).rejects.toMatchObject({ reason: "NO_SPACE" });
    expect(await textsKept()).toEqual(["bbbb"]);
    expect(asked).toEqual([]);
  });
});

function context(bytesMax = 1000): Context {
  return {
    blobs: store,
    nodeId: "n9",
    log: silentLogger,
    imageCache: { bytesMax, inUse: () => used },
    blobPeers: {
      async *readBlob(address, _, offset) {
        asked.push(`${address} ${offset}`);
        const agent = agents.get(address);
        yield (agent?.bytes ?? BYTES).subarray(offset);
        if (agent?.isBroken) throw new Error("the line went dead");
      },
    },
    controller: {
      join: () => Promise.reject(new Error("nobody joins here")),
      report: () => Promise.reject(new Error("nobody reports here")),
      findBlob: () => Promise.resolve([...agents.keys()]),
      async *readBlob(_, offset) {
        asked.push(`controller ${offset}`);
        yield BYTES.subarray(offset);
      },
      close: () => undefined,
    },
  };
}

function blobOf(bytes: Uint8Array): ImageBlob {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { role: "kernel", sha256, sizeBytes: bytes.length };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function textsKept(): Promise<string[]> {
  const texts = [];
  for (const { sha256 } of await store.list()) {
    for await (const bytes of store.read(sha256)) texts.push(Buffer.from(bytes).toString());
  }
  return texts;
}
