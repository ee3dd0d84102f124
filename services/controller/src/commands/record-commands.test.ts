/** Commands on projects, nodes and images. */
import { aGuest, aNode, anImage } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { aBench } from "../testing/command-bench.js";
import { cordonNode } from "./cordon-node.js";
import { createGuest } from "./create-guest.js";
import { deleteImage, registerImage } from "./images.js";
import { createProject, setProjectQuota } from "./projects.js";

const CREATE = { ...aGuest(), requestId: "" };

describe("projects", () => {
  it("are created once", async () => {
    const bench = await aBench();
    await createProject(bench, { id: "acme", quota: { guests: 2 }, requestId: "" });
    expect(bench.mirror.project("acme")?.value.quota).toEqual({ guests: 2 });
    const again = createProject(bench, { id: "acme", quota: {}, requestId: "" });
    await expect(again).rejects.toMatchObject({ reason: "PROJECT_EXISTS" });
  });

  it("may be given less than they use, which stops growth only", async () => {
    const bench = await aBench();
    await createGuest(bench, CREATE);
    const quota = { guests: 0 };
    await setProjectQuota(bench, {
      projectId: "default",
      quota,
      expectedRevision: 0,
      requestId: "",
    });
    expect(bench.mirror.guests()).toHaveLength(1);
    const more = createGuest(bench, { ...CREATE, id: "g2" });
    await expect(more).rejects.toMatchObject({ reason: "QUOTA_EXCEEDED" });
  });

  it("refuse a quota that was decided on an old revision", async () => {
    const bench = await aBench();
    const seen = bench.mirror.project("default")?.revision ?? 0;
    const set = {
      projectId: "default",
      quota: { guests: 1 },
      expectedRevision: seen,
      requestId: "",
    };
    await setProjectQuota(bench, set);
    await expect(setProjectQuota(bench, set)).rejects.toMatchObject({ reason: "ETAG_MISMATCH" });
  });

  it("never admit a guest by a quota that was lowered at the same moment", async () => {
    const bench = await aBench();
    const [lowered, created] = await Promise.allSettled([
      setProjectQuota(bench, {
        projectId: "default",
        quota: { guests: 0 },
        expectedRevision: 0,
        requestId: "",
      }),
      createGuest(bench, CREATE),
    ]);
    expect(lowered.status).toBe("fulfilled");
    expect(created).toMatchObject({ status: "rejected", reason: { reason: "QUOTA_EXCEEDED" } });
  });
});

describe("nodes", () => {
  it("are cordoned and uncordoned, as often as one likes", async () => {
    const bench = await aBench({ nodes: [aNode()] });
    for (const isCordoned of [true, true, false]) {
      expect(await cordonNode(bench, { nodeId: "n1", isCordoned, requestId: "" })).toBe("n1");
      expect(bench.mirror.node("n1")?.value.isCordoned).toBe(isCordoned);
    }
  });

  it("are not found when they never joined", async () => {
    const cordoning = cordonNode(await aBench(), { nodeId: "n9", isCordoned: true, requestId: "" });
    await expect(cordoning).rejects.toMatchObject({ reason: "NODE_NOT_FOUND" });
  });
});

describe("images", () => {
  it("are registered once; the same content again is no error, other content is", async () => {
    const bench = await aBench({ images: [] });
    await registerImage(bench, { image: anImage(), requestId: "" });
    const { revision } = bench.mirror.image("tiny") ?? {};
    await registerImage(bench, { image: anImage(), requestId: "" });
    expect(bench.mirror.image("tiny")?.revision).toBe(revision);
    const other = anImage({ manifest: { commandLine: "other" } });
    await expect(registerImage(bench, { image: other, requestId: "" })).rejects.toMatchObject({
      reason: "IMAGE_EXISTS",
    });
  });

  it("are not deleted while guests use them, and the refusal names guests", async () => {
    const bench = await aBench();
    await createGuest(bench, CREATE);
    await expect(deleteImage(bench, { imageId: "tiny", requestId: "" })).rejects.toMatchObject({
      reason: "IMAGE_IN_USE",
      metadata: { guests: "g1" },
    });
  });

  it("are deleted when nobody uses them", async () => {
    const bench = await aBench();
    await deleteImage(bench, { imageId: "tiny", requestId: "" });
    expect(bench.mirror.image("tiny")).toBeUndefined();
    expect(await bench.counters()).toEqual({});
  });

  it("never go while a guest comes, whoever is first", async () => {
    for (const order of ["create first", "delete first"]) {
      const bench = await aBench();
      const create = () => createGuest(bench, CREATE);
      const remove = () => deleteImage(bench, { imageId: "tiny", requestId: "" });
      const commands = order === "create first" ? [create, remove] : [remove, create];
      const results = await Promise.allSettled(commands.map((command) => command()));
      expect(results.map((each) => each.status)).toEqual(["fulfilled", "rejected"]);
      const isUsed = bench.mirror.guests().length > 0;
      expect(bench.mirror.image("tiny") !== undefined).toBe(isUsed);
    }
  });
});
