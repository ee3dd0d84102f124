import type { CopyLaunch } from "@innkeeper/core";
import { forEachSeed } from "@innkeeper/core/testing";
import { describe, expect, it } from "vitest";
import { type QemuMachine, qemuArguments } from "./machine.js";
import { isQemuMode, QEMU_MODES } from "./modes.js";

const UID = "0881338a-9452-4e84-907e-37c93f783c64";
const MACHINE: QemuMachine = { mode: "hybrid", acceleration: "tcg", tscKhz: undefined };
const HOSTILE = [
  "-incoming exec:reboot",
  ",accel=kvm,",
  '"},{"driver":"x"}',
  "a\nb",
  "../../etc/passwd",
  "-append=x",
  "%s%n",
  "--",
];

function aLaunch(commandLine: string, launch: Partial<CopyLaunch> = {}): CopyLaunch {
  return {
    guestUid: UID,
    epoch: 3,
    mode: "hybrid",
    vcpuCount: 2,
    cpuMillis: 1000,
    memoryMib: 64,
    boot: { kind: "kernel", kernelPath: "/blobs/kernel", initrdPath: "/blobs/initrd", commandLine },
    disks: [],
    isIncoming: false,
    ...launch,
  };
}

const FROM_DISK: Partial<CopyLaunch> = {
  boot: { kind: "disk", commandLine: "" },
  disks: [{ name: "root", sizeMib: 1, path: "/disks/root.qcow2", format: "qcow2" }],
};

/** What follows this option, each time it is there. */
function valuesOf(args: readonly string[], option: string): string[] {
  return args.flatMap((arg, index) => (arg === option ? [args[index + 1] ?? ""] : []));
}

describe("the arguments of a copy", () => {
  it.each(HOSTILE)("keep the command line %j in one argument, as it is", (text) => {
    const args = qemuArguments(aLaunch(text), MACHINE);
    expect(valuesOf(args, "-append")).toEqual([text]);
    const rest = qemuArguments(aLaunch(""), MACHINE);
    expect(args.toSpliced(args.indexOf("-append") + 1, 1)).toEqual(
      rest.toSpliced(rest.indexOf("-append") + 1, 1),
    );
  });

  it("do not depend on the command line, whatever it is", () => {
    const plain = qemuArguments(aLaunch(""), MACHINE);
    const at = plain.indexOf("-append") + 1;
    forEachSeed(200, (prng) => {
      const text = Array.from({ length: prng.integer(0, 40) }, () =>
        String.fromCharCode(prng.integer(32, 126)),
      ).join("");
      expect(qemuArguments(aLaunch(text), MACHINE)).toEqual(plain.with(at, text));
    });
  });

  it("describe devices and networks in JSON", () => {
    for (const mode of QEMU_MODES) {
      const launch = mode === "full" ? aLaunch("", FROM_DISK) : aLaunch("");
      const args = qemuArguments(launch, { ...MACHINE, mode });
      const devices = valuesOf(args, "-device").map((each) => JSON.parse(each) as object);
      expect(devices.length).toBeGreaterThan(3);
      expect(devices).toContainEqual(expect.objectContaining({ mac: "52:54:00:78:3c:64" }));
      for (const each of valuesOf(args, "-netdev")) expect(JSON.parse(each)).toBeTypeOf("object");
    }
  });

  it("name the copy, size the machine and put on the sandbox", () => {
    const args = qemuArguments(aLaunch("x"), MACHINE);
    expect(valuesOf(args, "-name")).toEqual([`${UID}.3`]);
    expect(valuesOf(args, "-smp")).toEqual(["2"]);
    expect(valuesOf(args, "-m")).toEqual(["64"]);
    expect(valuesOf(args, "-kernel")).toEqual(["/blobs/kernel"]);
    expect(valuesOf(args, "-initrd")).toEqual(["/blobs/initrd"]);
    expect(valuesOf(args, "-sandbox")[0]).toMatch(/^on,.*spawn=deny/);
    expect(args).toContain("-no-reboot");
  });

  it("name no path but those of kernel and initrd: QEMU runs in the copy's directory", () => {
    const boot = {
      kind: "kernel" as const,
      kernelPath: "kernel",
      initrdPath: undefined,
      commandLine: "",
    };
    expect(qemuArguments(aLaunch("", { boot }), MACHINE).join(" ")).not.toContain("/");
    expect(qemuArguments(aLaunch("", { boot }), MACHINE)).not.toContain("-initrd");
  });

  it("let a receiving copy wait, and only that", () => {
    const receiving = qemuArguments(aLaunch("", { isIncoming: true }), MACHINE);
    expect(receiving.slice(-3)).toEqual(["-incoming", "defer", "-S"]);
    expect(qemuArguments(aLaunch(""), MACHINE)).not.toContain("-incoming");
  });
});

describe("mode full", () => {
  const FULL: QemuMachine = { ...MACHINE, mode: "full" };

  it("shows the guest nothing that was made for guests", () => {
    const args = qemuArguments(aLaunch("", FROM_DISK), FULL);
    const drivers = valuesOf(args, "-device").map((each) => (JSON.parse(each) as Driver).driver);
    expect(drivers).toEqual(["isa-serial", "e1000", "VGA", "ide-hd"]);
    expect(args.join(" ")).not.toMatch(/virtio|pvpanic|-kernel|-append/);
    expect(valuesOf(args, "-machine")).toEqual(["pc,vmport=off,accel=tcg"]);
  });

  it.each<[string, QemuMachine["mode"], Partial<CopyLaunch>]>([
    ["a kernel in full", "full", {}],
    ["a disk in paravirt", "paravirt", FROM_DISK],
    ["no disk at all in full", "full", { ...FROM_DISK, disks: [] }],
  ])("and the others refuse what they cannot boot: %s", (_, mode, launch) => {
    expect(() => qemuArguments(aLaunch("", launch), { ...MACHINE, mode })).toThrow(
      expect.objectContaining({ kind: "precondition", reason: "IMAGE_NOT_BOOTABLE" }),
    );
  });

  it("is not needed for a disk: hybrid boots one too, and firmware tries nothing else", () => {
    for (const mode of ["full", "hybrid"] as const) {
      const args = qemuArguments(aLaunch("", FROM_DISK), { ...MACHINE, mode });
      expect(valuesOf(args, "-boot")).toEqual(["strict=on"]);
      expect(args).not.toContain("-kernel");
    }
  });
});

interface Driver {
  readonly driver: string;
}

describe("the kernel's command line", () => {
  const tscKhz = 2_400_000;

  it("tells an emulated microvm the rate of its counter", () => {
    const machine = { mode: "paravirt", acceleration: "tcg", tscKhz } as const;
    expect(valuesOf(qemuArguments(aLaunch("quiet"), machine), "-append")).toEqual([
      "tsc_early_khz=2400000 quiet",
    ]);
    expect(valuesOf(qemuArguments(aLaunch(""), machine), "-append")).toEqual([
      "tsc_early_khz=2400000",
    ]);
  });

  it.each<[string, QemuMachine]>([
    ["a machine with other clocks", { mode: "hybrid", acceleration: "tcg", tscKhz }],
    ["real hardware", { mode: "paravirt", acceleration: "kvm", tscKhz }],
    ["a host that does not know it", { mode: "paravirt", acceleration: "tcg", tscKhz: undefined }],
  ])("is left as it is on %s", (_, machine) => {
    expect(valuesOf(qemuArguments(aLaunch("quiet"), machine), "-append")).toEqual(["quiet"]);
  });
});

it("knows its modes", () => {
  expect(QEMU_MODES.every((mode) => isQemuMode(mode))).toBe(true);
  expect(isQemuMode("container")).toBe(false);
});
