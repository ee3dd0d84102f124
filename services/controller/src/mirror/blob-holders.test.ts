import { aGuest, aNode, anImage, aPlacement } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { blobHolders } from "./blob-holders.js";

const IMAGE = anImage();
const [BLOB] = IMAGE.manifest.blobs;
const SHA256 = BLOB?.sha256 ?? "";

function mirrorOf(nodeIds: readonly string[], isStarted = true) {
  return {
    images: () => [IMAGE],
    guests: () =>
      nodeIds.map((nodeId) => {
        const guest = aGuest({ spec: { imageId: IMAGE.id } });
        const placement = aPlacement({ nodeId });
        const startedAtMs = isStarted ? 1 : undefined;
        return { ...guest, status: { ...guest.status, placement, startedAtMs } };
      }),
    node: (id: string) => ({ key: `node/${id}`, revision: 1, value: aNode({ id, address: id }) }),
  };
}

describe("who has a blob", () => {
  it("names nodes whose guests began on it, each once, without the one that asks", () => {
    const found = blobHolders(mirrorOf(["n1", "n2", "n2", "n9"]), SHA256, "n9");
    expect([...found].sort()).toEqual(["n1", "n2"]);
  });

  it("names none for another blob, and none for guests that never began", () => {
    expect(blobHolders(mirrorOf(["n1"]), "0".repeat(64), "n9")).toEqual([]);
    expect(blobHolders(mirrorOf(["n1"], false), SHA256, "n9")).toEqual([]);
  });

  it("names at most four, and different askers hear different ones first", () => {
    const nodeIds = Array.from({ length: 20 }, (_, index) => `n${index}`);
    const answers = Array.from({ length: 50 }, (_, asker) =>
      blobHolders(mirrorOf(nodeIds), SHA256, `asker-${asker}`),
    );
    expect(new Set(answers.map((each) => each.length))).toEqual(new Set([4]));
    expect(new Set(answers.map(([first]) => first)).size).toBeGreaterThan(8);
  });
});
