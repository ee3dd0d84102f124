import { createHash } from "node:crypto";
import { NO_LIMITS } from "@innkeeper/core";
import { describe, expect, it } from "vitest";
import { hostKey, isQuick, machineOf, type QuickLaunch, templateKey } from "./template-key.js";

const KERNEL = {
  kind: "kernel",
  kernelPath: "/blobs/k",
  initrdPath: "/blobs/i",
  commandLine: "quiet a=1",
} as const;
const LAUNCH: QuickLaunch = {
  guestUid: "0881338a-9452-4e84-907e-37c93f783c64",
  epoch: 1,
  mode: "paravirt",
  vcpuCount: 1,
  cpuMillis: 500,
  memoryMib: 128,
  boot: KERNEL,
  disks: [],
  isIncoming: false,
  quickStart: { manifest: '{"kind":"linux"}', hostName: "a", commandLine: "a=1" },
};
const HOST = { key: "h", version: "7.2.22", acceleration: "tcg", tscKhz: 2_100_000 } as const;
const DISK = { name: "data", sizeMib: 8, path: "/d/1", format: "qcow2" } as const;

function keyOf(launch: Partial<QuickLaunch> = {}, host: object = {}): string {
  return templateKey({ ...HOST, ...host }, { ...LAUNCH, ...launch });
}

describe("the key of a template", () => {
  it("does not depend on who the guest is, nor on where things lie", () => {
    const other: QuickLaunch = {
      ...LAUNCH,
      guestUid: "5d1dfb26-1c16-4dbd-9d2c-fe9566751dae",
      epoch: 7,
      cpuMillis: 900,
      boot: { ...KERNEL, kernelPath: "/elsewhere/k", initrdPath: "/elsewhere/i" },
      network: { macAddress: "52:54:00:00:00:01", forwards: [] },
      seed: [{ name: "user-data", bytes: Buffer.from("x") }],
      limits: { ...NO_LIMITS, diskIopsMax: 5 },
      quickStart: { ...LAUNCH.quickStart, hostName: "b" },
    };
    expect(templateKey(HOST, other)).toBe(keyOf());
    const onDisk = keyOf({ disks: [DISK] });
    expect(keyOf({ disks: [{ ...DISK, path: "/d/2" }] })).toBe(onDisk);
  });

  it("changes with everything that makes the machine another one", () => {
    const others = [
      keyOf(),
      keyOf({ mode: "hybrid" }),
      keyOf({ vcpuCount: 2 }),
      keyOf({ memoryMib: 129 }),
      keyOf({ boot: { ...KERNEL, commandLine: "quiet a=2" } }),
      keyOf({ disks: [DISK] }),
      keyOf({ disks: [{ ...DISK, sizeMib: 9 }] }),
      keyOf({ hasGuestAgent: true }),
      keyOf({ quickStart: { ...LAUNCH.quickStart, manifest: "{}" } }),
      keyOf({}, { key: "another host" }),
      keyOf({}, { acceleration: "kvm" }),
    ];
    expect(new Set(others).size).toBe(others.length);
  });

  it("is of one engine version and acceleration", () => {
    const keys = [
      hostKey({ version: "7.2.22", acceleration: "tcg", tscKhz: 1 }),
      hostKey({ version: "7.2.23", acceleration: "tcg", tscKhz: 1 }),
      hostKey({ version: "7.2.22", acceleration: "kvm", tscKhz: 1 }),
    ];
    expect(new Set(keys).size).toBe(3);
    expect(hostKey({ version: "7.2.22", acceleration: "tcg", tscKhz: 1 })).toBe(keys[0]);
  });
});

describe("a launch", () => {
  it("may begin from a template unless it receives, restores, or boots from a disk", () => {
    expect(isQuick(LAUNCH)).toBe(true);
    expect(isQuick({ ...LAUNCH, isIncoming: true })).toBe(false);
    const restore = { uid: LAUNCH.guestUid, statePath: undefined };
    expect(isQuick({ ...LAUNCH, restore })).toBe(false);
    expect(isQuick({ ...LAUNCH, boot: { kind: "disk", commandLine: "" } })).toBe(false);
    const { quickStart: _none, ...plain } = LAUNCH;
    expect(isQuick(plain)).toBe(false);
  });

  it("tells of its template the disks beside the first by their names", () => {
    const beside = { ...DISK, name: "disk-logs", sizeMib: 3 };
    const { diskMib, dataDisks } = machineOf({ ...LAUNCH, disks: [DISK, beside] });
    expect([diskMib, dataDisks]).toEqual([8, [{ name: "logs", sizeMib: 3 }]]);
    expect(machineOf({ ...LAUNCH, disks: [beside] })).toMatchObject({ diskMib: 0, dataDisks });
  });

  it("tells of its template what the cluster compares: the digest of the image, the size", () => {
    expect(machineOf({ ...LAUNCH, disks: [DISK] })).toEqual({
      engine: "qemu",
      mode: "paravirt",
      imageDigest: createHash("sha256").update('{"kind":"linux"}').digest("hex"),
      vcpuCount: 1,
      memoryMib: 128,
      diskMib: 8,
      commandLine: "a=1",
    });
  });
});
