/** Commands on projects, nodes and images. */
import { PROJECT_DEPTH_MAX } from "@innkeeper/core";
import { aGuest, aNode, anImage, aProject, aTransaction } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { aBench, type CommandBench } from "../testing/command-bench.js";
import { cordonNode } from "./cordon-node.js";
import { createGuest } from "./create-guest.js";
import { deleteImage, registerImage } from "./images.js";
import { createProject, setProjectQuota } from "./projects.js";
import { verifyProjects } from "./verify-projects.js";

const ACME = { id: "acme", parentId: undefined, quota: {}, requestId: "" };
const CREATE = { ...aGuest(), requestId: "" };

describe("projects", () => {
  it("are created once", async () => {
    const bench = await aBench();
    await createProject(bench, { ...ACME, quota: { guests: 2 } });
    expect(bench.mirror.project("acme")?.value.quota).toEqual({ guests: 2 });
    const again = createProject(bench, ACME);
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

  describe("in a tree", () => {
    const TREE = [
      aProject({ id: "root", quota: { guests: 3 } }),
      aProject({ id: "left", parentId: "root", quota: { guests: 2 } }),
      aProject({ id: "right", parentId: "root" }),
      aProject({ id: "leaf", parentId: "left" }),
    ];
    const create = (bench: CommandBench, projectId: string, id: string): Promise<string> =>
      createGuest(bench, { ...CREATE, projectId, id });

    it("count what a guest takes in its project and in every one above", async () => {
      const bench = await aBench({ projects: TREE });
      await create(bench, "leaf", "a");
      await create(bench, "right", "b");
      const guests = TREE.map(({ id }) => bench.mirror.usageOf(id).guests);
      expect(guests).toEqual([2, 1, 1, 1]);
      const counted = await bench.counters();
      expect(TREE.map(({ id }) => counted[`project/${id}/guests`])).toEqual([2, 1, 1, 1]);
    });

    it("refuse what any of them has no quota for, naming that one", async () => {
      const bench = await aBench({ projects: TREE });
      for (const id of ["a", "b"]) await create(bench, "leaf", id);
      await expect(create(bench, "leaf", "c")).rejects.toMatchObject({
        reason: "QUOTA_EXCEEDED",
        metadata: { project: "left", used: "2", limit: "2", requested: "1" },
      });
      await create(bench, "right", "c");
      await expect(create(bench, "right", "d")).rejects.toMatchObject({
        metadata: { project: "root", used: "3", limit: "3" },
      });
    });

    it("keep the quota of a common root however many come at once", async () => {
      const bench = await aBench({ projects: TREE });
      const many = Array.from({ length: 12 }, (_, index) =>
        create(bench, index % 2 === 0 ? "leaf" : "right", `g${index}`),
      );
      const settled = await Promise.allSettled(many);
      expect(settled.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
      expect(bench.mirror.usageOf("root").guests).toBe(3);
    });

    it("never admit a guest by a root's quota that was lowered at the same moment", async () => {
      const bench = await aBench({ projects: TREE });
      const lower = { projectId: "root", quota: { guests: 0 }, expectedRevision: 0, requestId: "" };
      const [, created] = await Promise.allSettled([
        setProjectQuota(bench, lower),
        create(bench, "leaf", "a"),
      ]);
      expect(created).toMatchObject({ status: "rejected", reason: { reason: "QUOTA_EXCEEDED" } });
    });

    it("are verified against the sums over their guests", async () => {
      const bench = await aBench({ projects: TREE });
      await create(bench, "leaf", "a");
      const verified = await verifyProjects(bench.store);
      expect(verified).toMatchObject({ projectCount: 4, guestCount: 1, mismatches: [] });
      const damage = { key: "project/left/guests", delta: 2, max: undefined };
      await bench.store.commit(aTransaction({ counters: [damage] }));
      const { mismatches } = await verifyProjects(bench.store);
      const wrong = { projectId: "left", resource: "guests", counted: 3, summed: 1 };
      expect(mismatches).toEqual([wrong]);
    });

    it("need a parent that is there, and are not too deep", async () => {
      const bench = await aBench();
      const orphan = createProject(bench, { ...ACME, parentId: "nobody" });
      await expect(orphan).rejects.toMatchObject({ reason: "PROJECT_NOT_FOUND" });
      let parentId = "default";
      for (let depth = 1; depth < PROJECT_DEPTH_MAX; depth += 1) {
        parentId = await createProject(bench, { ...ACME, id: `p${depth}`, parentId });
      }
      const deeper = createProject(bench, { ...ACME, parentId });
      await expect(deeper).rejects.toMatchObject({ reason: "INVALID_FIELD" });
    });
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
