import type { BlobRole, WantedDisk } from "@innkeeper/core";
import { anAssignment, type Overrides } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { wantedDisks } from "./wanted-disks.js";

const PATHS = new Map<BlobRole, string>([["disk", "/blobs/d"]]);

function wantedBy(
  image: NonNullable<Overrides<Parameters<typeof wantedDisks>[0]>>["image"],
  diskMib: number,
): readonly WantedDisk[] {
  return wantedDisks(anAssignment({ diskMib, ...(image && { image }) }), PATHS);
}

describe("the disks of a guest", () => {
  const image = { kind: "disk", diskFormat: "qcow2", diskMib: 100 } as const;
  const base = { path: "/blobs/d", format: "qcow2", sizeMib: 100 };

  it.each([
    ["as large as its image", 0, 100],
    ["larger, as asked", 101, 101],
    ["never smaller than its image", 99, 100],
  ])("of a disk image are one to boot from: %s", (_, diskMib, sizeMib) => {
    expect(wantedBy(image, diskMib)).toEqual([{ name: "root", sizeMib, base }]);
  });

  it("of a kernel image are a blank one if it asks for some", () => {
    expect(wantedBy({ kind: "linux" }, 5)).toEqual([{ name: "data", sizeMib: 5, base: undefined }]);
    expect(wantedBy({ kind: "pvh" }, 0)).toEqual([]);
  });

  it("of a container are file systems, and its root is on none", () => {
    expect(wantedBy({ kind: "rootfs" }, 5)).toEqual([]);
    const dataDisks = [{ name: "logs", sizeMib: 20 }];
    const of = (kind: "rootfs" | "linux") =>
      wantedDisks(anAssignment({ dataDisks, image: { kind } }), PATHS);
    const wanted = { name: "disk-logs", sizeMib: 20, base: undefined };
    expect(of("rootfs")).toEqual([{ ...wanted, isFileSystem: true }]);
    expect(of("linux")).toEqual([wanted]);
  });
});
