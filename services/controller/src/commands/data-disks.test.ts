/** Admission of disks that come, grow and go: what is refused, and what one commit takes. */
import { type DataDisk, heldBy, nodeCounter, quotaCounter } from "@innkeeper/core";
import { aGuest, aNode, anImage } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { aBench, type CommandBench } from "../testing/command-bench.js";
import { createGuest } from "./create-guest.js";
import { removeGuestDisk, setGuestDisk } from "./data-disks.js";
import { migrateGuest } from "./migrate-guest.js";

const G1 = { projectId: "default", guestId: "g1", requestId: "" };
const A: DataDisk = { name: "a", sizeMib: 10 };

describe("the disks of a guest", () => {
  it("take their space from node and quota in the commit that asks for them", async () => {
    const bench = await withDisks([]);
    await setGuestDisk(bench, { ...G1, disk: A });
    expect(bench.guest("g1")).toMatchObject({
      intent: 2,
      spec: { dataDisks: [A] },
      status: { resize: { before: { dataDisks: [] } } },
    });
    expect(await bench.counters()).toEqual({
      [nodeCounter("n1", "diskMib")]: 10,
      [quotaCounter("default", "diskMib")]: 10,
    });
  });

  it("take what they grow by, and give nothing back before the node has confirmed it", async () => {
    const bench = await withDisks([A]);
    await setGuestDisk(bench, { ...G1, disk: { ...A, sizeMib: 25 } });
    expect(await bench.counters()).toMatchObject({ [nodeCounter("n1", "diskMib")]: 15 });
    const other = await withDisks([A]);
    await removeGuestDisk(other, { ...G1, diskName: "a" });
    expect(other.guest("g1").spec.dataDisks).toEqual([]);
    expect(await other.counters()).toEqual({});
  });

  it("count when the guest is created, beside its first", async () => {
    const bench = await aBench({ nodes: [aNode()] });
    const { spec } = aGuest({ diskMib: 5, spec: { dataDisks: [A] } });
    expect(heldBy(spec).diskMib).toBe(15);
    await createGuest(bench, { projectId: "default", id: "g1", labels: {}, spec, requestId: "" });
    expect(await bench.counters()).toMatchObject({ [quotaCounter("default", "diskMib")]: 15 });
  });

  it.each([
    ["a smaller size", { ...A, sizeMib: 9 }, /size_mib.*at least 10/],
    ["one too many", { name: "d", sizeMib: 1 }, /at most 2 disks/],
  ])("are refused %s", async (_, disk, said) => {
    const bench = await withDisks([A, { ...A, name: "b" }]);
    await expect(setGuestDisk(bench, { ...G1, disk })).rejects.toThrow(said);
  });

  it("are not there to be removed under another name", async () => {
    const removed = removeGuestDisk(await withDisks([A]), { ...G1, diskName: "b" });
    await expect(removed).rejects.toMatchObject({ reason: "DISK_NOT_FOUND" });
  });

  it.each([
    ["canAttachDisks", { ...A, name: "b" }, /gives no disks/],
    ["canGrowDisks", { ...A, sizeMib: 11 }, /does not see disks grow/],
  ])("are refused while it runs where the mode has not %s", async (ability, disk, said) => {
    const abilities = aNode().abilities.map((each) => ({ ...each, [ability]: false }));
    const node = aNode({ abilities });
    const refused = setGuestDisk(await withDisks([A], node), { ...G1, disk });
    await expect(refused).rejects.toMatchObject({ reason: "NO_LIVE_RESIZE" });
    await expect(refused).rejects.toThrow(said);
    const stopped = await withDisks([A], node, "STOPPED");
    await setGuestDisk(stopped, { ...G1, disk });
    expect(stopped.guest("g1").spec.dataDisks).toContainEqual(disk);
  });

  it("have room for a file system in a container", async () => {
    const images = [anImage({ manifest: { kind: "rootfs" } })];
    const guests = [aGuest({ onNode: "n1", phase: "STOPPED" })];
    const bench = await aBench({ images, nodes: [aNode()], guests });
    const metadata = { field: "disk.size_mib", value: "15" };
    const refused = setGuestDisk(bench, { ...G1, disk: { ...A, sizeMib: 15 } });
    await expect(refused).rejects.toMatchObject({ kind: "invalid", metadata });
    await setGuestDisk(bench, { ...G1, disk: { ...A, sizeMib: 16 } });
    expect(bench.guest("g1").spec.dataDisks).toEqual([{ ...A, sizeMib: 16 }]);
  });

  it("keep it on its node", async () => {
    const moved = migrateGuest(await withDisks([A]), {
      ...G1,
      targetNodeId: "",
      downtimeMsMax: 300,
    });
    await expect(moved).rejects.toMatchObject({ reason: "NO_LIVE_MIGRATION" });
  });
});

async function withDisks(
  dataDisks: readonly DataDisk[],
  node = aNode(),
  phase: "RUNNING" | "STOPPED" = "RUNNING",
): Promise<CommandBench> {
  const guest = aGuest({ onNode: "n1", phase, spec: { dataDisks } });
  return await aBench({ nodes: [node], guests: [guest] });
}
