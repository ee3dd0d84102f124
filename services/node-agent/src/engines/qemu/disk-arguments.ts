/**
 * QEMU's arguments for the disks of a copy: block nodes and devices in JSON, so that a path is
 * never parsed, whatever it holds.
 *
 * A disk that cannot be written stops the guest, which goes on when there is room again (see
 * disk-stall.ts) or is ended and told (see QemuCopy): a guest that is told of errors itself would
 * turn its file systems read-only, or lose data silently.
 */
import { type CopyDisk, type CopyLaunch, type GuestLimits, NO_LIMITS } from "@innkeeper/core";
import type { QemuMode } from "./modes.js";

/**
 * The image of a disk is locked against a second process; flushes of the guest reach the host's.
 */
const FILE = {
  driver: "file",
  locking: "on",
  aio: "threads",
  discard: "unmap",
  cache: { direct: false, "no-flush": false },
} as const;

/** Data disks of a guest, which may come and go. */
const DATA_DISK = /^disk-/;

/** On q35 only what is behind a bridge can come and go. */
export const HOTPLUG_BRIDGE = { driver: "pcie-pci-bridge", id: "hotplug" } as const;

const ERRORS = { werror: "stop", rerror: "stop" } as const;

/** All disks of a guest share it: their limits are the guest's. */
const THROTTLE = "disks";

/** Where the limits of a running machine are set. */
export const THROTTLE_PATH = `/objects/${THROTTLE}`;

/** As QEMU takes them: 0 = none. A part that is left out would stay as it is. */
export function throttleLimits(limits: GuestLimits): Readonly<Record<string, number>> {
  const { diskIopsMax, diskBytesPerSecondMax } = limits;
  return { "iops-total": diskIopsMax, "bps-total": diskBytesPerSecondMax };
}

/** The first disk is the one that firmware boots; a kernel that it is given has that place. */
export function diskArguments(
  { disks, limits = NO_LIMITS, boot }: Pick<CopyLaunch, "disks" | "limits" | "boot">,
  mode: QemuMode,
): string[] {
  const order = (index: number): object => (boot.kind === "disk" ? { bootindex: index } : {});
  const throttle = { "qom-type": "throttle-group", id: THROTTLE, limits: throttleLimits(limits) };
  return [
    ...["-object", JSON.stringify(throttle)],
    ...(mode === "hybrid" ? ["-device", JSON.stringify(HOTPLUG_BRIDGE)] : []),
    ...disks.flatMap((disk, index) => [
      ...blockNodes(disk).flatMap((each) => ["-blockdev", JSON.stringify(each)]),
      ...["-device", JSON.stringify({ ...diskDevice(disk, mode, index), ...order(index) })],
    ]),
  ];
}

/** From the file up to what the device sees, which has the disk's name. */
export function blockNodes({ name, path, format }: CopyDisk): readonly object[] {
  const [file, image] = [`${name}-file`, `${name}-image`];
  return [
    { ...FILE, "node-name": file, filename: path },
    { driver: format, "node-name": image, file, discard: "unmap", "detect-zeroes": "unmap" },
    { driver: "throttle", "node-name": name, file: image, "throttle-group": THROTTLE },
  ];
}

/** In the order in which they are removed again. */
export function nodeNames(name: string): readonly string[] {
  return [name, `${name}-image`, `${name}-file`];
}

/** The device is named like its disk; the guest reads that as its serial number. */
export function diskDevice({ name }: CopyDisk, mode: QemuMode, index: number): object {
  const serial = name.replace(DATA_DISK, "");
  return { ...placeOf(name, mode, index), id: name, drive: name, serial, ...ERRORS };
}

function placeOf(name: string, mode: QemuMode, index: number): object {
  switch (mode) {
    case "full":
      return { driver: "ide-hd", bus: `ide.${index >> 1}`, unit: index & 1 };
    case "hybrid":
      return { driver: "virtio-blk-pci", ...(DATA_DISK.test(name) && { bus: HOTPLUG_BRIDGE.id }) };
    case "paravirt":
      return { driver: "virtio-blk-device" };
  }
}
