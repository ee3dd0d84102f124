import { forEachSeed } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { diskArguments } from "./disk-arguments.js";

interface Arguments {
  readonly nodes: readonly Record<string, unknown>[];
  readonly devices: readonly Record<string, unknown>[];
}

function argumentsOf(...args: Parameters<typeof diskArguments>): Arguments {
  const all = diskArguments(...args);
  const valuesOf = (option: string): Record<string, unknown>[] =>
    all.flatMap((each, index) =>
      each === option ? [JSON.parse(all[index + 1] ?? "") as Record<string, unknown>] : [],
    );
  return { nodes: valuesOf("-blockdev"), devices: valuesOf("-device") };
}

const ROOT = { path: "/disks/root.qcow2", format: "qcow2" } as const;
const DATA = { path: "/disks/data.raw", format: "raw" } as const;

describe("the arguments of disks", () => {
  it("are none without disks", () => {
    for (const mode of ["full", "hybrid", "paravirt"] as const) {
      expect(diskArguments([], mode)).toEqual([]);
    }
  });

  it("open each file locked, in the format that is stated and no other", () => {
    const { nodes } = argumentsOf([ROOT, DATA], "hybrid");
    const files = nodes.filter(({ driver }) => driver === "file");
    expect(files.map(({ filename }) => filename)).toEqual([ROOT.path, DATA.path]);
    for (const file of files) {
      expect(file).toMatchObject({ locking: "on", discard: "unmap" });
      expect(file["cache"]).toEqual({ direct: false, "no-flush": false });
    }
    const formats = nodes.filter(({ driver }) => driver !== "file");
    expect(formats.map(({ driver, file }) => [driver, file])).toEqual([
      ["qcow2", files[0]?.["node-name"]],
      ["raw", files[1]?.["node-name"]],
    ]);
  });

  it.each([
    [
      "full",
      [
        { driver: "ide-hd", bus: "ide.0", unit: 0 },
        { bus: "ide.0", unit: 1 },
      ],
    ],
    ["hybrid", [{ driver: "virtio-blk-pci" }, { driver: "virtio-blk-pci" }]],
    ["paravirt", [{ driver: "virtio-blk-device" }, { driver: "virtio-blk-device" }]],
  ] as const)("attach them in mode %s as the guest knows them, in order", (mode, wanted) => {
    const { devices } = argumentsOf([ROOT, DATA], mode);
    expect(devices).toMatchObject(wanted);
    expect(devices.map(({ drive }) => drive)).toEqual(["disk0", "disk1"]);
    for (const device of devices) expect(device).toMatchObject({ werror: "stop", rerror: "stop" });
    const order = devices.map(({ bootindex }) => bootindex);
    expect(order).toEqual(mode === "paravirt" ? [undefined, undefined] : [0, 1]);
  });

  it("never let a path mean anything but a path", () => {
    forEachSeed(200, (prng) => {
      const path = `/${Array.from({ length: prng.integer(1, 40) }, () =>
        String.fromCharCode(prng.integer(32, 126)),
      ).join("")}`;
      const { nodes, devices } = argumentsOf([{ path, format: "qcow2" }], "full");
      expect(nodes.filter(({ filename }) => filename === path)).toHaveLength(1);
      expect(devices).toEqual(argumentsOf([ROOT], "full").devices);
    });
  });
});
