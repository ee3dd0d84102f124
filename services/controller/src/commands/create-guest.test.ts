import { type Image, NO_NEEDS } from "@innkeeper/core";
import { aGuest, anImage, aProject, type Overrides } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { aBench, type CommandBench } from "../testing/command-bench.js";
import { type CreateGuestInput, createGuest } from "./create-guest.js";

const REQUEST_ID = "00000000-0000-4000-8000-00000000f001";

describe("createGuest", () => {
  it("makes a pending guest and a running operation in one commit, and takes quota", async () => {
    const bench = await aBench();
    const id = await createGuest(bench, input());
    expect(bench.operation(id)).toMatchObject({ kind: "create", state: "running", guestId: "g1" });
    expect(bench.guest("g1")).toMatchObject({
      operationId: id,
      generation: 1,
      status: { phase: "PENDING", placement: undefined },
    });
    expect(bench.mirror.guest("default", "g1")?.revision).toBe(
      bench.mirror.operation(id)?.revision,
    );
    expect(await bench.counters()).toEqual({
      "project/default/guests": 1,
      "project/default/cpuMillis": 1000,
      "project/default/memoryMib": 256,
      "image/tiny/guests": 1,
      [`claim/mac/${bench.guest("g1").status.network?.macAddress}`]: 1,
    });
  });

  it("gives guests and operations ids of their own", async () => {
    const bench = await aBench();
    await createGuest(bench, input({ id: "a" }));
    await createGuest(bench, input({ id: "b" }));
    expect(bench.guest("a").uid).not.toBe(bench.guest("b").uid);
  });

  it.each([
    ["an unknown project", { projectId: "nowhere" }, "not-found PROJECT_NOT_FOUND"],
    ["an unknown image", { spec: specWith({ imageId: "nothing" }) }, "not-found IMAGE_NOT_FOUND"],
    [
      "less memory than the image needs",
      { spec: specWith({ memoryMib: 63 }) },
      "invalid INVALID_FIELD",
    ],
    [
      "live migration of a guest with a disk",
      { spec: { ...specWith({ diskMib: 10 }), needs: { ...NO_NEEDS, liveMigration: true } } },
      "invalid INVALID_FIELD",
    ],
  ])("refuses %s, and nothing is done", async (_, overrides, expected) => {
    const bench = await aBench();
    expect(await refusalOf(createGuest(bench, input(overrides)))).toBe(expected);
    expect(bench.mirror.guests()).toEqual([]);
    expect(await bench.counters()).toEqual({});
  });

  it("refuses a name that is taken in the project, and takes it in another", async () => {
    const bench = await aBench({ projects: [aProject(), aProject({ id: "other" })] });
    await createGuest(bench, input());
    expect(await refusalOf(createGuest(bench, input()))).toBe("already-exists GUEST_EXISTS");
    await createGuest(bench, input({ projectId: "other" }));
    expect(bench.mirror.guests()).toHaveLength(2);
  });

  it("lets one of two that ask for the same name at once have it", async () => {
    const bench = await aBench();
    const results = await Promise.allSettled([
      createGuest(bench, input()),
      createGuest(bench, input()),
    ]);
    expect(results.map((each) => each.status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(await bench.counters()).toMatchObject({ "project/default/guests": 1 });
  });
});

describe("createGuest with a disk", () => {
  const DISK = { kind: "disk", diskFormat: "qcow2", diskMib: 2048 } as const;

  function withImage(manifest: NonNullable<Overrides<Image>["manifest"]>): Promise<CommandBench> {
    return aBench({ images: [anImage({ manifest })] });
  }

  it.each([
    ["the image's size by default", 0, 2048],
    ["the image's size", 2048, 2048],
    ["more", 4096, 4096],
  ])("takes %s, and counts it in the quota", async (_, diskMib, taken) => {
    const bench = await withImage(DISK);
    await createGuest(bench, input({ spec: specWith({ diskMib }) }));
    expect(bench.guest("g1").spec.resources.diskMib).toBe(taken);
    expect(await bench.counters()).toMatchObject({ "project/default/diskMib": taken });
  });

  it("refuses one that the image does not fit on, with both sizes", async () => {
    const bench = await withImage(DISK);
    const asked = createGuest(bench, input({ spec: specWith({ diskMib: 2047 }) }));
    await expect(asked).rejects.toMatchObject({
      kind: "invalid",
      message: expect.stringMatching(/disk_mib: 2047 .*at least 2048, the size of image tiny/),
    });
  });

  it("counts the image's size against the quota also when none is asked for", async () => {
    const projects = [aProject({ quota: { diskMib: 2047 } })];
    const bench = await aBench({ projects, images: [anImage({ manifest: DISK })] });
    await expect(createGuest(bench, input())).rejects.toMatchObject({
      reason: "QUOTA_EXCEEDED",
      metadata: { resource: "diskMib", requested: "2048", limit: "2047" },
    });
  });

  it("gives a kernel a blank disk of any size, or none", async () => {
    const bench = await withImage({ kind: "pvh" });
    await createGuest(bench, input({ id: "a", spec: specWith({ diskMib: 7 }) }));
    await createGuest(bench, input({ id: "b" }));
    expect(["a", "b"].map((id) => bench.guest(id).spec.resources.diskMib)).toEqual([7, 0]);
  });

  it("gives a container that much to write to, and counts it; too little is refused", async () => {
    const bench = await withImage({ kind: "rootfs", command: ["/init"] });
    const asked = createGuest(bench, input({ spec: specWith({ diskMib: 15 }) }));
    await expect(asked).rejects.toThrow(/disk_mib: 15 is not allowed; allowed: 0, or at least 16/);
    await createGuest(bench, input({ spec: specWith({ diskMib: 16 }) }));
    expect(await bench.counters()).toMatchObject({ "project/default/diskMib": 16 });
  });

  it.each([
    ["full", "linux", /auto, hybrid, paravirt for image tiny, which is of kind linux/],
    ["paravirt", "disk", /auto, full, hybrid for image tiny, which is of kind disk/],
    ["container", "pvh", /auto, hybrid, paravirt for image tiny/],
  ] as const)("refuses mode %s for an image of kind %s", async (mode, kind, told) => {
    const bench = await withImage({ kind });
    const asked = createGuest(bench, input({ spec: { ...specWith({}), mode } }));
    await expect(asked).rejects.toThrow(told);
  });
});

describe("createGuest under a quota (I3)", () => {
  const withQuota = (quota: Parameters<typeof aProject>[0]): Promise<CommandBench> =>
    aBench({ projects: [aProject(quota)] });

  it("refuses what exceeds it, with project, resource and all numbers", async () => {
    const bench = await withQuota({ quota: { memoryMib: 500 } });
    await createGuest(bench, input({ id: "a" }));
    await expect(createGuest(bench, input({ id: "b" }))).rejects.toMatchObject({
      kind: "capacity",
      reason: "QUOTA_EXCEEDED",
      metadata: {
        project: "default",
        resource: "memoryMib",
        requested: "256",
        used: "256",
        limit: "500",
      },
    });
  });

  it("never lets concurrent guests together exceed it", async () => {
    const bench = await withQuota({ quota: { guests: 3 } });
    const asked = Array.from({ length: 10 }, (_, index) =>
      createGuest(bench, input({ id: `g${index}` })),
    );
    const results = await Promise.allSettled(asked);
    expect(results.filter((each) => each.status === "fulfilled")).toHaveLength(3);
    for (const each of results) {
      if (each.status === "rejected")
        expect(each.reason).toMatchObject({ reason: "QUOTA_EXCEEDED" });
    }
    expect(bench.mirror.guests()).toHaveLength(3);
    expect(bench.mirror.usageOf("default").guests).toBe(3);
  });

  it("takes a guest that fills it to the last MiB", async () => {
    const bench = await withQuota({ quota: { memoryMib: 256, cpuMillis: 1000, guests: 1 } });
    await createGuest(bench, input());
    expect(bench.mirror.usageOf("default")).toMatchObject({ memoryMib: 256 });
  });
});

describe("createGuest with a request id", () => {
  it("gives the same operation for the same request, and makes one guest", async () => {
    const bench = await aBench();
    const first = await createGuest(bench, input({ requestId: REQUEST_ID }));
    const again = await createGuest(bench, input({ requestId: REQUEST_ID }));
    expect(again).toBe(first);
    expect(bench.mirror.guests()).toHaveLength(1);
  });

  it("gives the same operation to repetitions that come at once", async () => {
    const bench = await aBench();
    const asked = Array.from({ length: 5 }, () =>
      createGuest(bench, input({ requestId: REQUEST_ID })),
    );
    const ids = await Promise.all(asked);
    expect(new Set(ids).size).toBe(1);
    expect(await bench.counters()).toMatchObject({ "project/default/guests": 1 });
  });

  it("refuses another request under the same id", async () => {
    const bench = await aBench();
    await createGuest(bench, input({ requestId: REQUEST_ID }));
    const other = createGuest(bench, input({ requestId: REQUEST_ID, id: "g2" }));
    await expect(other).rejects.toMatchObject({
      kind: "invalid",
      metadata: { field: "request_id" },
    });
  });

  it("is not remembered when it was refused", async () => {
    const bench = await aBench({ images: [] });
    expect(await refusalOf(createGuest(bench, input({ requestId: REQUEST_ID })))).toContain(
      "IMAGE",
    );
    const { images } = { images: [anImage()] };
    for (const value of images) {
      await bench.store.commit({
        checks: [],
        puts: [{ key: "image/tiny", value }],
        deletes: [],
        counters: [],
      });
    }
    await bench.clock.advance(0);
    await createGuest(bench, input({ requestId: REQUEST_ID }));
    expect(bench.mirror.guests()).toHaveLength(1);
  });
});

function input(overrides: Partial<CreateGuestInput> = {}): CreateGuestInput {
  const { projectId, id, labels, spec } = aGuest();
  return { projectId, id, labels, spec, requestId: "", ...overrides };
}

function specWith(part: {
  imageId?: string;
  memoryMib?: number;
  diskMib?: number;
}): CreateGuestInput["spec"] {
  const { spec } = aGuest({ memoryMib: part.memoryMib ?? 256, diskMib: part.diskMib ?? 0 });
  return { ...spec, imageId: part.imageId ?? spec.imageId };
}

function refusalOf(command: Promise<unknown>): Promise<string> {
  return command.then(
    () => "done",
    (error: { kind: string; reason: string }) => `${error.kind} ${error.reason}`,
  );
}
