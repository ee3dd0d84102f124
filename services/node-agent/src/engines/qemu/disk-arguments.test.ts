import { type CopyDisk, NO_LIMITS } from "@innkeeper/core";
import { forEachSeed } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { diskArguments, HOTPLUG_BRIDGE } from "./disk-arguments.js";
import type { QemuMode } from "./modes.js";

interface Arguments {
  readonly nodes: readonly Record<string, unknown>[];
  readonly devices: readonly Record<string, unknown>[];
}

function argumentsOf(disks: readonly CopyDisk[], mode: QemuMode): Arguments {
  const all = diskArguments({ disks, boot: DISK }, mode);
  const valuesOf = (option: string): Record<string, unknown>[] =>
    all.flatMap((each, index) =>
      each === option ? [JSON.parse(all[index + 1] ?? "") as Record<string, unknown>] : [],
    );
  return {
    nodes: valuesOf("-blockdev"),
    devices: valuesOf("-device").filter(({ id }) => id !== HOTPLUG_BRIDGE.id),
  };
}

const DISK = { kind: "disk", commandLine: "" } as const;
const KERNEL = { ...DISK, kind: "kernel", kernelPath: "/k", initrdPath: undefined } as const;
const ROOT = { name: "root", sizeMib: 1, path: "/disks/root.qcow2", format: "qcow2" } as const;
const DATA = { name: "disk-a", sizeMib: 1, path: "/disks/data.raw", format: "raw" } as const;

describe("the arguments of disks", () => {
  it("are no device without disks", () => {
    for (const mode of ["full", "hybrid", "paravirt"] as const) {
      expect(argumentsOf([], mode)).toEqual({ nodes: [], devices: [] });
    }
  });

  it("let every disk count in one group, with the guest's limits and no others", () => {
    const limits = { ...NO_LIMITS, diskIopsMax: 5, diskBytesPerSecondMax: 7, pidsMax: 9 };
    const [option, group = ""] = diskArguments({ disks: [], boot: DISK, limits }, "hybrid");
    expect([option, JSON.parse(group)]).toEqual([
      "-object",
      { "qom-type": "throttle-group", id: "disks", limits: { "iops-total": 5, "bps-total": 7 } },
    ]);
    const { nodes, devices } = argumentsOf([ROOT, DATA], "hybrid");
    const filters = nodes.filter(({ driver }) => driver === "throttle");
    expect(filters.map((each) => each["throttle-group"])).toEqual(["disks", "disks"]);
    expect(devices.map(({ drive }) => drive)).toEqual(filters.map((each) => each["node-name"]));
  });

  it("open each file locked, in the format that is stated and no other", () => {
    const { nodes } = argumentsOf([ROOT, DATA], "hybrid");
    const files = nodes.filter(({ driver }) => driver === "file");
    expect(files.map(({ filename }) => filename)).toEqual([ROOT.path, DATA.path]);
    for (const file of files) {
      expect(file).toMatchObject({ locking: "on", discard: "unmap" });
      expect(file["cache"]).toEqual({ direct: false, "no-flush": false });
    }
    const formats = nodes.filter(({ driver }) => driver === "qcow2" || driver === "raw");
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
    ["hybrid", [{ driver: "virtio-blk-pci" }, { driver: "virtio-blk-pci", bus: "hotplug" }]],
    ["paravirt", [{ driver: "virtio-blk-device" }, { driver: "virtio-blk-device" }]],
  ] as const)("attach them in mode %s as the guest knows them, in order", (mode, wanted) => {
    const { devices } = argumentsOf([ROOT, DATA], mode);
    expect(devices).toMatchObject(wanted);
    expect(devices.map(({ drive }) => drive)).toEqual(["root", "disk-a"]);
    expect(devices.map(({ serial }) => serial)).toEqual(["root", "a"]);
    for (const device of devices) expect(device).toMatchObject({ werror: "stop", rerror: "stop" });
    const order = devices.map(({ bootindex }) => bootindex);
    expect(order).toEqual([0, 1]);
  });

  it("leave the first place to a kernel that is booted directly", () => {
    const all = diskArguments({ disks: [ROOT], boot: KERNEL }, "hybrid");
    expect(all.join()).not.toContain("bootindex");
  });

  it("never let a path mean anything but a path", () => {
    forEachSeed(200, (prng) => {
      const path = `/${Array.from({ length: prng.integer(1, 40) }, () =>
        String.fromCharCode(prng.integer(32, 126)),
      ).join("")}`;
      const { nodes, devices } = argumentsOf([{ ...ROOT, path }], "full");
      expect(nodes.filter(({ filename }) => filename === path)).toHaveLength(1);
      expect(devices).toEqual(argumentsOf([ROOT], "full").devices);
    });
  });
});
